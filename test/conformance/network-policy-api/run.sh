#!/usr/bin/env bash
# The conformance suite of network-policy-api, unmodified, against a cluster of its own: a result line a case.
# Arguments are the names of cases, such as CNPAdminTierPriorityField; without any all are run.
. "$(dirname "$0")/../lib.sh"
here=$root/test/conformance/network-policy-api
suite=$tools/network-policy-api.test
log=$root/build/network-policy-api.json
wanted=$(IFS='|'; echo "$*")

(cd "$here" && go test -c -o "$suite" sigs.k8s.io/network-policy-api/conformance) || { echo "not ok build of the suite"; exit 1; }
crds=$(cd "$here" && go list -m -f '{{.Dir}}' sigs.k8s.io/network-policy-api)/config/crd

# report: the cases that have no cases of their own.
report() {
  jq -rs '
    map(select(.Test and (.Action | IN("pass", "fail", "skip")))) | (map(.Test) | unique) as $names |
    .[] | . as $case | select($names | any(startswith($case.Test + "/")) | not) |
    (.Test | ltrimstr("TestConformance/")) as $name |
    if .Action == "pass" then "ok \($name)" elif .Action == "skip" then "# skipped \($name)" else "not ok \($name)" end' "$log"
}

connects() { kubectl exec -n network-policy-conformance-gryffindor harry-potter-0 -c harry-potter-client -- /agnhost connect --timeout=3s "$1"; }

agnhost_up
check "the suite's definitions apply" kubectl apply --server-side -f "$crds/experimental/policy.networking.k8s.io_clusternetworkpolicies.yaml"
check "and are established" kubectl wait --for=condition=Established --timeout=10s crd/clusternetworkpolicies.policy.networking.k8s.io

go tool test2json "$suite" -test.v -test.timeout=60m -test.run="^TestConformance$/^(${wanted:-.*})$" -all-features \
  -cleanup-base-resources=false | tee "$log" | jq -j 'select(.Action == "output") | .Output' >&2
results "$(report)"

check "no policy is left" expect '^$' kubectl get clusternetworkpolicies,networkpolicies -A -o name
for ip in $(kubectl get pod -n network-policy-conformance-slytherin draco-malfoy-1 -o jsonpath='{.status.podIPs[*].ip}'); do
  case $ip in *:*) ip="[$ip]" ;; esac
  check "and $ip accepts connections" connects "$ip:80"
done
