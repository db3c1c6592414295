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

# report: the cases that have no cases of their own. Without SCTP in the kernel a case ends at its first SCTP probe: what came
# before it went well, and the rest is not known.
report() {
  jq -rs --arg sctp "$sctp" '
    map(select(.Test)) | group_by(.Test) | map({name: .[0].Test, how: (map(select(.Action | IN("pass", "fail", "skip"))) | last.Action),
      probe: (map(select(.Action == "output") | .Output) | map(select(test("FAILED Command was"))) | last // "")}) |
    (map(.name) | sort) as $names |
    .[] | . as $case | select($names | any(startswith($case.name + "/")) | not) |
    (.name | ltrimstr("TestConformance/")) as $name |
    if .how == "pass" then "ok \($name)"
    elif .how == "skip" then "# skipped \($name)"
    elif $sctp == "no" and (.probe | test("protocol=sctp")) then "# skipped \($name): no SCTP in this kernel"
    else "not ok \($name)" end' "$log"
}

connects() { kubectl exec -n network-policy-conformance-gryffindor harry-potter-0 -c harry-potter-client -- /agnhost connect --timeout=3s "$1"; }

conformance_up
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
