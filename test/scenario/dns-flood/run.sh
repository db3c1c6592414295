#!/usr/bin/env bash
# One pod floods its node's DNS server as fast as it can: it alone is limited, another pod has its answers.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
out=$(mktemp -d)
chmod 755 "$out" # pods look for files here
cluster_up --resolv-conf /dev/null
server=$(cat "/run/weft/$cluster/pids/dns-node-1")
trap '{ s=$?; touch "$out/stop"; wait; rm -rf "$out"; (exit $s); }; cluster_down' EXIT
for pod in flooder client; do
  kubectl run "$pod" --image=weft/host --overrides='{"spec":{"terminationGracePeriodSeconds":0}}' --command -- sleep 1000 >/dev/null
done
check "pods are ready" kubectl wait --for=condition=Ready pod --all --timeout=20s
question=ns.dns.cluster.local. # which no link answers
limited() { ip netns exec "weft-$cluster-node-1" curl -s 127.0.0.1:9153/metrics | sed -n 's/^weft_dns_client_limited_total //p'; }
said() { grep -E "a pod of namespace default \($(kubectl get pod "$1" -o jsonpath='{.status.podIP}')\) asks too much: [0-9]+ of its questions" "/run/weft/$cluster/logs/dns-node-1.log"; }
# asking NAME: questions of the other pod; what became of them is in a file of that name.
asking() { kubectl exec client -- python3 "$PWD/../dns-alone/steady.py" "$out/stop" "$question" 10.96.0.10 >"$out/$1" 2>&1; }
# flood SECONDS: by two processes, as the machine of a test may have two processors only.
flood() {
  kubectl exec flooder -- python3 "$PWD/flood.py" "$1" "$question" 10.96.0.10 >"$out/sent.other" & local other=$!
  kubectl exec flooder -- python3 "$PWD/flood.py" "$1" "$question" 10.96.0.10 >"$out/sent"
  wait "$other"
}
flood_tcp() {
  kubectl exec flooder -- python3 "$PWD/flood_tcp.py" "$1" "$question" 10.96.0.10 >"$out/sent"
  : >"$out/sent.other"
}
exec 3>&1
# during SECONDS FLOOD [MOST]: a flood, and questions from before it on, and from when it has lasted a second; of these
# at most so many may be lost in any way of asking.
during() {
  rm -f "$out/stop"
  asking from-before & local before=$!
  sleep 0.5
  "$2" "$1" & local flood=$!
  sleep 1
  asking from-then-on & local then_on=$!
  wait $flood
  touch "$out/stop"
  wait $before $then_on
  sed "s/^/# flood: /" "$out/sent" "$out/sent.other" >&3
  for part in from-before from-then-on; do sed "s/^/# $part: /" "$out/$part" >&3; done
  # What is lost until the kernel knows whom to take less of: one question at a time, in each way.
  lost from-before 1 && lost from-then-on "${3:-0}"
}
# lost FILE MOST: in no way of asking more.
lost() { [ "$(awk -F'[= ]' -v most="$2" '$3 > 10 && $5 <= most' "$out/$1" | wc -l)" = 5 ] || { cat "$out/$1"; return 1; }; }

check "a flood is its own loss" during 3 flood
check "one over TCP too" during 2 flood_tcp
python3 slowed.py "$out/slowed" "$server" & slowed=$!
# A busy machine may give it none of its half for so long that the part of the flood that is let in fills its buffer.
check "also when the server has half a processor" during 4 flood 1
touch "$out/slowed"
wait $slowed
check "metrics count what was not answered" [ "$(limited)" -gt 10000 ]
check "the log says whose it was" said flooder
check "not the other's" refused '^$' said client
