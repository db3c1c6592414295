#!/usr/bin/env bash
# deploy/dns.yaml as it is, instead of a cluster's DNS: what it asks the API server for and what its ClusterRole allows are the
# same, and nobody's question is lost while its servers are replaced or told to end.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
chmod 755 "$work" # the client in its pod looks for a file here
cluster_up --nodes 2 --image weft="$weft" --resolv-conf /dev/null
front=
end_front() {
  [ -z "$front" ] || kill "$front" 2>/dev/null
  rm -rf "$work"
}
trap '{ s=$?; end_front; (exit $s); }; cluster_down' EXIT

# Kubernetes' own API server would be at 10.96.0.1 with roles and service accounts: so is this one's front. Kubelet's part is what
# the service account leads to in a pod.
find_segment
manifest() { kubectl label --local -f "$root/deploy/dns.yaml" checked=yes -o json; }
rights() { manifest | jq 'select(.kind == "ClusterRole").rules'; }
front_up() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=kubernetes \
    -addext subjectAltName=IP:10.96.0.1 -keyout "$work/key.pem" -out "$work/ca.crt" 2>/dev/null || return 1
  head -c 24 /dev/urandom | base64 >"$work/token"
  rights >"$work/rules.json"
  kubectl config view --raw -o json >"$work/admin.json"
  : >"$work/requests"
  python3 api_front.py "$net4.1" 7443 "$work/ca.crt" "$work/key.pem" "$work/rules.json" "$(cat "$work/token")" \
    "$work/admin.json" "$work/requests" >"$work/front.log" 2>&1 </dev/null &
  front=$!
  eventually 10 grep -q listening "$work/front.log" || { cat "$work/front.log"; return 1; }
  kubectl apply -f - <<END
{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
 "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
 "endpoints": [{"addresses": ["$net4.1"]}], "ports": [{"name": "https", "port": 7443}]}
END
}
dns_up() {
  kubectl -n kube-system delete service/kube-dns endpointslice/kube-dns-v4 endpointslice/kube-dns-v6 || return 1
  kubectl -n kube-system create secret generic account --from-file="$work/token" --from-file="$work/ca.crt" || return 1
  # This API server has no roles: its front has them.
  manifest | jq 'select(.kind | test("^ClusterRole") | not) | if .kind == "DaemonSet" then .spec.template.spec |= (
      .volumes += [{name: "account", secret: {secretName: "account"}}] | .containers[0] |= (
      .env = [{name: "KUBERNETES_SERVICE_HOST", value: "10.96.0.1"}, {name: "KUBERNETES_SERVICE_PORT", value: "443"}] |
      .volumeMounts += [{name: "account", mountPath: "/var/run/secrets/kubernetes.io/serviceaccount", readOnly: true}]))
    else . end' | kubectl apply -f - || return 1
  kubectl -n kube-system rollout status ds/weft-dns --timeout=30s
}
server_on() { kubectl -n kube-system get pods -l k8s-app=kube-dns --field-selector "spec.nodeName=$1,status.phase=Running" -o jsonpath='{.items[0].metadata.name}'; }
front_up >"$work/front_up" 2>&1 || { cat "$work/front_up"; echo "not ok an API server with roles"; exit 1; }
check "the manifest's servers are ready" dns_up
kubectl run client --image=weft/host --overrides='{"spec":{"nodeName":"node-1","terminationGracePeriodSeconds":0}}' \
  --command -- sleep 1000 >/dev/null
check "a pod to ask from" kubectl wait --for=condition=Ready pod/client --timeout=20s
ask() { kubectl exec client -- dig +noall +answer +comments +time=1 +tries=1 "$@"; }
check "which has answers" expect '\sA\s+10.96.0.1$' ask kubernetes.default.svc.cluster.local

# What was asked for, and what the ClusterRole has: VERB GROUP/RESOURCE a line.
asked() { awk -v how="$1" '$1 == how {print $2, $3}' "$work/requests" | sort -u; }
allowed() { jq -r '.[] | .verbs[] as $verb | .apiGroups[] as $group | .resources[] | "\($verb) \($group)/\(.)"' "$work/rules.json" | sort -u; }
same() { diff <(allowed) <(asked allowed) && [ -z "$(asked forbidden)" ]; }
check "it asks for all that its ClusterRole allows, and for nothing else" same

# config JQ-PROGRAM: dns.yaml in the ConfigMap, as text, becomes another.
config() { kubectl -n kube-system get configmap weft-dns -o json | jq ".data[\"dns.yaml\"] |= ($1)" | kubectl apply -f -; }
check "another configuration in the ConfigMap" config 'sub("ttl: 5s"; "ttl: 7s")'
check "is followed" eventually 20 expect '\s7\s+IN\s+A\s+10.96.0.1$' ask kubernetes.default.svc.cluster.local
check "without another right" same
pod_name="$(kubectl get pod client -o jsonpath='{.status.podIP}' | tr . -).default.pod.cluster.local"
check "names of pods, verified" config 'sub("ttl: 7s"; "ttl: 8s\npods: Verified")'
check "come into force" eventually 20 expect '\s8\s+IN\s+A\s+10.96.0.1$' ask kubernetes.default.svc.cluster.local
check "but need to know of pods, which the log says" eventually 10 expect 'warn.*pods cannot be followed: .*cannot list resource "pods"' \
  kubectl -n kube-system logs "$(server_on node-1)"
