#!/usr/bin/env bash
# Rules that go by names: what a pod's own DNS server was told by one outside is allowed before the pod hears of it, no other
# address is; and neither an agent nor a DNS server that dies makes a difference.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
chmod 755 "$work" # weft dns, a user of its own, reads it
printf 'nameserver 198.51.100.53\n' >"$work/resolv.conf"
cat >"$work/zone" <<'Z'
allowed.example 300 A 198.51.100.1
allowed.example 300 AAAA 2001:db8:77::1
denied.example 300 A 198.51.100.2
a.wild.example 300 A 198.51.100.3
b.c.wild.example 300 A 198.51.100.4
wild.example 300 A 198.51.100.5
alias.wild.example 300 CNAME elsewhere.example
elsewhere.example 300 A 198.51.100.6
brief.wild.example 1 A 198.51.100.7
talking.wild.example 1 A 198.51.100.8
shared.wild.example 300 A 198.51.100.9
late.example 300 A 198.51.100.10
new.wild.example 300 A 198.51.100.11
newer.wild.example 300 A 198.51.100.12
tcp.wild.example 300 A 198.51.100.14
Z
cluster_up --resolv-conf "$work/resolv.conf"
outside_up
outside ip addr add 198.51.100.53/32 dev lo
for i in $(seq 14); do outside ip addr add "198.51.100.$i/32" dev lo; done
outside ip addr add 2001:db8:77::1/128 dev lo
ip -n "weft-$cluster-node-1" route add 198.51.100.0/24 via "$net4.250"
ip -n "weft-$cluster-node-1" route add 2001:db8:77::/64 via "${net6}250"
# Not by `outside`: of a function in the background $! is a shell's, and what that has started would be left.
ip netns exec "weft-$cluster-outside" python3 upstream.py "$work/zone" 198.51.100.53 >"$work/upstream.log" 2>&1 &
upstream=$!
ip netns exec "weft-$cluster-outside" "$weft" echo --http 80 --tcp 9090 >/dev/null 2>&1 &
server=$!
trap 'kill $upstream $server; wait $upstream $server; rm -rf "$work"; cluster_down' EXIT
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
check "pods are ready" eventually 20 kubectl wait --for=condition=Ready pod --all -A --timeout=1s

in_pod() { kubectl exec -n inside "$1" -- "${@:2}"; }
fetch() { in_pod "$1" curl -g -sS -m 2 "http://$2/hostname"; }
reaches() { fetch client "$1"; }
misses() { ! fetch client "$1"; }
process_of() { cat "/run/weft/$cluster/pids/$1-node-1"; }
policy() { # policy NAMES…: nothing outside but these
  kubectl apply -f - >/dev/null <<Y
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: inside}
spec:
  tier: Admin
  priority: 10
  subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: inside}}}
  egress:
    - {name: dns, action: Accept, to: [{nodes: {}}], protocols: [{udp: {destinationPort: {number: 53}}}, {tcp: {destinationPort: {number: 53}}}]}
    - {name: names, action: Accept, to: [{domainNames: [$1]}]}
    - {name: outside, action: Deny, to: [{networks: [0.0.0.0/0, "::/0"]}]}
Y
}

check "without a policy all is reached" eventually 5 reaches denied.example
policy 'allowed.example, "*.wild.example"'
check "with it, an address without a name is denied" eventually 5 misses 198.51.100.1
check "a name that is allowed, at the first try" reaches allowed.example
check "over IPv6 too" in_pod client curl -6 -sS -m 2 http://allowed.example/hostname
check "another name is denied" misses denied.example
check "a pattern's one label" reaches a.wild.example
check "two labels" reaches b.c.wild.example
check "but not none" misses wild.example
check "a name that is an alias" reaches alias.wild.example
check "asked for over TCP" expect 198.51.100.14 in_pod client dig +tcp +short tcp.wild.example
check "reached after that" reaches 198.51.100.14
check "written in capitals" reaches ALLOWED.example
check "what is denied is answered all the same" expect 198.51.100.2 in_pod client dig +short denied.example
check "what one pod of the node has asked" expect 198.51.100.9 in_pod client dig +short shared.wild.example
check "another may use" fetch second 198.51.100.9
# An agent that is not heard for 100 ms, on a machine where others are at work, is not waited for; all that the checks above asked would
# be late if none was.
early() { ! grep "answers that went before.*: \([3-9]\|[0-9][0-9]\+\) so far" "/run/weft/$cluster/logs/dns-node-1.log"; }
check "answers waited for their addresses to be in force" early
check "weft policy show tells the addresses" expect 'name +allowed.example: 2001:db8:77::1, 198.51.100.1' \
  "$weft" policy show client -n inside --name "$cluster"
check "and the kernel has them" expect '^kernel +same' "$weft" policy show client -n inside --name "$cluster"
check "weft status finds nothing wrong" "$weft" status --name "$cluster"

# Two names that live for a second: one of them is talked with for as long as all of this takes.
check "a name that lives for a second" reaches brief.wild.example
in_pod client bash -c 'exec 3<>/dev/tcp/talking.wild.example/9090 || exit 2; for i in $(seq 600); do echo "$i" >&3 && read -r -t 2 x <&3 && [ "$x" = "$i" ] || { echo "cut at $i"; exit 1; }; echo "at $i"; sleep 0.1; done' >"$work/talk" 2>&1 &
talk=$!
check "a connection to another such" eventually 3 grep -q "at 5" "$work/talk"
began=$SECONDS

synced() { [ "$(grep -c "info agent synced:" "/run/weft/$cluster/logs/agent-node-1.log")" -ge "$1" ]; }
for times in 2 3; do
  kill -9 "$(process_of agent)"
  check "the agent is killed: known names stay" reaches 198.51.100.1
  check "and when it is there again" eventually 10 synced "$times"
  check "all of them" reaches 198.51.100.4
done
check "a new name is learnt by the new agent" eventually 3 reaches new.wild.example
kill -9 "$(process_of dns)"
check "the DNS server is killed: known names stay" reaches 198.51.100.1
dns_answers() { expect 198.51.100.2 in_pod client dig +short +time=1 +tries=1 denied.example; }
check "it answers again" eventually 10 dns_answers
check "a new name at the first try" reaches newer.wild.example

policy 'late.example, "*.wild.example"'
check "another name in the policy" eventually 3 reaches late.example
check "and the one it had is denied" eventually 3 misses 198.51.100.1
policy 'late.example, "*.wild.example", db-0.db.inside.svc.cluster.local'
check "a pod of the cluster is denied by its address" misses "$(kubectl get pod db-0 -n inside -o jsonpath='{.status.podIP}'):8080"
kubectl label pod db-0 -n inside app=db >/dev/null
check "and allowed by its name below a headless Service" eventually 3 reaches db-0.db.inside.svc.cluster.local:8080

check "a name whose time is over is denied" eventually 45 misses 198.51.100.7
check "after the grace" test $((SECONDS - began)) -ge 25
sleep 3
goes_on() { kill -0 "$talk" && ! grep cut "$work/talk"; }
check "but not the connection that goes on" goes_on
kill "$talk" 2>/dev/null
wait "$talk" 2>/dev/null
