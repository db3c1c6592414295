#!/usr/bin/env bash
# weft dns by itself with a configuration: a Corefile in a ConfigMap's mount, read again when it changes; health,
# readiness, metrics and the end; what check says.
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
check "a stub domain's names come from its upstream" expect "db.corp.example.\s+[0-9]+\s+IN\s+A\s+10.2.2.2" ask db.corp.example
check "a name rewritten to one of an upstream" expect "db.ext.\s+[0-9]+\s+IN\s+A\s+10.2.2.2" ask db.ext
check "what nobody forwards is refused" expect 'status: REFUSED' ask elsewhere.org
check "a plugin that is left out is told with its line" grep -q "Corefile:[0-9]*: plugin pprof is left out" "$work/log"
check "metrics" expect 'weft_dns_responses_total\{rcode="NOERROR"\} [1-9]' page 9253/metrics
check "metrics by the old names" expect 'coredns_dns_requests_total\{proto="udp",family="1",type="A".*\} [1-9]' page 9253/metrics

mount v2
check "another configuration is taken live" eventually 10 expect "A\s+10.1.1.99" ask one.test
check "and the one before is gone" expect 'status: REFUSED' ask shop.example
check "what it cannot change live is told" grep -q "takes effect at the next start" "$work/log"
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
