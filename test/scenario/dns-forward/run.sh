#!/usr/bin/env bash
# Names outside the cluster, between pods and two name servers on the nodes' segment: kept, counted down, fetched over TCP, and
# answered by the other when one is silent.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
chmod 755 "$work" # weft dns, a user of its own, reads it
printf 'nameserver 198.51.100.53\nnameserver 198.51.100.54\n' >"$work/resolv.conf"
cluster_up --resolv-conf "$work/resolv.conf"
outside_up
ip -n "weft-$cluster-node-1" route add 198.51.100.0/24 via "$net4.250"
# Not by `outside`: of a function in the background $! is a shell's, and what that has started would be left.
upstreams=()
for last in 53 54; do
  outside ip addr add "198.51.100.$last/32" dev lo
  ip netns exec "weft-$cluster-outside" python3 upstream.py "198.51.100.$last" "$work/log-$last" 2>"$work/err-$last" &
  upstreams+=($!)
done
trap 'kill -KILL "${upstreams[@]}"; wait "${upstreams[@]}" 2>/dev/null; rm -rf "$work"; cluster_down' EXIT
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
check "the pod is ready" kubectl wait --for=condition=Ready pod --all --timeout=20s

ask() { kubectl exec client -- dig +time=5 +tries=1 "$@"; }
times_asked() { cat "$work"/log-* | grep -c " $1\$"; }
# known NAME COMMAND…: what answers it is there already, so nobody is asked any more. The first time both may have been: a second one
# after 40 ms, which a busy machine may need.
known() {
  local name=$1 before
  sleep 0.3
  before=$(times_asked "$name")
  "${@:2}" && sleep 0.3 && [[ $before = [12] && $(times_asked "$name") = "$before" ]] || { cat "$work"/log-*; return 1; }
}
# All of 20 names that nobody has asked for yet, in one process; how many milliseconds the slowest but two took, as a busy machine may
# be late.
names() { for i in $(seq 20); do echo "$1$i.example"; done; }
all_answered() { # shellcheck disable=SC2046
  test "$(ask +short +time=2 $(names "$1") | grep -c '^198\.51\.100\.1$')" = 20
}
slowest() { # shellcheck disable=SC2046
  ask +time=2 +stats $(names "$1") | sed -n 's/^;; Query time: \([0-9]*\) msec/\1/p' | sort -n | tail -n 3 | head -n 1
}

check "a name outside" eventually 5 expect '^198.51.100.1$' ask +short www.example
check "asked again, in another case and over TCP, it is known" known www.example expect '^198.51.100.1$' ask +short +tcp WWW.Example
sleep 1.1
check "its time counts down" expect 'www\.example\.[[:space:]]+5[0-9][[:space:]]' ask +noall +answer www.example
check "a name that does not exist" expect 'status: NXDOMAIN' ask gone.none
check "is known too" known gone.none expect 'status: NXDOMAIN' ask gone.none
check "what is too large for UDP comes over TCP" expect 'ANSWER: 100,' ask www.many
check "an ExternalName" expect '^198.51.100.1$' ask +short away.default.svc.cluster.local
check "whose end is known" known alias.example expect '^198.51.100.1$' ask +short away.default.svc.cluster.local

kill -STOP "${upstreams[0]}"
check "one is silent: 20 names" all_answered first
check "the other answers them as if nothing was" test "$(slowest second)" -lt 400
check "of the silent one the log says" eventually 5 grep -q "upstream 198.51.100.53:53 is down" "/run/weft/$cluster/logs/dns-node-1.log"
kill -STOP "${upstreams[1]}"
check "both are silent: what is known is answered" expect '^198.51.100.1$' ask +short www.example
check "the cluster's names are" expect 'status: NOERROR' ask kubernetes.default.svc.cluster.local
check "others are SERVFAIL, before the client gives up" expect 'status: SERVFAIL' ask new.example
kill -CONT "${upstreams[@]}"
check "both are back" eventually 5 all_answered third
check "of which the log tells" eventually 5 grep -q "upstream 198.51.100.53:53 answers again" "/run/weft/$cluster/logs/dns-node-1.log"
