#!/usr/bin/env bash
# What nodes serve over HTTP: Services' health check ports, /healthz, /livez and /metrics; and what weft status makes of a cluster.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up --nodes 3 "$@"
outside_up
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
check "pods are ready" eventually 20 kubectl wait --for=condition=Available deployment --all --timeout=1s

node4() { echo "$net4.$(($1 + 1))"; }
node6() { echo "[$net6$(($1 + 1))]"; }
status() { "$weft" status --name "$cluster" "$@"; }
not_well() { status "$@"; test $? -eq 1; }
# health NODE [PORT]: the status and the number of local endpoints, as a load balancer sees them.
health() { outside curl -g -sS -m 3 -w '%{stderr}%{http_code} %header{x-load-balancing-endpoint-weight} ' "http://$(node4 "$1"):${2:-30055}/" 2>&1 >/dev/null; }
body() { outside curl -g -sS -m 3 "http://$1:30055/any/path"; }

check "node 1 has two endpoints" eventually 5 expect '^200 2 $' health 1
check "node 2 has one" eventually 5 expect '^200 1 $' health 2
check "node 3 has none" eventually 5 expect '^503 0 $' health 3
as_kube_proxy() { [ "$(body "$(node4 1)" | jq -c .)" = '{"service":{"namespace":"default","name":"web"},"localEndpoints":2,"serviceProxyHealthy":true}' ]; }
check "the answer is kube-proxy's" as_kube_proxy
check "also over IPv6, by address and not by family" expect '"localEndpoints": 2,' body "$(node6 1)"
kubectl exec "$(pod_of place=node-1)" -- touch /probe/unready
check "a pod that becomes unready does not count" eventually 5 expect '^200 1 $' health 1
kubectl scale deployment web-1 --replicas=0 >/dev/null
check "without endpoints a node says 503" eventually 10 expect '^503 0 $' health 1
kubectl scale deployment web-1 --replicas=3 >/dev/null
check "and 200 when it has some again" eventually 10 expect '^200 3 $' health 1

kubectl patch service web --type=merge -p '{"spec":{"type":"ClusterIP","externalTrafficPolicy":null}}' >/dev/null
check "a Service that is no load balancer's has no such port" eventually 5 refused 'refused|Could' health 1
kubectl patch service web --type=merge -p '{"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":30056}}' >/dev/null
check "the port follows the Service" eventually 5 expect '^200 3 $' health 1 30056
check "the old one is closed" refused 'refused|Could' health 1
ip netns exec "weft-$cluster-node-3" "$weft" echo --http 30057 >/dev/null 2>&1 &
squatter=$!
taken() { [ -n "$(ip netns exec "weft-$cluster-node-3" ss -Hltn 'sport = :30057')" ]; }
check "somebody takes a port on node 3" eventually 5 taken
kubectl patch service web --type=merge -p '{"spec":{"type":"ClusterIP","externalTrafficPolicy":null,"healthCheckNodePort":0}}' >/dev/null
kubectl patch service web --type=merge -p '{"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Local","healthCheckNodePort":30057}}' >/dev/null
check "the other nodes do not mind" eventually 5 expect '^200 3 $' health 1 30057
event() { kubectl get events --field-selector reason=FailedToStartServiceHealthcheck -o jsonpath='{.items[*].message}'; }
check "an Event on the Service tells" eventually 5 expect 'node node-3 failed to start healthcheck "default/web" on port 30057: .*in use' event
kill -9 "$squatter"
check "it is tried again" eventually 5 expect '^503 0 $' health 3 30057

healthz() { outside curl -sS -m 3 -o /dev/null -w '%{http_code}' "http://$(node4 "$1"):10256/$2"; }
check "/healthz says 200" expect '^200$' healthz 1 healthz
check "/livez too" expect '^200$' healthz 1 livez
check "anything else is not there" expect '^404$' healthz 1 metrics
kubectl patch node node-2 --type=merge -p '{"spec":{"taints":[{"key":"ToBeDeletedByClusterAutoscaler","effect":"NoSchedule"}]}}' >/dev/null
check "a node that the autoscaler removes is not healthy" eventually 5 expect '^503$' healthz 2 healthz
check "but alive" expect '^200$' healthz 2 livez
check "and its Services' ports are well" expect '^200 1 $' health 2 30057
kubectl patch node node-2 --type=merge -p '{"spec":{"taints":null}}' >/dev/null
check "and healthy when it stays" eventually 5 expect '^200$' healthz 2 healthz

