#!/usr/bin/env bash
# Cluster DNS as pods see it, asked by the system's own resolver (connections.weft.yaml) and with dig.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up --resolv-conf /dev/null # outside no names exist
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
check "pods are ready" kubectl wait --for=condition=Ready pod --all --timeout=20s
holds_both_ways .
in_client() { kubectl exec client -- "$@"; }
ask() { in_client dig +noall +answer +comments +time=2 +tries=1 "$@"; }
ip4=$(kubectl get svc web -o jsonpath='{.spec.clusterIPs[0]}')
ip6=$(kubectl get svc web -o jsonpath='{.spec.clusterIPs[1]}')
dashed=$(kubectl get pod web-a -o jsonpath='{.status.podIP}' | tr . -)

check "resolv.conf names the cluster's DNS address" expect "^nameserver 10.96.0.10" in_client cat /etc/resolv.conf
check "and the search path" expect '^search default.svc.cluster.local svc.cluster.local cluster.local' in_client cat /etc/resolv.conf
check "A of a Service" expect "web.default.svc.cluster.local.[[:space:]]+5[[:space:]]+IN[[:space:]]+A[[:space:]]+$ip4" ask web.default.svc.cluster.local
check "AAAA of a Service" expect "AAAA\s+$ip6" ask web.default.svc.cluster.local AAAA
check "over TCP" expect "\sA\s+$ip4" ask +tcp web.default.svc.cluster.local
check "over the v6 address" expect "\sA\s+$ip4" ask @fd00:96::a web.default.svc.cluster.local
check "the question's case comes back" expect "WeB.default" ask WeB.default.svc.cluster.local
check "SRV of a named port" expect "SRV\s+0 [0-9]+ 80 web.default.svc.cluster.local." ask _http._tcp.web.default.svc.cluster.local SRV
check "PTR of a Service address" expect "PTR\s+web.default.svc.cluster.local." ask -x "$ip4"
check "an endpoint without a hostname has its dashed address" expect "\sA\s" ask "$dashed.bare.default.svc.cluster.local"
check "the version record" expect '"1.1.0"' ask dns-version.cluster.local TXT
check "an existing name of another type is NODATA" expect 'status: NOERROR.*' ask web.default.svc.cluster.local TXT
check "an unknown Service is NXDOMAIN" expect 'status: NXDOMAIN' ask nope.default.svc.cluster.local
check "an unknown namespace is NXDOMAIN" expect 'status: NXDOMAIN' ask web.nope.svc.cluster.local
kubectl create service clusterip fresh --tcp=80 >/dev/null
check "a new Service has its name at once" within 2 expect '^10\.96' ask +short fresh.default.svc.cluster.local
kubectl delete service fresh >/dev/null
check "a deleted one loses it at once" within 2 expect NXDOMAIN ask fresh.default.svc.cluster.local
