#!/usr/bin/env bash
# Builds and runs every test and ends with the line "N passed, N failed".
# Stages can be named to run only them: scripts/test.sh unit scenario
set -uo pipefail
cd "$(dirname "$0")/.."

out=build/test-results
mkdir -p "$out"
passed=0
failed=0
failures=()
stages=("${@:-all}")

wanted() { [[ " ${stages[*]} " == *" $1 "* || " ${stages[*]} " == *" all "* ]]; }

say() { printf '== %s (%ds)\n' "$*" "$SECONDS"; }

# A stage that could not even start counts as one failure.
broken() {
  echo "not ok $*"
  failed=$((failed + 1))
  failures+=("$*")
}

# run_gtest PRESET FILE [FILTER]: runs one test program; gtest_counts takes what came of it.
run_gtest() {
  local name
  name=$(basename "$2")
  rm -f "$out/$1-$name.json"
  "$2" --gtest_brief=1 --gtest_filter="${3:-*}" --gtest_output="json:$out/$1-$name.json" >"$out/$1-$name.log" 2>&1
}

# gtest_counts PRESET FILE: adds its counts; the failures' text is shown.
gtest_counts() {
  local name result
  name=$(basename "$2")
  result=$out/$1-$name.json
  if [ ! -s "$result" ]; then
    tail -n 60 "$out/$1-$name.log"
    broken "$1 $name: died"
    return
  fi
  local tests bad
  tests=$(jq '.tests - .disabled' "$result")
  bad=$(jq '.failures + .errors' "$result")
  # A sanitizer that complains after the last test leaves a full report and a bad exit.
  if [ "$bad" -eq 0 ] && grep -qE 'ERROR: (Address|Leak|Thread)Sanitizer|runtime error:' "$out/$1-$name.log"; then bad=1; fi
  if [ "$bad" -gt 0 ]; then
    grep -B 12 -E 'FAILED|Sanitizer|runtime error' "$out/$1-$name.log" | head -n 80
    failures+=("$1 $name: $(grep -oE 'FAILED  \] [^ ]*|(ERROR: [A-Za-z]*Sanitizer|runtime error).*' "$out/$1-$name.log" | sort -u | head -n 5 | paste -sd ' ')")
  fi
  passed=$((passed + tests - bad))
  failed=$((failed + bad))
  printf '%s %s: %d tests, %d failed\n' "$1" "$name" "$tests" "$bad"
}

# failed_checks NAME LOG: a line for each, with the first words of what it said.
failed_checks() {
  awk -v name="$1" '
    function end() { if (line) print line; line = "" }
    /^not ok / { end(); line = name ": " substr($0, 8); said = 0; next }
    /^  \| / { if (line && ++said <= 6) line = line " |" substr($0, 4, 160); next }
    { end() }
    END { end() }' "$2"
}

# tap COMMAND…: runs a script that prints "ok NAME" and "not ok NAME" lines and adds their counts.
tap() {
  local name=$1 log=$out/$1.log
  shift
  timeout 900 "$@" >"$log" 2>&1
  local status=$? ok bad
  ok=$(grep -c '^ok ' "$log")
  bad=$(grep -c '^not ok ' "$log")
  # What failed comes last: whoever sees only the end of a long output sees it.
  if [ $status -ne 0 ] || [ "$ok" -eq 0 ]; then tail -n 40 "$log"; fi
  if [ "$bad" -gt 0 ]; then
    grep -A 8 '^not ok ' "$log" | head -n 60
    mapfile -t -O "${#failures[@]}" failures < <(failed_checks "$name" "$log" | head -n 20)
  elif [ $status -ne 0 ] || [ "$ok" -eq 0 ]; then
    bad=1
    failures+=("$name: exit $status")
  fi
  passed=$((passed + ok))
  failed=$((failed + bad))
  printf '%s: %d ok, %d not ok\n' "$*" "$ok" "$bad"
}

