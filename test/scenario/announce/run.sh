#!/usr/bin/env bash
# Load balancers' addresses on the nodes' own segment: announced by ARP and NDP from one node at a time, which another one
# follows within a second when its cable is pulled.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
second=${cluster}b
both_down() {
  "$weft" down --name "$second" >/dev/null 2>&1
  cluster_down
}
cluster_up --nodes 3
trap 'both_down' EXIT
outside_up

# What the host outside hears: who answers for, or announces, the address that is looked at.
outside nft -f - <<'NFT' || echo "not ok nft"
table netdev heard {
  set watched4 { type ipv4_addr; }
  set watched6 { type ipv6_addr; }
  set macs { type ether_addr; flags dynamic; size 100; }
  chain in {
    type filter hook ingress device eth0 priority 0;
    arp saddr ip @watched4 add @macs { ether saddr }
    icmpv6 type nd-neighbor-advert ip6 saddr @watched6 add @macs { ether saddr }
  }
}
NFT
watch_address() {
  outside nft flush set netdev heard watched4
  outside nft flush set netdev heard watched6
  case $1 in *:*) outside nft add element netdev heard watched6 "{ $1 }" ;; *) outside nft add element netdev heard watched4 "{ $1 }" ;; esac
  outside nft flush set netdev heard macs
}
heard_macs() { outside nft -j list set netdev heard macs | jq -r '.nftables[].set.elem[]?' 2>/dev/null; }
url() { case $1 in *:*) echo "http://[$1]" ;; *) echo "http://$1" ;; esac; }
mac_of() { ip -n "weft-$cluster-$1" -j link show eth0 | jq -r '.[0].address'; }
# owner ADDRESS: the one node that answers for it when it is looked for.
owner() {
  local macs node
  watch_address "$1"
  outside ip neigh flush to "$1"
  outside curl -g -sS -m 3 -o /dev/null "$(url "$1")" || return 1
  sleep 0.2
  macs=$(heard_macs)
  for node in node-1 node-2 node-3; do [ "$(mac_of "$node")" = "$macs" ] && echo "$node" && return; done
  echo "not one node: $macs"
  return 1
}
owned_by() { expect "^$2\$" owner "$1"; }
neighbour() { outside ip -j neigh show to "$1" | jq -r '.[0].lladdr'; }

drop_default_pool >/dev/null || echo "not ok the default pool is there"
kubectl apply -f - >/dev/null <<YAML || echo "not ok pool"
apiVersion: weft.dev/v1alpha1
kind: AddressPool
metadata: {name: segment}
spec: {addresses: [$net4.200-$net4.210, "${net6}200-${net6}210"]}
YAML
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
pods_are_ready() {
  [ "$(kubectl get daemonset web -o jsonpath='{.status.numberReady}')" = 3 ] && kubectl wait --for=condition=Ready pod/only-1 --timeout=1s
}
check "pods are ready" eventually 20 pods_are_ready
address() { kubectl get svc "$1" -o jsonpath="{.status.loadBalancer.ingress[$2].ip}"; }
check "addresses of the segment" eventually 10 expect "^$net4\.20" address web 0
for i in 0 1; do
  for name in web any; do
    check "$name is reached at its address of family $i" eventually 5 outside curl -g -sS -m 1 -o /dev/null "$(url "$(address $name $i)")"
    check "exactly one node answers for it" eventually 5 expect '^node-[123]$' owner "$(address $name $i)"
  done
done
web4=$(address web 0) web6=$(address web 1) any4=$(address any 0) only=$(address only 0)
has_address_of_owner() { expect "^$(mac_of "$(owner "$web4")")\$" neighbour "$web4"; }
check "the client has the node's link-layer address" eventually 5 has_address_of_owner
check "policy Local keeps the client's address" expect "^$net4.250:" sh -c "ip netns exec weft-$cluster-outside curl -sS -m 3 http://$web4/ | jq -r .client"
messages() { kubectl get events --field-selector "involvedObject.name=$1,reason=$2" -o jsonpath='{range .items[*]}{.message}{"\n"}{end}'; }
check "an Event says so" eventually 5 expect "^$web4 is announced from node-[123] \(eth0\)" messages web AddressAnnounced
kubectl create service loadbalancer late --tcp=80:8080 >/dev/null
check "of a Service that comes later too" eventually 5 expect "^$net4\.[0-9]+ is announced from node-[123] \(eth0\)\$" messages late AddressAnnounced
sleep 1.5
check "and only once" expect '^1$' sh -c "kubectl get events --field-selector involvedObject.name=late,reason=AddressAnnounced -o json | jq '[.items[].count] | add'"
probed() { outside bash -c "ip addr add $1/64 dev eth0; sleep 1.5; ip -6 addr show dev eth0 | grep -F $1; ip addr del $1/64 dev eth0"; }
check "who wants to take the address is told that it is taken" eventually 2 expect 'dadfailed' probed "$web6"

