# Sourced by tests that need a cluster of their own. Each test brings its cluster up under a name of its own and takes it down
# whatever happens.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
weft=${WEFT:-$root/build/weft}
cluster=t$$
failures=0

# check NAME COMMAND…: one result line; what the command printed is shown when it fails.
check() {
  local name=$1 output
  shift
  if output=$("$@" 2>&1); then
    echo "ok $name"
  else
    echo "not ok $name"
    printf '%s\n' "$output" | tail -n 20 | sed 's/^/  | /'
    failures=$((failures + 1))
  fi
}

# within SECONDS COMMAND…: until the command succeeds.
within() {
  local deadline=$(($(date +%s%N) + $1 * 1000000000))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ "$(date +%s%N)" -gt "$deadline" ]; then
      "$@"
      return
    fi
    sleep 0.05
  done
}

# eventually SECONDS COMMAND…: the same, where the time is no claim but what it takes on a quiet machine. PATIENCE: how many times as
# long others at work on the machine may make it.
eventually() { within $(($1 * ${PATIENCE:-3})) "${@:2}"; }

# expect PATTERN COMMAND…: the command succeeds and prints something that matches the extended regular expression.
expect() {
  local pattern=$1 output
  shift
  output=$("$@" 2>&1) || { echo "exit $?: $output"; return 1; }
  grep -qE -- "$pattern" <<<"$output" || { echo "no match for: $pattern"; echo "$output"; return 1; }
}

# refused PATTERN COMMAND…: the command fails and says something that matches.
refused() {
  local pattern=$1 output
  shift
  if output=$("$@" 2>&1); then echo "it succeeded: $output"; return 1; fi
  grep -qE -- "$pattern" <<<"$output" || { echo "no match for: $pattern"; echo "$output"; return 1; }
}

# holds NAME WEFT-TEST-ARGS…: one result line for each connection that weft test tells of, NAME before its name, and one for all of
# them; what it said meanwhile is shown when they do not all hold.
holds() {
  local name=$1 output
  shift
  output=$(mktemp)
  timeout 200 "$weft" test "$@" >"$output" 2>"$output.steps"
  sed -E "s/^ok +/ok $name: /; s/^(FAILED|unknown) +/not ok $name: /; s/^        /  | /; /^[0-9]+ held/d" "$output"
  check "all of them hold, $name" grep -E '^[0-9]+ held, 0 failed, 0 unknown$' "$output"
  grep -qE '^[0-9]+ held, 0 failed, 0 unknown$' "$output" || tail -n 20 "$output.steps" | sed 's/^/  # /'
  rm -f "$output" "$output.steps"
}

# What PATH… expect: by the manifests among them alone, and then by packets in the cluster, which has these manifests.
holds_both_ways() {
  holds "by manifests alone" "$@"
  holds "by packets" --live --name "$cluster" "$@"
}

cluster_up() {
  trap 'cluster_down' EXIT
  trap 'exit 1' INT TERM
  "$weft" up --name "$cluster" --detach "$@" || { echo "not ok weft up"; exit 1; }
  KUBECONFIG=$("$weft" kubeconfig --name "$cluster")
  export KUBECONFIG
}

# Without the pool that weft up gives: for tests whose own pools are the only ones.
drop_default_pool() { eventually 10 kubectl delete addresspool weft-up; }

cluster_down() {
  local status=$?
  if [ "$failures" -gt 0 ]; then tail -n 15 "/run/weft/$cluster/logs/"*.log | cut -c1-200 | sed 's/^/  # /'; fi
  "$weft" down --name "$cluster" >/dev/null 2>&1
  local left
  left=$(leftovers)
  if [ -n "$left" ]; then
    echo "not ok nothing is left behind"
    echo "$left" | sed 's/^/  | /'
    failures=$((failures + 1))
  else
    echo "ok nothing is left behind"
  fi
  # A bare exit would end with the status from before the trap.
  [ "$failures" -eq 0 ] || status=1
  exit "$status"
}

# find_segment: sets bridge, the nodes' segment, and net4 (172.30.0) and net6 (fd00:172::), what the addresses on it begin with.
find_segment() {
  bridge=$(ip -o link | grep -F "alias weft-$cluster/segment" | sed 's/^[0-9]*: \([^:]*\):.*/\1/')
  net4=$(ip -o -4 addr show dev "$bridge" | grep -oE '172\.30\.[0-9]+')
  net6=$(ip -o -6 addr show dev "$bridge" | grep -oE 'fd00:172[0-9a-f:]*::1/' | sed 's|1/$||')
}

# outside_up: a host on the nodes' segment that is no node; `outside COMMAND…` runs there. Named so that weft down removes it.
outside_up() {
  local ns=weft-$cluster-outside
  find_segment
  ip netns add "$ns" && ip link add "wo$$" type veth peer name eth0 netns "$ns" &&
    ip link set "wo$$" alias "weft-$cluster/outside" master "$bridge" up &&
    ip -n "$ns" addr add "$net4.250/24" dev eth0 && ip -n "$ns" addr add "${net6}250/64" dev eth0 nodad &&
    ip -n "$ns" link set eth0 up && ip -n "$ns" link set lo up || { echo "not ok a host outside"; exit 1; }
}
outside() { ip netns exec "weft-$cluster-outside" "$@"; }

# What the cluster has left on the machine: namespaces, cgroups, state, mounts, links.
leftovers() {
  ip netns list | grep -E "^weft-$cluster-"
  ls -d /sys/fs/cgroup/weft-"$cluster" /sys/fs/cgroup/unified/weft-"$cluster" /run/weft/"$cluster" 2>/dev/null
  grep -F "/run/weft/$cluster/" /proc/mounts
  ip -o link | grep -F "alias weft-$cluster/"
  pgrep -f -- "--name $cluster( |$)" | xargs -r -n1 ps -o pid=,args= -p 2>/dev/null | grep weft
}

# pod_of SELECTOR [NAMESPACE]: the name of one pod.
pod_of() { kubectl get pods -n "${2:-default}" -l "$1" -o jsonpath='{.items[0].metadata.name}'; }
