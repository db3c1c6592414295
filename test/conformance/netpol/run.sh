#!/usr/bin/env bash
# Kubernetes' end-to-end cases of NetworkPolicy, unmodified, against a cluster of their own: a result line a case.
# An argument is a regular expression for the cases' names; without one all are run.
. "$(dirname "$0")/../lib.sh"
log=$root/build/netpol.json

(cd "$root/test/conformance/netpol" && go test -c -o "$tools/netpol.test" .) || { echo "not ok build of the suite"; exit 1; }

agnhost_up
rm -f "$log"
"$tools/netpol.test" -kubeconfig="$KUBECONFIG" -ginkgo.focus="${1:-Netpol}" -ginkgo.timeout=60m \
  -ginkgo.no-color -ginkgo.json-report="$log" >&2
results "$(jq -r '.[].SpecReports[] | select(.LeafNodeType == "It") | (.ContainerHierarchyTexts + [.LeafNodeText] | join(" ")) as $name |
  if .State == "passed" then "ok \($name)" elif .State == "skipped" then empty else "not ok \($name)" end' "$log")"
