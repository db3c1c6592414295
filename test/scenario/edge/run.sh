#!/usr/bin/env bash
# What comes from outside: node ports (connections.weft.yaml) and external addresses on every node, both families, how backends are
# shared, fragments, what is kept of a client's address, and what pods send to the outside.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up --nodes 3 "$@"
drop_default_pool >/dev/null || echo "not ok the default pool is there"
outside_up
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
pods_are_ready() {
  [ "$(kubectl get daemonset web -o jsonpath='{.status.numberReady}')" = 3 ] && kubectl wait --for=condition=Ready pod/client pod/only --timeout=1s
}
check "pods are ready" eventually 20 pods_are_ready
# With DSR a pod on the very node that asks answers past the one that was asked, and its node takes no such packet for its own.
own=(without-dsr/nodes-own.weft.yaml)
[[ " $* " != *" --dsr "* ]] || own=()
holds_both_ways . "${own[@]}"

node4() { echo "$net4.$(($1 + 1))"; }
node6() { echo "[$net6$(($1 + 1))]"; }
# field NAME URL: what the pod that answered said of it.
field() { outside curl -g -sS -m 3 "$2" | jq -r ".$1"; }
all_pods_answer() { for _ in $(seq 30); do outside curl -g -sS -m 3 "$1/hostname" && echo; done | sort -u | grep -c '^web-' | grep -qx 3; }
# udp ADDRESS PORT TEXT: sends one datagram and prints the answer.
udp() { outside timeout 3 bash -c "exec 3<>/dev/udp/$1/$2; printf '%s' '$3' >&3; dd bs=65536 count=1 status=none <&3"; }

for node in 1 2 3; do
  check "node $node reaches the pods of all nodes, IPv4" all_pods_answer "http://$(node4 $node):30080"
  check "node $node reaches the pods of all nodes, IPv6" all_pods_answer "http://$(node6 $node):30080"
done
many() { outside sh -c "for i in \$(seq 200); do curl -sS -m 2 -o /dev/null http://$(node4 1):30080/ || echo LOST; done"; }
check "two hundred connections are all answered" expect '^$' many
bulk() { outside sh -c "head -c 5000000 /dev/zero | curl -sS -m 5 --data-binary @- -o /dev/null -w '%{size_upload}' http://$(node4 "$1"):30080/"; }
for node in 1 2 3; do check "five megabytes through node $node" expect '^5000000$' bulk $node; done

if [[ " $* " == *" --dsr "* ]]; then
  sees_client() { ! for _ in $(seq 20); do field client "http://$(node4 "$1"):30080/"; done | grep -v "^$net4.250:"; }
  for node in 1 2 3; do check "pods of all nodes see the client itself through node $node" sees_client $node; done
fi

long=$(printf 'x%.0s' $(seq 4000))
fragments_return() { for node in 1 2 3; do [ "$(udp "$(node4 $node)" 30050 "$long")" = "$long" ] || return 1; done; }
check "a datagram in fragments arrives and returns" fragments_return
closed() { outside timeout 3 bash -c "exec 3<>/dev/udp/$(node4 "$1")/30051; printf x >&3; sleep 0.2; printf x >&3; dd bs=65536 count=1 status=none <&3"; }
for node in 1 2 3; do check "a pod's ICMP error reaches the client through node $node" refused 'refused' closed $node; done

check "policy Local keeps the client's address" expect "^$net4.250:" field client "http://$(node4 2):30081/"

# Clients with affinity are told apart by their addresses alone.
for i in $(seq 100 139); do ip -n "weft-$cluster-outside" addr add "$net4.$i/24" dev eth0; done
chosen() { outside curl -sS -m 3 --interface "$net4.$1" "http://$(node4 "$2"):30084/hostname"; }
nodes_agree() {
  local i first seen=
  for i in $(seq 100 139); do
    first=$(chosen "$i" 1)
    [ "$(chosen "$i" 2)" = "$first" ] && [ "$(chosen "$i" 3)" = "$first" ] || { echo "client $i: not $first"; return 1; }
    seen+=" $first"
  done
  [ "$(tr ' ' '\n' <<<"$seen" | sort -u | grep -c web-)" = 3 ]
}
check "all nodes choose the same pod for a client" nodes_agree
sticks() { for _ in $(seq 12); do outside curl -sS -m 3 "http://$(node4 1):30084/hostname" && echo; done | sort -u | wc -l | grep -qx 1; }
check "session affinity keeps an outside client on one pod" sticks
pod_sticks() { kubectl exec client -- sh -c 'for i in $(seq 12); do curl -sS -m 3 http://sticky/hostname; echo; done' | sort -u | wc -l | grep -qx 1; }
check "and a pod" pod_sticks

