#!/usr/bin/env bash
# What may be killed at any time, and what must not notice.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up
kubectl apply -f ../services/manifests.yaml >/dev/null || echo "not ok apply"
check "pods are ready" kubectl wait --for=condition=Ready pod --all --timeout=20s
in_client() { kubectl exec client -- "$@"; }
pid_of() { cat "/run/weft/$cluster/pids/$1"; }

# load FILE COUNT: that many connections, each a new one; a line for each that fails.
load() { in_client sh -c "for i in \$(seq $2); do curl -sS -m 2 -o /dev/null http://$ip4/ || echo LOST; done" >"$1" 2>&1; }
ip4=$(kubectl get svc web -o jsonpath='{.spec.clusterIP}')
log=$(mktemp)

agent_killed() {
  load "$log" 300 & local running=$! before
  before=$(pid_of agent-node-1)
  kill -9 "$before"
  eventually 5 sh -c "[ \"\$(cat /run/weft/$cluster/pids/agent-node-1)\" != $before ]" || return 1
  wait $running
  ! grep . "$log"
}
check "kill -9 of the agent under load loses no connection" agent_killed
check "a Service made after the restart works" bash -c "kubectl expose deploy web --name=again --port=80 --target-port=8080 >/dev/null && for i in \$(seq 30); do kubectl exec client -- curl -sS -m 1 -o /dev/null http://again/ && exit 0; sleep 0.1; done; exit 1"

dns_killed() {
  kill -9 "$(pid_of dns-node-1)"
  eventually 5 in_client curl -sS -m 2 -o /dev/null http://web/
}
check "names resolve again after kill -9 of dns" dns_killed
controller_killed() {
  kill -9 "$(pid_of controller)"
  kubectl scale deploy/web --replicas=3 >/dev/null
  eventually 10 sh -c '[ "$(kubectl get endpointslices -l kubernetes.io/service-name=web -o jsonpath="{.items[?(@.addressType==\"IPv4\")].endpoints[*].addresses[0]}" | wc -w)" = 3 ]'
}
check "endpoints follow after kill -9 of the controller" controller_killed
container_killed() {
  local pod=$1 restarts
  kubectl exec "$pod" -- sh -c 'kill 1' >/dev/null 2>&1
  eventually 15 sh -c "[ \"\$(kubectl get pod $pod -o jsonpath='{.status.containerStatuses[0].restartCount}')\" = 1 ]"
}
check "a container that dies is started again" container_killed "$(pod_of app=flaky)"
everything_killed() {
  kill -9 "$(pid_of up)" || return 1
  "$weft" down --name "$cluster" || return 1
  [ -z "$(leftovers)" ] || { leftovers; return 1; }
}
check "down after kill -9 of everything leaves nothing" everything_killed
rm -f "$log"
