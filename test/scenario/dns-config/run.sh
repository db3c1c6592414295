#!/usr/bin/env bash
# weft dns by itself with a configuration: a Corefile in a ConfigMap's mount, read again when it changes; health,
# readiness, metrics and the end; what check and query say.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up
work=$(mktemp -d)
pids=()
end_servers() {
  for pid in "${pids[@]}"; do kill -9 "$pid" 2>/dev/null; done
  rm -rf "$work"
}
trap 'end_servers; cluster_down' EXIT
kubectl create service clusterip web --tcp=80 >/dev/null || echo "not ok create"
ip4=$(kubectl get svc web -o jsonpath='{.spec.clusterIP}')
node() { ip netns exec "weft-$cluster-node-1" "$@"; }
ask() { node dig @127.0.0.1 -p 5300 +noall +answer +comments +time=2 +tries=1 "$@"; }
page() { node curl -s -m 5 -w ' %{http_code}' "http://127.0.0.1:$1"; }

# A ConfigMap's mount: the file is a link into ..data, a link that is replaced.
mount() {
  mkdir "$work/$1" && cp "$1/"* "$work/$1/" && ln -s "$1" "$work/..tmp" && mv -T "$work/..tmp" "$work/..data"
}
mount v1
ln -s ..data/Corefile "$work/Corefile"

# Somebody who knows corp.example.
# Without the function: the process itself is to be ended.
ip netns exec "weft-$cluster-node-1" "$weft" dns --config upstream.yaml --listen 127.0.0.2:5301 --health-bind-address "" \
  --metrics-bind-address "" --domains-socket "" </dev/null >"$work/upstream.log" 2>&1 &
pids+=($!)
ip netns exec "weft-$cluster-node-1" "$weft" dns --config "$work/Corefile" --listen 127.0.0.1:5300 --domains-socket "" \
  --coredns-metrics </dev/null >"$work/log" 2>&1 &
server=$!
pids+=("$server")

check "ready once synced" eventually 10 expect ' 200$' page 8181/ready
check "healthy" expect ' 200$' page 8180/health
check "the zone is answered with the file's ttl" expect "web.default.svc.cluster.local.\s+17\s+IN\s+A\s+$ip4" ask web.default.svc.cluster.local
check "a hosts entry" expect "one.test.\s+3600\s+IN\s+A\s+10.1.1.1" ask one.test
check "its reverse name" expect "PTR\s+one.test." ask -x 10.1.1.1
check "a rewritten name has the answer of another, and keeps its own" expect "shop.example.\s+17\s+IN\s+A\s+$ip4" ask shop.example
check "a stub domain's names come from its upstream" eventually 5 expect "db.corp.example.\s+[0-9]+\s+IN\s+A\s+10.2.2.2" ask db.corp.example
check "a name rewritten to one of an upstream" expect "db.ext.\s+[0-9]+\s+IN\s+A\s+10.2.2.2" ask db.ext
check "what nobody forwards is refused" expect 'status: REFUSED' ask elsewhere.org
check "a plugin that is left out is told with its line" grep -q "Corefile:[0-9]*: plugin pprof is left out" "$work/log"
check "metrics" expect 'weft_dns_responses_total\{rcode="NOERROR"\} [1-9]' page 9253/metrics
check "metrics by the old names" expect 'coredns_dns_requests_total\{proto="udp",family="1",type="A".*\} [1-9]' page 9253/metrics

local_query() { node "$weft" dns query --kubeconfig "$KUBECONFIG" --server 127.0.0.1:5300 --config "$work/Corefile" "$@"; }
check "query is told which upstream an answer is from" expect 'told by the server: upstream 127.0.0.2:5301' local_query other.corp.example
check "then that it is from the cache" expect 'told by the server: cache' local_query other.corp.example
check "or from the zone" expect 'told by the server: zone' local_query web.default.svc.cluster.local
check "with what the server is configured to say, they agree" refused 'no match' expect 'the objects say otherwise' local_query shop.example

mount v2
check "another configuration is taken live" eventually 10 expect "A\s+10.1.1.99" ask one.test
check "and the one before is gone" expect 'status: REFUSED' ask shop.example
check "with it the zone's own ttl" expect "web.default.svc.cluster.local.\s+18\s+IN\s+A\s+$ip4" ask web.default.svc.cluster.local
check "names of pods" expect "10-9-8-7.default.pod.cluster.local.\s+18\s+IN\s+A\s+10.9.8.7" ask 10-9-8-7.default.pod.cluster.local
check "and where it says that it is ready" expect ' 200$' page 8182/ready
check "which is told elsewhere no more" refused '000$' page 8181/ready
check "a reload is counted" expect 'weft_dns_config_reloads_total\{result="success"\} 1' page 9253/metrics

mount wrong
check "a wrong one is told with its line" eventually 10 grep -qE "Corefile:3: plugin nosuch is not known" "$work/log"
check "and the one before stays in force" expect "A\s+10.1.1.99" ask one.test
check "which metrics say" expect 'weft_dns_config_last_reload_successful 0' page 9253/metrics
mount v1b
check "until it is right again" eventually 10 expect 'weft_dns_config_last_reload_successful 1' page 9253/metrics