ip -n "weft-$cluster-outside" route add 198.51.100.0/24 via "$(node4 1)"
check "an external address" expect web- field pod "http://198.51.100.7/"
kubectl patch service local --type=merge -p '{"spec":{"type":"LoadBalancer"}}' >/dev/null
kubectl patch service local --subresource=status --type=merge -p '{"status":{"loadBalancer":{"ingress":[{"ip":"198.51.100.8"},{"ip":"198.51.100.9","ipMode":"Proxy"}]}}}' >/dev/null
ip -n "weft-$cluster-outside" route add 198.51.100.8/32 via "$(node4 2)"
check "a load balancer's address keeps the client's" eventually 5 expect "^$net4.250:" field client "http://198.51.100.8/"
ranges() { kubectl patch service local --type=merge -p "{\"spec\":{\"loadBalancerSourceRanges\":$1}}" >/dev/null; }
ranges '["192.0.2.0/24"]'
check "a client outside the source ranges is dropped" eventually 3 refused 'timed out' outside curl -sS -m 1 http://198.51.100.8/
check "but not at the node port" expect "^$net4.250:" field client "http://$(node4 2):30081/"
ranges "[\"192.0.2.0/24\",\"$net4.250/32\"]"
check "one inside them is not" eventually 3 expect "^$net4.250:" field client "http://198.51.100.8/"
check "a pod outside them is dropped too" refused 'timed out|exit code 28' kubectl exec client -- curl -sS -m 1 http://198.51.100.8/
ranges '["10.244.0.0/16"]'
check "a pod inside them is not" eventually 3 expect '"only"' kubectl exec client -- curl -sS -m 3 http://198.51.100.8/

# Whose address a policy at the pod sees, and weft trace foretells, when node-1 passes on to it.
kind=routes
[[ " $* " != *" --dsr "* ]] || kind=dsr
[[ " $* " != *" vxlan "* ]] || kind=vxlan
blocks_of() { # blocks_of KIND: two networks
  case $1 in
    routes) echo "$net4.2/32 ${net6}2/128" ;;
    dsr) echo "$net4.1/32 ${net6}1/128" ;;
    vxlan) kubectl get node node-1 -o jsonpath='{.spec.podCIDRs[*]}' | sed -E 's|/[0-9]+ |/32 |; s|/[0-9]+$|/128|' ;;
  esac
}
let_in() { # let_in NETWORK4 NETWORK6
  kubectl apply -f - <<<"{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: only}, spec: {podSelector: {matchLabels: {app: only}},
    ingress: [{from: [{ipBlock: {cidr: $1}}, {ipBlock: {cidr: '$2'}}]}]}}"
}
foretold() { # foretold STATUS
  local output status
  output=$("$weft" trace outside node/node-1 --port 30085 --live --name "$cluster" 2>&1)
  status=$?
  echo "exit $status: $output"
  [ "$status" = "$1" ] && grep -q '^as foretold' <<<"$output"
}
for way in routes dsr vxlan; do
  # shellcheck disable=SC2046
  let_in $(blocks_of $way) >/dev/null
  wanted=1
  [ "$way" != "$kind" ] || wanted=0
  check "a policy sees the address of $kind: it is foretold what one for $way comes to" eventually 5 foretold "$wanted"
done
kubectl delete networkpolicy only >/dev/null
if [ "$kind" = dsr ]; then
  own_comes_back() { refused 'dropped: .* takes nothing from others that has its own address' "$weft" trace node/node-2 node/node-1 --port 30085 --live --name "$cluster"; }
  check "what a node sends to a pod of its own by another node's port comes back in vain" own_comes_back
fi

check "every node's kernel has what the API asks for" eventually 3 "$weft" services --name "$cluster"
"$weft" node stop node-3 --name "$cluster"
kubectl create service clusterip late --tcp=80:8080 >/dev/null
late_differs() { "$weft" services late --name "$cluster"; test $? -eq 1; }
check "what a node does not have yet stands out" expect 'node-3 +default/late +ClusterIP .* DIFFERS: not in the kernel' late_differs
"$weft" node start node-3 --name "$cluster"
check "until it has" eventually 3 "$weft" services late --name "$cluster"

# Not by `outside`: $! would be the shell that runs the function, and killing that leaves the program.
ip netns exec "weft-$cluster-outside" "$weft" echo --http 8099 >/dev/null 2>&1 &
echo_pid=$!
from_pod() { kubectl exec client -- curl -g -sS -m 3 "http://$1:8099/" | jq -r .client; }
check "a pod's connection to the outside comes from its node" eventually 5 expect "^$net4.2:" from_pod "$net4.250"
check "over IPv6 too" expect "^\[?${net6}2\]?:" from_pod "[${net6}250]"
check "and its pings return" kubectl exec client -- ping -c 2 -W 2 "$net4.250"
kill "$echo_pid"

agent_dies() {
  local out
  out=$(mktemp)
  outside sh -c "for i in \$(seq 150); do curl -sS -m 2 -o /dev/null http://$(node4 1):30080/ || echo LOST; done" >"$out" 2>&1 &
  local load=$!
  kill -9 "$(cat "/run/weft/$cluster/pids/agent-node-1")"
  wait $load
  ! grep -q . "$out"
}
check "the agent's death loses no connection" agent_dies