unit_tests() { # PRESET, FILTER, then test targets (none: all)
  local preset=$1 filter=$2
  shift 2
  cmake --preset "$preset" >"$out/$preset-configure.log" || { broken "configure $preset"; return; }
  local targets=("$@")
  [ $# -gt 0 ] || mapfile -t targets < <(ninja -C "build/$preset" -t targets all | sed -n 's/^\(weft_[a-z0-9_]*_test\): CXX_EXECUTABLE_LINKER.*/\1/p')
  [ "${#targets[@]}" -gt 0 ] || { broken "no test programs in $preset"; return; }
  if ! ninja -k 0 -C "build/$preset" "${targets[@]}" >"$out/$preset-build.log" 2>&1; then
    grep -A 15 -m 3 FAILED "$out/$preset-build.log"
    broken "build of $preset"
  fi
  # Two at a time: each has namespaces and ports of its own.
  local running=0
  for target in "${targets[@]}"; do
    if [ $running -ge 2 ]; then wait -n; else running=$((running + 1)); fi
    run_gtest "$preset" "build/$preset/$target" "$filter" &
  done
  wait
  for target in "${targets[@]}"; do gtest_counts "$preset" "build/$preset/$target"; done
}

if wanted unit; then
  say "unit tests, with address and undefined-behaviour sanitizers"
  unit_tests asan '*'
fi

if wanted threads; then
  say "rooms with threads, with the thread sanitizer"
  # What packets meet in the kernel has no threads.
  unit_tests tsan '-PolicyTest.*:EdgeTest.*:SocketTest.*' weft_dns_test weft_service_test weft_gateway_proxy_test
fi

if wanted fuzz; then
  say "every fuzz target over its corpus and a few seconds more"
  tap fuzz scripts/fuzz.sh 3
fi

if wanted scenario || wanted kubectl || wanted clientgo || wanted conformance; then
  say "weft itself and the load of its tests, with the same sanitizers"
  cmake --preset asan >"$out/weft-configure.log" && ninja -C build/asan weft weft_load weft_predict >"$out/weft-build.log" 2>&1 || broken "build of weft"
  export WEFT=$PWD/build/asan/weft
  # Leaks are the unit tests' business: processes that gave up their privileges cannot look at their own memory.
  export ASAN_OPTIONS=detect_leaks=0
  say "kubectl, from its module"
  mkdir -p build/tools
  (cd test/go && go build -o ../../build/tools/kubectl ./kubectl) >"$out/kubectl-build.log" 2>&1 || broken "build of kubectl"
  export PATH=$PWD/build/tools:$PATH
fi

if wanted kubectl; then
  say "kubectl against the API server"
  for script in test/kubectl/*.sh; do tap "kubectl-$(basename "$script" .sh)" "$script"; done
fi

if wanted clientgo; then
  say "client-go and controller-runtime against the API server"
  tap clientgo test/clientgo.sh
fi

if wanted scenario; then
  say "scenarios on real packets"
  for script in test/scenario/*/run.sh; do tap "scenario-$(basename "$(dirname "$script")")" "$script"; done
fi

if wanted conformance; then
  say "the upstream suites of network policy and Gateway API, in part, and h2spec; make conformance runs all of them"
  tap conformance-network-policy-api test/conformance/network-policy-api/run.sh CNPAdminTierIntegration CNPAdminTierPriorityField \
    CNPAdminTierIngressNamedPort CNPBaselineTierEgressNamedPort
  tap conformance-netpol test/conformance/netpol/run.sh 'default-deny-all|enforce policy based on PodSelector and NamespaceSelector|overlapping both IPBlock|except clause|egress access on one named port|using SCTP.*based on Ports'
  tap conformance-gateway-api test/conformance/gateway-api/run.sh HTTPRouteSimpleSameNamespace HTTPRouteMatching HTTPRouteWeight \
    HTTPRouteRequestMirror HTTPRouteHTTPSListener HTTPRouteReferenceGrant GRPCExactMethodMatching GatewayModifyListeners \
    GatewayStaticAddresses GatewayOptionalAddressValue ListenerSetHTTPRouting TLSRouteSimpleSameNamespace TCPRouteReferenceGrant \
    UDPRoute BackendTLSPolicy
  tap conformance-h2spec test/conformance/h2spec/run.sh
  PREDICT=$PWD/build/asan/weft_predict tap conformance-predict test/conformance/cyclonus/predict.sh '^([0-9]*0|32|77|141|173|177|207) '
  tap conformance-cyclonus test/conformance/cyclonus/run.sh '^(32|77|141|173|177|207) '
fi

say done
# Once more at the end, where whoever sees only the end of a long output sees it.
if [ "$failed" -gt 0 ]; then printf 'failed: %s\n' "${failures[@]}"; fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