kill "$server"
check "told to end it says so" eventually 5 expect ' 503$' page 8180/health
check "is not ready" expect ' 503$' page 8181/ready
check "and goes on answering" expect "A\s+$ip4" ask web.default.svc.cluster.local
gone() { ! kill -0 "$server"; }
check "for as long as it was told to" eventually 10 gone

check "check takes a good file" expect 'names under corp.example. go to 127.0.0.2:5301' "$weft" dns check v1/Corefile
check "and Weft's own" expect '1 hosts entries' "$weft" dns check upstream.yaml
check "refuses a wrong one" refused 'wrong/Corefile:3: plugin nosuch' "$weft" dns check wrong/Corefile
code_of() { "$@" >/dev/null 2>&1; echo $?; }
check "with exit code 1" test "$(code_of "$weft" dns check wrong/Corefile)" = 1
check "and 2 for none" test "$(code_of "$weft" dns check nowhere)" = 2

# Queries with reasons, of the node's own server.
kubectl run client --image=weft/host --command -- sleep 1000 >/dev/null 2>&1
check "a pod to ask from" eventually 10 kubectl get pod client
query() { "$weft" dns query --name "$cluster" "$@"; }
check "query names the objects that an answer is from" expect 'from Service default/web: spec.clusterIPs' query web.default.svc.cluster.local
check "and the record" expect "web.default.svc.cluster.local. 5 A $ip4" query web.default.svc.cluster.local
check "from a pod, along its search path" expect "web.default.svc.cluster.local. A: NOERROR  \(search default.svc.cluster.local\)" query web --from client
check "each step that leads to nothing with its reason" refused 'from no Namespace nowhere' query web.nowhere --from client
check "a rewrite" refused 'from rewrite 1: answered as web.default.svc.cluster.local.' query shop.example --config v1/Corefile
check "that the server has another configuration" refused 'the objects say otherwise: NOERROR' query shop.example --config v1/Corefile
check "whom the configuration asks" refused 'for the upstreams of corp.example. \(127.0.0.2:5301\)' query db.corp.example --config v1/Corefile
# Of another cluster what its own ConfigMap says: CoreDNS's, or Weft's before it.
config_map() { kubectl -n kube-system create configmap "$@" >/dev/null; }
other_query() { node "$weft" dns query --kubeconfig "$KUBECONFIG" --server 172.30.0.2 "$@"; }
check "without one a name of outside is its server's business" refused 'for the upstreams of the server, or its cache' other_query shop.example
config_map coredns --from-file=Corefile=v1/Corefile
check "a cluster's Corefile" refused 'from rewrite 1: answered as web.default.svc.cluster.local.' other_query shop.example
config_map weft-dns --from-file=dns.yaml=upstream.yaml
check "Weft's own goes before it" refused 'from hosts' other_query other.corp.example
kubectl -n kube-system delete configmap coredns weft-dns >/dev/null
check "as JSON" bash -c "'$weft' dns query --name $cluster web --from client -o json | grep -q '\"outcome\":\"NOERROR\"'"
check "exit code 0 for an answer" test "$(code_of query web.default.svc.cluster.local)" = 0
check "1 for none" test "$(code_of query nope.default.svc.cluster.local)" = 1
check "1 for none of this type" test "$(code_of query web.default.svc.cluster.local TXT)" = 1
check "2 for what cannot be asked" test "$(code_of query web --from nobody)" = 2
check "3 when the server does not say" test "$(code_of query web --server 127.0.0.1:1)" = 3

# All but its rights: this API server has no such objects.
manifest() { awk 'BEGIN { RS = "---\n"; ORS = "---\n" } !/kind: ClusterRole/' "$root/deploy/dns.yaml"; }
apply() { manifest | kubectl apply --dry-run=server -f -; }
check "the manifest to run it alone is valid" expect 'daemonset.apps/weft-dns created \(server dry run\)' apply
rights() { kubectl label --local -f "$root/deploy/dns.yaml" checked=yes -o jsonpath='{.kind}:{.rules[*].verbs} '; }
check "its rights are objects that kubectl knows" expect 'ClusterRole:\["list","watch"\] \["list","watch"\] ClusterRoleBinding' rights
dns_yaml() { kubectl create --dry-run=client -o jsonpath='{.data.dns\.yaml}' -f <(manifest | awk 'BEGIN { RS = "---\n" } /kind: ConfigMap/'); }
dns_yaml >"$work/dns.yaml"
check "and so is the configuration in it" expect 'zone cluster.local' "$weft" dns check "$work/dns.yaml"

# The same configuration on a node whose kernel has no IPv6, in a network namespace that is no node's.
alone="weft-$cluster-alone" # by this name weft down removes it
ip netns add "$alone" && ip -n "$alone" link set lo up
ip netns exec "$alone" python3 without_ipv6.py "$weft" dns --config "$work/dns.yaml" --kubeconfig "$KUBECONFIG" \
  --domains-socket "" </dev/null >"$work/alone.log" 2>&1 &
pids+=($!)
check "it starts without IPv6" eventually 5 expect '^ok$' ip netns exec "$alone" curl -sS -m 2 http://127.0.0.1:8080/health
check "and listens" expect 'status: SERVFAIL' ip netns exec "$alone" dig @127.0.0.1 +time=2 +tries=1 web.default.svc.cluster.local
