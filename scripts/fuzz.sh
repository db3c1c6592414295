#!/usr/bin/env bash
# Runs every fuzz target for SECONDS each (default 60) over its corpus in test/fuzz/TARGET; prints a line a target.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}

cmake --preset fuzz >/dev/null || exit 2
mapfile -t targets < <(ninja -C build/fuzz -t targets all | sed -n 's/^\(weft_.*_fuzz\): phony$/\1/p')
ninja -k 0 -C build/fuzz "${targets[@]}" >build/fuzz/build.log 2>&1 || grep -A 15 -m 3 FAILED build/fuzz/build.log
status=0
for target in "${targets[@]}"; do
  seeds=test/fuzz/$target
  found=build/fuzz/corpus/$target
  mkdir -p "$found"
  [ -d "$seeds" ] || seeds=
  # shellcheck disable=SC2086
  if "build/fuzz/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="build/fuzz/$target-" \
      "$found" $seeds >"build/fuzz/$target.log" 2>&1; then
    echo "ok $target ($(grep -c . <<<"$(ls "$found")") inputs)"
  else
    echo "not ok $target"
    tail -n 30 "build/fuzz/$target.log"
    status=1
  fi
done
exit $status