# loop SECONDS URL: connections one after the other; prints the longest time between two that succeed, in ms.
loop() {
  # shellcheck disable=SC2016
  outside bash -c '
    last=0 longest=0 end=$(($(date +%s%N) + $1 * 1000000000))
    while now=$(date +%s%N); [ "$now" -lt "$end" ]; do
      if curl -g -s --max-time 0.2 -o /dev/null "$2"; then
        now=$(date +%s%N)
        [ $last -gt 0 ] && [ $((now - last)) -gt $longest ] && longest=$((now - last))
        last=$now
      fi
    done
    [ $((end - last)) -gt $longest ] && longest=$((end - last))
    echo $((longest / 1000000))' - "$1" "$2"
}
# fails_over ADDRESS: cuts its owner. LIMIT: ms that may take; the default leaves room for others at work on the machine, a quiet one
# needs less than a second.
limit=${LIMIT:-3000}
fails_over() {
  local before gap out
  before=$(owner "$1")
  out=$(mktemp)
  loop 5 "$(url "$1")" >"$out" &
  local load=$!
  sleep 1.5
  "$weft" node cut "$before" --name "$cluster"
  wait $load
  gap=$(cat "$out")
  rm "$out"
  echo "# $1 moved away from $before in $gap ms" >&3
  [ "$gap" -gt 100 ] && [ "$gap" -lt "$limit" ] || { echo "$gap ms"; return 1; }
  eventually 5 expect '^node-[123]$' owner "$1" && refused '' owned_by "$1" "$before"
}
exec 3>&1  # for what a check has measured
for addr in "$web4" "$web6"; do
  check "soon after the cut of its node another one answers for $addr" fails_over "$addr"
  for node in node-1 node-2 node-3; do "$weft" node start $node --name "$cluster"; done
  sleep 2
  check "exactly one node after it is back" eventually 5 expect '^node-[123]$' owner "$addr"
done
check "an Event for each owner" eventually 5 expect '^[3-9]$' sh -c "kubectl get events --field-selector involvedObject.name=web,reason=AddressAnnounced -o json | jq '[.items[] | select(.message | startswith(\"$web4 \")) | .count] | add'"

stop_and_start() {
  local before
  before=$(owner "$web4")
  "$weft" node stop "$before" --name "$cluster"
  sleep 1.2
  # What it knew before it does not take for the truth.
  "$weft" node start "$before" --name "$cluster"
  for _ in $(seq 20); do outside ip neigh flush to "$web4"; outside curl -sS -m 5 -o /dev/null "http://$web4" || return 1; sleep 0.1; done
  eventually 5 owned_by "$web4" "$before"
}
check "a node that stood still comes back without a lost connection" stop_and_start

# One death: no connection may be lost, and at the end its node has the address. MOVED: others have answered meanwhile.
agent_dies() {
  local before macs
  before=$(owner "$any4")
  watch_address "$any4"
  outside sh -c "for i in \$(seq 200); do curl -sS -m 2 -o /dev/null http://$any4/ || echo LOST; done" >"$out" 2>&1 &
  local load=$!
  kill -9 "$(cat "/run/weft/$cluster/pids/agent-$before")"
  wait $load
  sleep 1.5
  macs=$(heard_macs)
  if grep . "$out"; then return 1; fi
  [ "$macs" = "$(mac_of "$before")" ] || echo "# MOVED: heard $macs" >&3
  owned_by "$any4" "$before" && moved=$([ "$macs" = "$(mac_of "$before")" ] || echo yes)
}
# Another node rightly answers once an agent was away for half a second, as it is now and then on a machine that has more
# to do than it can.
agents_die() {
  local moved out
  out=$(mktemp)
  for _ in 1 2 3; do
    agent_dies || { rm "$out"; return 1; }
    [ "$moved" ] || break
  done
  rm "$out"
  [ ! "$moved" ] || { echo "moved each time"; return 1; }
}
check "the agent's death loses no connection and moves no address" agents_die

check "policy Local: the pod's node announces" eventually 5 owned_by "$only" node-1
for node in 3 2; do
  kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Pod
metadata: {name: only-$node, labels: {app: only}}
spec:
  nodeName: node-$node
  containers: [{name: echo, image: weft/echo}]
YAML
  kubectl wait --for=condition=Ready "pod/only-$node" --timeout=10s >/dev/null
  kubectl delete pod -l app=only --field-selector "metadata.name!=only-$node" --wait=false >/dev/null
  check "and follows it to node-$node" eventually 5 owned_by "$only" "node-$node"
done
kubectl delete pod only-2 >/dev/null
kubectl patch svc only --type=merge -p '{"spec":{"ports":[{"port":80,"targetPort":8081}]}}' >/dev/null
check "without any pod clients are refused" eventually 5 refused 'Couldn.t connect|refused' outside curl -sS -m 3 "http://$only"

for node in 1 2 3; do kubectl label node "node-$node" node.kubernetes.io/exclude-from-external-load-balancers=true >/dev/null; done
check "when no node may announce, an Event says why" eventually 5 expect "^$any4 is not announced: node-1 has the label" messages any AddressNotAnnounced
silent() { watch_address "$any4"; outside ip neigh flush to "$any4"; ! outside curl -sS -m 1.5 -o /dev/null "http://$any4" && [ -z "$(heard_macs)" ]; }
check "and none does" eventually 5 silent
for node in 1 2 3; do kubectl label node "node-$node" node.kubernetes.io/exclude-from-external-load-balancers- >/dev/null; done
check "until they may" eventually 5 expect '^node-[123]$' owner "$any4"

other_cluster() {
  local config before
  before=$(owner "$web4")
  "$weft" up --name "$second" --nodes 2 --detach || return 1
  config=$("$weft" kubeconfig --name "$second")
  KUBECONFIG=$config drop_default_pool
  kubectl get addresspool segment -o json | jq 'del(.metadata, .status) + {metadata: {name: "segment"}}' | KUBECONFIG=$config kubectl apply -f -
  KUBECONFIG=$config kubectl apply -f manifests.yaml
  KUBECONFIG=$config eventually 20 expect "^$web4 is announced from node-[12] \(eth0\)" messages web AddressAnnounced || return 1
  owned_by "$web4" "$before"
}
check "another cluster with the same addresses does not disturb" other_cluster