metrics() { ip netns exec "weft-$cluster-node-1" curl -sS -m 3 http://127.0.0.1:10249/metrics; }
# value METRIC: of one line of the metrics, by its exact name and labels.
value() { metrics | grep -F "$1 " | grep -v '^#' | sed 's/.* //'; }
check "metrics are not for the outside" refused 'refused|Could' outside curl -sS -m 1 "http://$(node4 1):10249/metrics"
before=$(value weft_network_programming_duration_seconds_count)
kubectl scale deployment web-2 --replicas=2 >/dev/null
counted() { [ "$(value weft_network_programming_duration_seconds_count)" -gt "$before" ]; }
check "programming latency is counted after an endpoint change" eventually 10 counted
check "most were programmed within a second" test "$(value 'weft_network_programming_duration_seconds_bucket{le="1"}')" -gt 0
check "all Services are programmed" test "$(value weft_services_programmed)" -ge 2
check "none is failing" test "$(value weft_services_failing)" = 0
frontends() { [ "$(value 'weft_bpf_map_entries{map="service/frontends"}')" = "$(value weft_frontends_programmed)" ]; }
check "the map has what was programmed" frontends
check "with room for more" test "$(value 'weft_bpf_map_capacity{map="service/frontends"}')" = 131072
check "healthz answers are counted" test "$(value 'weft_proxy_healthz_total{code="200"}')" -ge 1
check "edge counters are there" expect '^weft_edge_packets_total\{result="translated"\} [0-9]' metrics
kubectl patch service web --type=merge -p '{"spec":{"internalTrafficPolicy":"Local"}}' >/dev/null
kubectl scale deployment web-1 --replicas=0 >/dev/null
no_local() { [ "$(value "weft_sync_proxy_rules_no_local_endpoints_total{traffic_policy=\"$1\"}")" = 1 ]; }
check "Services without an endpoint here are counted, inside" eventually 10 no_local internal
check "and outside" no_local external

# Node 1's agent with other flags, in the place of the one that weft up starts again: the later, the more often it ends.
# Only one of the two can have the lock on the node's Services; the other one ends at once.
# Not by a pipe: grep ends at the match, and what ls still has to say would fail it.
has_the_lock() { grep -q '/bpf/node-1/service$' < <(ls -l "/proc/$1/fd" 2>/dev/null); }
becomes_the_agent() {
  local args
  mapfile -d '' args <"/proc/$(cat "/run/weft/$cluster/pids/agent-node-1")/cmdline"
  for _ in $(seq 20); do
    kill -9 "$(cat "/run/weft/$cluster/pids/agent-node-1")" 2>/dev/null
    nsenter --net="/run/netns/weft-$cluster-node-1" "$weft" "${args[@]:1}" "$@" >>"/run/weft/$cluster/logs/agent-node-1.log" 2>&1 &
    agent_pid=$!
    until has_the_lock "$agent_pid" || ! readlink "/proc/$agent_pid/exe" >/dev/null; do sleep 0.05; done
    sleep 0.5
    has_the_lock "$agent_pid" && return 0
  done
  return 1
}
kubectl scale deployment web-1 --replicas=1 >/dev/null
port=$(kubectl get service web -o jsonpath='{.spec.ports[0].nodePort}')
ip link add side netns "weft-$cluster-node-1" type veth peer name side netns "weft-$cluster-outside"
ip -n "weft-$cluster-outside" addr add 192.0.2.2/24 dev side && ip -n "weft-$cluster-outside" link set side up
ip -n "weft-$cluster-node-1" link set side up
becomes_the_agent --nodeport-addresses 192.0.2.0/24 || echo "not ok an agent with other flags"
at() { outside curl -sS -m 2 "http://$1:$port/hostname"; }
check "a node port is only where it is offered" eventually 5 refused . at "$(node4 1)"
ip -n "weft-$cluster-node-1" addr add 192.0.2.1/24 dev side
check "and on an address that comes later, by another link" eventually 5 expect '^web-1' at 192.0.2.1
check "so is the health check port" expect '"localEndpoints": 1' outside curl -sS -m 2 http://192.0.2.1:30057/
check "and nowhere else" refused 'refused|Could' health 1 30057
ip -n "weft-$cluster-node-1" addr del 192.0.2.1/24 dev side
kernel_has() { not_well | grep -E "node-1: .* 192.0.2.1 $port/TCP"; }
kernel_forgets() { ! kernel_has; }
check "an address that goes takes its node port along" eventually 5 kernel_forgets
kill "$agent_pid"
wait "$agent_pid" 2>/dev/null
check "the usual agent comes back" eventually 10 expect '^web-1' at "$(node4 1)"

# A crowd that sends nothing must not keep others out.
ulimit -n 4096
met=$(mktemp -u)
crowd() { outside timeout 20 bash -c "for i in \$(seq 400); do exec {fd}<>/dev/tcp/$(node4 1)/10256; done; touch $met; sleep 2"; }
crowd 2>/dev/null &
crowd_pid=$!
check "four hundred connect and say nothing" eventually 15 test -e "$met"
check "they keep nobody out" expect '^200$' healthz 1 healthz
wait "$crowd_pid"
rm -f "$met"

check "weft status says that all is well" eventually 10 expect 'all is well' status
check "as JSON too" expect '"well":true' status -o json
"$weft" node stop node-3 --name "$cluster"
kubectl create service clusterip late --tcp=80:8080 >/dev/null
check "after a node has stopped it exits 1 and names it" expect '^  node-3: agent: no answer' not_well
check "with what that node's kernel lacks" expect '^  node-3: Service default/late at .*: not in the kernel' not_well
others() { not_well -o json | jq -e '[.nodes[] | select(.name != "node-3") | .agent.alive and .ready and .differences == []] | all'; }
check "and nothing about the others" others
"$weft" node start node-3 --name "$cluster"
check "until it is back" eventually 20 expect 'all is well' status
no_cluster() { "$weft" status --name nosuch; test $? -eq 2; }
check "a cluster that is not there is exit 2" no_cluster
