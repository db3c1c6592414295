#!/usr/bin/env bash
# Services over real packets: connections.weft.yaml, how backends are shared, changes under load.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
check "pods are ready" kubectl wait --for=condition=Ready pod --all --timeout=20s
holds_both_ways .
client=$(pod_of app=client)
in_client() { kubectl exec "$client" -- "$@"; }

ip4=$(kubectl get svc web -o jsonpath='{.spec.clusterIPs[0]}')

both_backends_answer() {
  in_client sh -c 'for i in $(seq 40); do curl -sS -m 3 http://web/hostname; echo; done' | sort -u | grep -c web- | grep -qx 2
}
check "both backends take their share" both_backends_answer
check "the peer is the Service's address" expect "^$ip4 80\$" in_client curl -sS -m 3 -o /dev/null -w '%{remote_ip} %{remote_port}\n' "http://$ip4/"
check "endpoints are in slices of both families" expect 'IPv4.*IPv6|IPv6.*IPv4' sh -c 'kubectl get endpointslices -l kubernetes.io/service-name=web -o jsonpath="{.items[*].addressType}"'

scaling_loses_nothing() {
  kubectl exec "$client" -- sh -c 'for i in $(seq 300); do curl -sS -m 3 -o /dev/null http://web/ || echo LOST; done' > "$1" 2>&1 &
  local load=$!
  kubectl scale deploy/web --replicas=5 >/dev/null
  kubectl rollout status deploy/web --timeout=20s >/dev/null
  kubectl scale deploy/web --replicas=2 >/dev/null
  wait $load
  ! grep -q . "$1"
}
log=$(mktemp)
check "scaling up and down loses no request" scaling_loses_nothing "$log"
flaky_is_unready() { [ "$(kubectl get endpointslices -l kubernetes.io/service-name=flaky -o jsonpath='{.items[*].endpoints[*].conditions.ready}')" = false ]; }
check "a ready pod is in its Service" expect '"pod": ?"flaky"' in_client curl -sS -m 1 http://flaky/
check "its probe's file goes" kubectl exec flaky -- rm /probe/ready
check "a pod that fails its readiness probe leaves the Service" eventually 5 flaky_is_unready
check "and then connections to it are refused" eventually 3 refused 'exit code 7$' in_client curl -sS -m 1 http://flaky/
rm -f "$log"
