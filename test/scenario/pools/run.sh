#!/usr/bin/env bash
# LoadBalancer addresses: from pools, on request, shared, kept over a restart of the controller, and why not.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up
check "weft up comes with a pool of the nodes' segment" eventually 10 expect '^weft-up .*\["172\.30\.[0-9]+\.128-' kubectl get addresspools -o wide
drop_default_pool >/dev/null
check "the CustomResourceDefinition" kubectl apply -f ../../../deploy/crds/addresspool.yaml
check "is served" kubectl wait --for=condition=Established crd/addresspools.weft.dev --timeout=10s
check "objects" eventually 10 kubectl apply -f manifests.yaml

addresses() { kubectl get svc "$1" -o jsonpath='{.status.loadBalancer.ingress[*].ip}'; }
has() { expect "^$2\$" addresses "$1"; }
reason() { kubectl get events --field-selector "involvedObject.name=$1,reason=$2" -o jsonpath='{.items[*].message}'; }
pool() { kubectl get addresspool "$1" -o jsonpath="$2"; }
# service NAME PORT ANNOTATIONS: a single-stack Service of type LoadBalancer.
service() {
  local name=$1 port=$2 annotations=$3
  kubectl apply -f - <<YAML
apiVersion: v1
kind: Service
metadata: {name: $name, annotations: {$annotations}}
spec: {type: LoadBalancer, ipFamilyPolicy: SingleStack, ports: [{port: $port}]}
YAML
}

check "an address of each family" eventually 10 has dual '192\.0\.2\.10 2001:db8:10::'
check "its ipMode" expect '^VIP VIP$' kubectl get svc dual -o jsonpath='{.status.loadBalancer.ingress[*].ipMode}'
check "an Event says so" eventually 10 expect 'Assigned 192\.0\.2\.10 from AddressPool main, 2001:db8:10:: from AddressPool main' reason dual AddressAssigned
check "the address asked for" eventually 5 has asked '192\.0\.2\.12'
check "a pool by its name, from its first address on" eventually 5 has named '198\.51\.100\.0'
check "a Service of another class stays without" has theirs ''
check "a pool is ready" eventually 5 expect '^True$' pool main '{.status.conditions[?(@.type=="Ready")].status}'
check "and counts" eventually 5 expect '^3 65536$' pool main '{.status.assigned} {.status.available}'
check "kubectl shows it" expect 'main +True +true +3 ' kubectl get addresspools

service last 80 "" >/dev/null
check "the last address" eventually 5 has last '192\.0\.2\.11'
service late 80 "" >/dev/null
check "then there is a reason" eventually 10 expect 'no IPv4 address is free in AddressPool main' reason late AddressAllocationFailed
kubectl delete svc last >/dev/null
check "who waits gets what is freed" eventually 5 has late '192\.0\.2\.11'

service share1 80 'weft.dev/sharing-key: k, weft.dev/address-pool: by-name' >/dev/null
check "an address to share" eventually 5 has share1 '198\.51\.100\.1'
service share2 81 'weft.dev/sharing-key: k, weft.dev/address-pool: by-name' >/dev/null
check "is shared" eventually 5 has share2 '198\.51\.100\.1'
service share3 80 'weft.dev/sharing-key: k, weft.dev/addresses: 198.51.100.1' >/dev/null
check "not when ports clash" eventually 10 expect 'both have port 80/TCP' reason share3 AddressAllocationFailed

stays() {
  local before after
  before=$(kubectl get svc -o jsonpath='{range .items[*]}{.metadata.name}={.status.loadBalancer.ingress[*].ip}{"\n"}{end}')
  kill -9 "$(cat "/run/weft/$cluster/pids/controller")" || return 1
  sleep 2
  kubectl annotate svc dual poke=1 --overwrite >/dev/null
  sleep 1
  after=$(kubectl get svc -o jsonpath='{range .items[*]}{.metadata.name}={.status.loadBalancer.ingress[*].ip}{"\n"}{end}')
  [ "$before" = "$after" ] || { echo "$before"; echo "$after"; return 1; }
}
check "a killed controller comes back and moves nobody" stays

kubectl patch svc dual --type=merge -p '{"spec":{"type":"ClusterIP"}}' >/dev/null
check "another type has no address" eventually 5 has dual ''
service again 80 "" >/dev/null
check "which is free again" eventually 5 has again '192\.0\.2\.10'

kubectl apply -f - >/dev/null <<'YAML'
apiVersion: weft.dev/v1alpha1
kind: AddressPool
metadata: {name: overlap}
spec: {addresses: [203.0.113.0/24, 192.0.2.0/24, nonsense]}
YAML
check "a pool with problems names the fields" eventually 5 expect 'spec\.addresses\[1\].*overlaps.*AddressPool main.*spec\.addresses\[2\].*nonsense' pool overlap '{.status.conditions[0].message}'
check "and the rest of it is in effect" eventually 5 expect '^256$' pool overlap '{.status.available}'
kubectl patch addresspool overlap --type=merge -p '{"spec":{"addresses":["203.0.113.0/24"]}}' >/dev/null
kubectl delete addresspool main >/dev/null
check "who had addresses of a pool that goes gets others" eventually 5 has again '203\.0\.113\.[0-9]+'
check "who asked for one of them has none" eventually 5 has asked ''
check "and is told" eventually 10 expect '192\.0\.2\.12 is in no AddressPool' reason asked AddressAllocationFailed