check "and which are not there until then" expect 'status: NXDOMAIN' ask "$pod_name"
check "only that is missing" expect '^list /pods$' asked forbidden
with_pods() { rights | jq '.[0].resources += ["pods"]' >"$work/rules.new" && mv "$work/rules.new" "$work/rules.json"; }
check "the right that the manifest names" with_pods
check "is what is needed" eventually 20 expect '\sA\s+10\.244\.' ask "$pod_name"
verified_same() { diff <(allowed) <(asked allowed); }
check "and no other" verified_same
check "back to what the manifest has" config 'sub("ttl: 8s\npods: Verified"; "ttl: 5s")'
check "which is followed too" eventually 20 expect '\s5\s+IN\s+A\s+10.96.0.1$' ask kubernetes.default.svc.cluster.local

# The end of servers, while a pod asks them. Nothing may be lost, in no way of asking.
exec 3>&1
# during COMMAND…: in the middle of questions.
during() {
  local asking status
  rm -f "$work/stop"
  kubectl exec client -- python3 "$PWD/steady.py" "$work/stop" kubernetes.default.svc.cluster.local. 10.96.0.10 >"$work/result" & asking=$!
  sleep 0.5
  "$@"
  status=$?
  sleep 0.5
  touch "$work/stop"
  wait $asking || status=1
  sed 's/^/# /' "$work/result" >&3
  [ "$(grep -cE '^[a-z-]+ asked=[0-9]{3,} lost=0 ' "$work/result")" = 5 ] || { cat "$work/result"; status=1; }
  return $status
}
# What the manifest says of a Corefile: it stands in the ConfigMap, and --config names it.
to_corefile() {
  jq -n --rawfile file Corefile '{data: {Corefile: $file}}' | kubectl -n kube-system patch configmap weft-dns --patch-file /dev/stdin &&
    kubectl -n kube-system patch daemonset weft-dns --type json -p \
      '[{"op": "replace", "path": "/spec/template/spec/containers/0/args/2", "value": "/etc/weft/Corefile"}]' && sleep 0.3 &&
    rolled_out
}
rollout() { kubectl -n kube-system rollout restart ds/weft-dns && sleep 0.3 && rolled_out; }
# Until the old pods are gone, too.
two_servers() { [ "$(kubectl -n kube-system get pods -l k8s-app=kube-dns -o name | wc -l)" = 2 ]; }
rolled_out() { kubectl -n kube-system rollout status ds/weft-dns --timeout=60s && eventually 20 two_servers; }
slice_says() { # NODE CONDITION VALUE
  [ "$(kubectl -n kube-system get endpointslices -l kubernetes.io/service-name=kube-dns -o jsonpath="{.items[0].endpoints[?(@.nodeName==\"$1\")].conditions.$2}")" = "$3" ]
}
run="containerStatuses[0].state.running.startedAt"
field() { kubectl -n kube-system get pod "$1" -o jsonpath="{.status.$2}"; }
# terminated: the server of the client's node is told to end, without its pod: readiness goes off, the slice follows, all are
# answered for the time of its lame duck, then the process ends.
terminated() {
  local pod address began before
  pod=$(server_on node-1)
  address=$(field "$pod" podIP)
  before=$(field "$pod" "$run")
  began=$(date +%s%N)
  # Its first child is the server: process 1 is the sandbox's.
  kubectl -n kube-system exec "$pod" -- sh -c 'kill -TERM $(pgrep -x -o weft -P 1)' || return 1
  within 4 slice_says node-1 ready false || { echo "the slice still has it"; return 1; }
  echo "the slice follows after $((($(date +%s%N) - began) / 1000000)) ms"
  # Its lame duck takes 5 s; a question needs some of it on a busy machine.
  until [ "$(date +%s%N)" -gt $((began + 3500000000)) ]; do
    expect '\sA\s+10.96.0.1$' ask "@$address" kubernetes.default.svc.cluster.local || return 1
  done
  ended() { [ "$(field "$pod" "$run")" != "$before" ]; }
  eventually 5 ended || { echo "it goes on"; return 1; }
  echo "it ended after $((($(date +%s%N) - began) / 1000000)) ms"
  eventually 30 slice_says node-1 ready true || { echo "it does not come back"; return 1; }
}
service() { kubectl -n kube-system annotate service kube-dns "$1" >/dev/null && sleep 1; }
check "a rollout loses nothing, here one to a Corefile" during to_corefile
check "which is in force" expect '\s30\s+IN\s+A\s+10.96.0.1$' ask kubernetes.default.svc.cluster.local
check "and needs no other right" verified_same
check "one that is told to end loses nothing" during terminated
service weft.dev/local-check-
check "nor does a rollout where the API alone tells of an end" during rollout
check "nor one that is told to end" during terminated
