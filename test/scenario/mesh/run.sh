#!/usr/bin/env bash
# Routes with a Service as their parent, over real packets: that no request is lost when the first comes and the last goes; and
# whom they concern, at which port (connections.weft.yaml).
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up --nodes 2
work=$(mktemp -d)
trap 'rm -rf "$work"; cluster_down' EXIT

check "the objects" eventually 10 kubectl apply -f manifests.yaml
check "pods are ready" kubectl wait --for=condition=Ready pod --all -A --timeout=30s

# get NAMESPACE URL: "STATUS HEADERS-AND-BODY" of what a pod there is answered.
get() { kubectl exec -n "$1" client -- curl -sS -i --max-time 5 "$2" | tr -d '\r' | tr '\n' ' '; }
# route NAMESPACE NAME PARENT-PORT BACKEND: its answers have the header x-by with the route's name.
route() {
  kubectl apply -f - <<YAML
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: $2, namespace: $1}
spec:
  parentRefs: [{group: "", kind: Service, name: shop, namespace: default, port: $3}]
  rules:
    - filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-by, value: $2}]}}]
      backendRefs: [{name: $4, namespace: default, port: 80}]
YAML
}
without_header() { expect 'HTTP/1.1 200' get "$@" && ! expect 'x-by:' get "$@" >/dev/null; }
accepted() { kubectl get httproute -n "$1" "$2" -o jsonpath='{.status.parents[0].parentRef.kind} {.status.parents[0].conditions[*].status}'; }
slices() { kubectl get endpointslices -A -l weft.dev/mesh-of -o name; }
shop=http://shop.default.svc.cluster.local

check "without routes no proxy has to do with it" without_header default $shop/
check "nobody is led to one" expect '^$' slices

# Requests go on all the while, each over a connection of its own.
(
  while [ ! -e "$work/stop" ]; do
    code=$(kubectl exec client -- curl -s -o /dev/null -w '%{http_code}' --max-time 5 $shop/)
    echo "$code"
  done
) >"$work/load" 2>&1 &
load=$!

check "a consumer's route" route abroad abroad 80 shop
check "is accepted" eventually 10 expect '^Service True True$' accepted abroad abroad
check "and concerns its own namespace" eventually 10 expect 'x-by: abroad .*blue-' get abroad $shop/
check "but no other" without_header default $shop/
check "a producer's route" route default home 80 green
check "concerns all others" eventually 10 expect 'x-by: home .*green-' get default $shop/
traced() { "$weft" trace "$1" "$2" --name "$cluster"; }
check "a route with a backend that is not there" route default home 80 missing
check "is told in its status" eventually 10 expect '^Service True False$' accepted default home
check "put right" route default home 80 green
check "it works again" eventually 10 expect 'x-by: home .*green-' get default $shop/
kubectl delete httproute home >/dev/null
check "without the producer's route" eventually 10 without_header default $shop/
check "weft trace says so" eventually 10 expect 'no route is for this client' traced default/client $shop/
kubectl delete httproute -n abroad abroad >/dev/null
check "without the last one" eventually 10 without_header abroad $shop/
check "nobody is led to proxies any more" eventually 10 expect '^$' slices
touch "$work/stop"
wait $load
only_wanted() { grep -c '^200$' "$work/load" && ! grep -vE '^(200|500)$' "$work/load"; }
check "no request has failed meanwhile, but those with the wrong backend" only_wanted

check "more routes" kubectl apply -f routes.yaml
holds_both_ways .
