#!/usr/bin/env bash
# Pods on different nodes reach each other without translation, directly or through VXLAN; nodes that go away and come back.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
in_client() { kubectl exec client -- "$@"; }
# web_on NODE FAMILY: the address of the echo pod there, ready for a URL.
web_on() {
  local ip
  ip=$(kubectl get pods -l app=web --field-selector "spec.nodeName=$1" -o jsonpath="{.items[0].status.podIPs[$2].ip}")
  case $ip in *:*) echo "[$ip]" ;; *) echo "$ip" ;; esac
}
# ask NODE FAMILY: the client's address as the pod on that node saw it.
ask() { in_client curl -g -sS -m 3 "http://$(web_on "$1" "$2"):8080/" | jq -r .client; }
client_ip() { kubectl get pod client -o jsonpath="{.status.podIPs[$1].ip}"; }

keeps_source() { # NODE FAMILY
  local seen
  seen=$(ask "$1" "$2")
  [[ "$seen" == *"$(client_ip "$2")"* ]] || { echo "seen: $seen"; return 1; }
}
# Packets as large as the pod's link allows arrive whole; larger ones are refused with the size that would fit.
carries_full_packets() {
  local mtu
  mtu=$(in_client cat /sys/class/net/eth0/mtu)
  in_client ping -c 1 -W 2 -M do -s $((mtu - 28)) "$(web_on node-2 0)"
}
carries_bulk() {
  [ "$(in_client sh -c "head -c 3000000 /dev/zero | curl -g -sS -m 5 --data-binary @- -o /dev/null -w '%{size_upload}' http://$(web_on node-3 "$1"):8080/")" = 3000000 ]
}
all_nodes_answer() {
  in_client sh -c 'for i in $(seq 40); do curl -sS -m 3 http://web/hostname; echo; done' | sort -u | grep -c web- | grep -qx 3
}

run_cases() { # MODE EXPECTED-MTU
  kubectl apply -f manifests.yaml >/dev/null || echo "not ok $1: apply"
  check "$1: three nodes are ready" kubectl wait --for=condition=Ready node --all --timeout=10s
  check "$1: pods are ready" eventually 20 pods_are_ready
  for family in 0 1; do
    for node in node-1 node-2 node-3; do
      check "$1: a pod on $node sees the client's own address (family $family)" keeps_source $node $family
    done
    check "$1: three megabytes cross (family $family)" carries_bulk $family
  done
  holds "$1: by packets" --live --name "$cluster" .
  check "$1: the Service has all nodes' pods" all_nodes_answer
  check "$1: the pod's MTU leaves room for the way" expect "^$2\$" in_client cat /sys/class/net/eth0/mtu
  check "$1: full packets arrive" carries_full_packets
}
pods_are_ready() {
  [ "$(kubectl get daemonset web -o jsonpath='{.status.numberReady}')" = 3 ] && kubectl wait --for=condition=Ready pod/client --timeout=1s
}

cluster_up --nodes 3 --zones a,b
holds "by manifests alone" .
run_cases direct 1500
zones() { kubectl get nodes -o jsonpath='{.items[*].metadata.labels.topology\.kubernetes\.io/zone}'; }
check "nodes are in their zones" expect '^a b a$' zones
check "a node that is cut is not reached" "$weft" node cut node-2 --name "$cluster"
check "by anybody" refused . ask node-2 0
check "the others go on" keeps_source node-3 0
check "it comes back" "$weft" node start node-2 --name "$cluster"
check "and is reached again" eventually 5 keeps_source node-2 0
check "a node that is stopped is not reached" "$weft" node stop node-3 --name "$cluster"
check "by anybody either" refused . ask node-3 1
check "until it is started" "$weft" node start node-3 --name "$cluster"
check "then its pods go on where they were" eventually 5 keeps_source node-3 1

# A node that says nothing for 8 s is given up.
node_is() { [ "$(kubectl get node "$1" -o jsonpath='{.status.conditions[?(@.type=="Ready")].status}/{.spec.taints[*].effect}')" = "$2" ]; }
endpoint_is() { [ "$(kubectl get endpointslices -l kubernetes.io/service-name=web -o json | jq -c "[.items[].endpoints[]? | select(.nodeName == \"$1\") | .conditions.ready] | unique")" = "[$2]" ]; }
never_fails() { in_client sh -c 'for i in $(seq 40); do curl -sS -m 3 -o /dev/null http://web/ || exit 1; done'; }
hasty_on() { [ "$(kubectl get pods -l app=hasty -o json | jq -r '.items[] | select(.metadata.deletionTimestamp == null) | .spec.nodeName + " " + .status.phase')" = "$1 Running" ]; }
no_pod_on() { [ -z "$(kubectl get pods -l "app=$2" --field-selector "spec.nodeName=$1" -o name)" ]; }
all_nodes_are_ready() { for node in node-1 node-2 node-3; do node_is $node True/ || return 1; done; }
check "after short absences all nodes are Ready" eventually 5 all_nodes_are_ready
away=$(kubectl get pods -l app=hasty -o jsonpath='{.items[0].spec.nodeName}')
other=$([ "$away" = node-2 ] && echo node-3 || echo node-2)
check "a node is cut for longer" "$weft" node cut "$away" --name "$cluster"
check "it is NotReady and tainted" within 20 node_is "$away" 'Unknown/NoSchedule NoExecute'
check "its pod is no endpoint any more" eventually 3 endpoint_is "$away" false
check "so the Service never fails" never_fails
check "a pod that tolerates this for a second is replaced elsewhere" eventually 5 hasty_on "$other"
check "the daemon's pod stays" expect pod/ kubectl get pods -l app=web --field-selector "spec.nodeName=$away" -o name
kubectl create deployment late --image=busybox --replicas=4 -- sleep infinity >/dev/null
check "new pods are put elsewhere" kubectl wait --for=condition=Available deployment/late --timeout=20s
check "all of them" no_pod_on "$away" late
check "the node comes back" "$weft" node start "$away" --name "$cluster"
check "and is Ready without taints" eventually 5 node_is "$away" True/
check "its pod is an endpoint again" eventually 3 endpoint_is "$away" true
check "what was evicted is gone there" eventually 5 no_pod_on "$away" hasty
check "and all nodes' pods answer" eventually 5 all_nodes_answer
kubectl delete deployment late --wait=false >/dev/null

check "a node that is not there is named" refused 'has no node node-9' "$weft" node cut node-9 --name "$cluster"

up_again() {
  "$weft" node cut node-2 --name "$cluster" && kill -9 "$(cat "/run/weft/$cluster/pids/up")" && eventually 10 "$weft" up --name "$cluster" --detach --nodes 3
}
check "a cluster that is killed while a node is away comes up again" up_again
check "with all its nodes" eventually 5 all_nodes_are_ready

"$weft" down --name "$cluster" >/dev/null
cluster_up --nodes 3 --overlay vxlan
run_cases vxlan 1450
