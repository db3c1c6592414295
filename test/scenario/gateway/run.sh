#!/usr/bin/env bash
# A Gateway and Ingresses over real packets: addresses, routes (connections.weft.yaml), TLS, statuses when something is wrong, and no
# request lost while routes, endpoints and the proxy itself change.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up --nodes 2
work=$(mktemp -d)
trap 'rm -rf "$work"; cluster_down' EXIT

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$work/key" -out "$work/cert" -days 2 \
  -subj "/CN=www.shop.example" -addext "subjectAltName=DNS:*.shop.example" 2>/dev/null
check "the objects" eventually 10 kubectl apply -f manifests.yaml
check "pods are ready" kubectl wait --for=condition=Ready pod --all --timeout=30s

of_gateway() { kubectl get gateway edge -o jsonpath="$1"; }
of_route() { kubectl get httproute shop -o jsonpath="$1"; }
condition() { echo "{.status.conditions[?(@.type==\"$1\")].$2}"; }
listener() { echo "{.status.listeners[?(@.name==\"$1\")].conditions[?(@.type==\"$2\")].$3}"; }

check "the Gateway is programmed" eventually 15 expect '^True$' of_gateway "$(condition Programmed status)"
check "the class is accepted" expect '^True$' kubectl get gatewayclass weft -o jsonpath="$(condition Accepted status)"
check "a listener without its Secret says so" expect '^InvalidCertificateRef$' of_gateway "$(listener https ResolvedRefs reason)"
kubectl create secret tls shop-tls --cert "$work/cert" --key "$work/key" --dry-run=client -o yaml >"$work/secret.yaml"
check "the Secret" kubectl apply -f "$work/secret.yaml"
check "mends it" eventually 10 expect '^True$' of_gateway "$(listener https Programmed status)"
check "the route is accepted" eventually 10 expect '^True$' of_route '{.status.parents[0].conditions[?(@.type=="Accepted")].status}'
check "and a backend that is missing is told" expect '^BackendNotFound$' of_route '{.status.parents[0].conditions[?(@.type=="ResolvedRefs")].reason}'
check "both listeners count it" expect '^1 1$' of_gateway '{.status.listeners[*].attachedRoutes}'

ip4=$(of_gateway '{.status.addresses[*].value}' | tr ' ' '\n' | grep -v :)
# get URL CURL-ARGS…: "STATUS BODY" of a request to the Gateway's address, whatever the URL's host is.
get() {
  local url=$1
  shift
  curl -sS --max-time 5 --connect-to "::$ip4:" -w '\n%{http_code}' "$@" "$url" | awk '{ lines[NR] = $0 } END { printf "%s", lines[NR]; for (i = 1; i < NR; ++i) printf " %s", lines[i]; print "" }'
}
shop=http://www.shop.example

check "a prefix is rewritten, a header set" expect '^200 .*green-' get $shop/green/a?b=c
check "as the backend saw it" expect '"/a\?b=c"|"path": "/a"' get $shop/green/a?b=c
check "with the header" expect '[Xx]-[Bb]y' get $shop/green
check "HTTP/2 over TLS" expect '^2$' curl -sS --max-time 5 -o /dev/null -w '%{http_version}' --connect-to "::$ip4:" --cacert "$work/cert" https://www.shop.example/

routes() { "$weft" gateway routes --name "$cluster" "$@"; }
check "the table in force" expect 'default/edge +80 HTTP +http +www.shop.example +prefix /green +default/green:8000 \(1 endpoint\) +HTTPRoute default/shop rule 0' routes
check "which rule takes a request" expect 'YES: www.shop.example \(HTTPRoute default/shop rule 0, prefix /green\)' routes http://www.shop.example/green/a
check "as JSON" expect '"taken":\{.*"answer":"redirect 301"' routes www.shop.example/old -o json
# none_takes ARGS…: exit code 1.
none_takes() { routes "$@"; [ $? = 1 ]; }
check "that none does" none_takes http://other.example/
check "a Gateway that is not there" refused 'no Gateway default/none' routes --gateway default/none

check "more routes" kubectl apply -f routes.yaml
holds_both_ways . "$work/secret.yaml"

# Load goes on while things change: not one request may fail.
begin_load() {
  rm -f "$work/stop"
  (
    good=0
    while [ ! -e "$work/stop" ]; do
      code=$(curl -s --max-time 5 -o /dev/null -w '%{http_code}' --connect-to "::$ip4:" $shop/)
      if [ "$code" = 200 ]; then good=$((good + 1)); else echo "$code $(date +%s.%N)"; fi
    done
    echo "good $good"
  ) >"$work/load" 2>&1 &
}
# end_load: all were answered, and there were some.
end_load() {
  touch "$work/stop"
  eventually 10 grep -q '^good' "$work/load"
  grep -E '^good [1-9][0-9]+$' "$work/load" && ! grep -v '^good' "$work/load"
}

begin_load
for i in 1 2 3 4 5; do
  kubectl apply -f - >/dev/null <<YAML
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: more-$i}
spec: {parentRefs: [{name: edge}], hostnames: [m$i.shop.example], rules: [{backendRefs: [{name: green, port: 8000}]}]}
YAML
done
check "a new route works" eventually 5 expect '^200 .*green-' get http://m5.shop.example/
kubectl scale deployment blue --replicas 4 >/dev/null
kubectl wait --for=condition=Ready pod -l app=blue --timeout=20s >/dev/null
kubectl scale deployment blue --replicas 1 >/dev/null
only_one() { [ "$(kubectl get pod -l app=blue -o name | wc -l)" = 1 ]; }
check "the backend is scaled up and down" eventually 30 only_one
check "no request has failed" end_load

# A proxy that is stopped, not ended, is not started again: its node leaves the endpoints until it goes on.
endpoints_are() { [ "$(kubectl get endpointslice edge-weft-v4-0 -o jsonpath='{.endpoints[*].nodeName}')" = "$1" ]; }
signal_proxy() { kill "-$1" "$(cat "/run/weft/$cluster/pids/gateway-node-1")"; }
check "both nodes' proxies are endpoints" eventually 10 endpoints_are "node-1 node-2"
check "the status knows them" expect '^Gateways +1 of 1 programmed' "$weft" status --name "$cluster"
check "a proxy hangs" signal_proxy STOP
check "its node is no endpoint any more" eventually 20 endpoints_are "node-2"
check "the status says which" refused 'node-1: gateway: it has not renewed the Lease' "$weft" status --name "$cluster"
check "what comes to the address is answered" eventually 5 expect '^200' get $shop/
check "it goes on" signal_proxy CONT
check "and its node is one again" eventually 10 endpoints_are "node-1 node-2"

restarted() {
  local pid
  pid=$(cat "/run/weft/$cluster/pids/gateway-node-1") && kill -9 "$pid"
}
check "a proxy is killed" restarted
check "and is back with its routes" eventually 10 expect '^200 .*blue-' get $shop/
kubectl delete gateway edge >/dev/null
gone() { ! curl -s --max-time 1 -o /dev/null "http://$ip4/" && ! kubectl get service edge-weft; }
check "a Gateway that is deleted takes its address along" eventually 10 gone
