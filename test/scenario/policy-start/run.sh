#!/usr/bin/env bash
# From a pod's first instruction on it is isolated as policies say, in both directions: while many start, while agents are killed, when
# a policy changes in an agent's absence, when a node stands still, and on an address that somebody else had.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
pods=50
cluster_up --nodes 2 "$@"
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
check "pods are ready" eventually 20 kubectl wait --for=condition=Ready pod --all -n open --timeout=1s

ips() { kubectl get pod "$1" -n "${2:-open}" -o jsonpath='{range .status.podIPs[*]}{.ip}{" "}{end}'; }
url() { case $1 in *:*) echo "http://[$1]:8080/hostname" ;; *) echo "http://$1:8080/hostname" ;; esac }
netns_of() { local uid; uid=$(kubectl get pod "$1" -n "${2:-open}" -o jsonpath='{.metadata.uid}'); uid=${uid//-/}; echo "weft-$cluster-p-${uid:0:12}"; }
sinks="$(ips sink-1)$(ips sink-2)"
sink_namespaces="$(netns_of sink-1) $(netns_of sink-2)"
policy() { kubectl apply -f - >/dev/null; }

# What arrives at the sinks, before their own stack looks at it.
count_at_sinks() {
  local ns
  for ns in $sink_namespaces; do
    ip netns exec "$ns" nft 'table inet seen { counter flood {}; chain early { type filter hook prerouting priority raw; meta l4proto { tcp, udp } th dport 9000 counter name flood; }; }'
  done
}
arrived() {
  local ns
  for ns in $sink_namespaces; do ip netns exec "$ns" nft -j list counter inet seen flood; done | jq -s '[.[].nftables[].counter.packets // 0] | add'
}
# heard NAMESPACE APP: how many datagrams came to pods since they have been there.
heard() {
  local name
  for name in $(kubectl get pods -n "$1" -l "app=$2" -o jsonpath='{.items[*].metadata.name}'); do
    ip netns exec "$(netns_of "$name" "$1")" cat /proc/net/snmp /proc/net/snmp6
  done | awk '$1 == "Udp:" && $2 + 0 == $2 { n += $2 + $3 } $1 == "Udp6InDatagrams" || $1 == "Udp6NoPorts" { n += $2 } END { print n + 0 }'
}
# To each address that a pod on one of the nodes may get, again and again.
attack() {
  kubectl exec -n open attacker -- bash -c 'while :; do for i in {2..60}; do for to in 10.244.0.$i 10.244.4.$i fd00:244::$(printf %x $i) fd00:244:1::$(printf %x $i); do echo x >/dev/udp/$to/9; done; done; done 2>/dev/null' &
  attack=$!
}
start_pods() { # NAMESPACE REPLICAS
  sed "s/NAMESPACE/$1/; s/REPLICAS/$2/; s/SINKS/${sinks% }/" starters.yaml | kubectl apply -f - >/dev/null
}
started() { [ "$(kubectl get deployment starters -n "$1" -o jsonpath='{.status.readyReplicas}')" = "$2" ]; }
pins() { stat -c '%i %n' "/run/weft/$cluster/bpf/"node-?/policy/*/*; }
agent_of() { cat "/run/weft/$cluster/pids/agent-$1"; }
agents_are_new() { [ "$(agent_of node-1)" != "$1" ] && [ "$(agent_of node-2)" != "$2" ]; }

count_at_sinks
start_pods open 2
check "what is not isolated starts" eventually 20 started open 2
attack
check "the flood of pods that are not isolated is counted" eventually 5 expect '^[0-9]{3,}$' arrived
check "and they hear the attack" eventually 5 expect '^[0-9]{2,}$' heard open starter
kubectl delete deployment starters -n open >/dev/null
gone() { [ -z "$(kubectl get pods -n open -l app=starter -o name)" ]; }
check "they go" eventually 10 gone

# Isolated pods, with agents that are killed meanwhile.
before=$(arrived)
pinned=$(pins)
start_pods guarded "$pods"
kill_agents() {
  local agents
  for _ in 1 2 3 4 5; do
    sleep 0.4
    agents=("$(agent_of node-1)" "$(agent_of node-2)")
    kill -9 "${agents[@]}" && eventually 10 agents_are_new "${agents[@]}" || return 1
  done
}
check "agents are killed again and again, and come back" kill_agents
check "$pods isolated pods start, init containers that flood first" eventually 60 started guarded "$pods"
check "nothing of theirs has arrived anywhere" expect "^$before\$" arrived
check "and they have heard nothing" expect '^0$' heard guarded starter
check "though they were attacked all the time" kill -0 "$attack"
check "the maps have survived the agents" [ "$pinned" = "$(pins)" ]

# A policy that changes while no agent looks.
one=$(pod_of app=starter guarded)
from_one() { kubectl exec -n guarded "$one" -- curl -g -sS -m 1 "$(url "$1")"; }
reaches_sinks() { local to; for to in $sinks; do from_one "$to" >/dev/null || return 1; done; }
times_out() { "$@"; [ $? = 28 ]; }
misses_sinks() { local to; for to in $sinks; do times_out from_one "$to" || return 1; done; }
stopped() { # COMMAND…: while both nodes' agents stand still, which then are killed
  local agents
  agents=("$(agent_of node-1)" "$(agent_of node-2)")
  kill -STOP "${agents[@]}"
  "$@"
  local status=$?
  kill -9 "${agents[@]}"
  return $status
}
allow() {
  policy <<'Y'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow, namespace: guarded}
spec: {podSelector: {}, policyTypes: [Egress], egress: [{to: [{namespaceSelector: {matchLabels: {kind: open}}}]}]}
Y
}
allowed_unseen() { allow && misses_sinks; }
denied_unseen() { kubectl delete networkpolicy allow -n guarded >/dev/null && reaches_sinks; }
check "a policy that no agent sees changes nothing" stopped allowed_unseen
check "until one is back" eventually 10 reaches_sinks
check "nor does one that goes" stopped denied_unseen
check "until then" eventually 10 misses_sinks

# A node that stands still.
check "a node stops" "$weft" node stop node-1 --name "$cluster"
allow
check "it is started" "$weft" node start node-1 --name "$cluster"
check "and does what was written meanwhile" eventually 10 reaches_sinks
kubectl delete networkpolicy allow -n guarded >/dev/null
check "and what is written then" eventually 5 misses_sinks
kill "$attack"; wait "$attack" 2>/dev/null

# An address that somebody else had, with what the other one had said a moment ago.
known() { # NAME LABEL
  kubectl apply -f - >/dev/null <<Y
apiVersion: v1
kind: Pod
metadata: {name: $1, namespace: open, labels: {app: $2}}
spec:
  nodeName: node-1
  terminationGracePeriodSeconds: 0
  containers: [{name: main, image: weft/host, command: [sleep, infinity]}]
Y
  eventually 10 kubectl wait --for=condition=Ready "pod/$1" -n open --timeout=1s
}
# To the sink on the other node, from ports that are the same for each pod.
tcp() { kubectl exec -n open "$1" -- curl -g -sS -m 1 --local-port "$3" "$(url "$2")" >/dev/null; }
udp() { ! grep -q 'timed out' < <(kubectl exec -n open "$1" -- dig -p 9090 -b "$3" "@$2" +tries=1 +time=1 x 2>&1); }
talks_tcp() { tcp "$1" "$sink4" 5554 && tcp "$1" "$sink6" 5556; }
talks_udp() { udp "$1" "$sink4" 0.0.0.0#5555 && udp "$1" "$sink6" ::#5555; }
silent_tcp() { times_out tcp "$1" "$sink4" 5554 && times_out tcp "$1" "$sink6" 5556; }
silent_udp() { ! udp "$1" "$sink4" 0.0.0.0#5555 && ! udp "$1" "$sink6" ::#5555; }
read -r sink4 sink6 < <(ips sink-2)
policy <<'Y'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: sink, namespace: open}
spec: {podSelector: {matchLabels: {app: sink}}, ingress: [{from: [{podSelector: {matchLabels: {app: friend}}}]}]}
Y
check "a friend is there" known friend friend
check "it may talk over UDP" eventually 5 talks_udp friend
check "and TCP" talks_tcp friend
had=$(ips friend)
kubectl delete pod friend -n open >/dev/null
rewind() { # addresses of node-1 are given anew from the first that is free
  local file=/run/weft/$cluster/nodes/node-1/ipam.json
  jq -c '.pools[].next = 2' "$file" >"$file.new" && mv "$file.new" "$file"
}
check "addresses are given again from the first" stopped rewind
takes_its_address() {
  local i
  for i in $(seq 20); do
    known "next-$i" stranger || return 1
    [ "$(ips "next-$i")" != "$had" ] || { next=next-$i; return 0; }
  done
  echo "none of them has $had"
  return 1
}
next=
takes_its_address
check "a stranger has the friend's addresses" [ -n "$next" ]
check "but may not talk over TCP" silent_tcp "$next"
check "nor UDP, from the friend's port" silent_udp "$next"
