#!/usr/bin/env bash
# Kubernetes' end-to-end cases of NetworkPolicy, unmodified, while each of their probes is foretold: what weft trace says of the
# connection by the cluster's objects of that moment has to be what agnhost sees.
# An argument is a regular expression for the cases' names; without one all are run.
. "$(dirname "$0")/../lib.sh"
here=$root/test/conformance/netpol
work=$(mktemp -d)
chmod 755 "$work"

(cd "$here" && go test -c -o "$tools/netpol.test" .) || { echo "not ok build of the suite"; exit 1; }
(build_agnhost) || { echo "not ok build of agnhost"; exit 1; }
cat >"$work/agnhost" <<SH
#!/bin/sh
[ "\$1" = connect ] && exec python3 "$here/foretell.py" probe "$work/socket" "$tools/agnhost" "\$@"
exec "$tools/agnhost" "\$@"
SH
chmod +x "$work/agnhost"

conformance_up "registry.k8s.io/e2e-test-images/agnhost=$tools/agnhost"
[ ! -e /agnhost ] || { echo "not ok /agnhost is there: another suite runs"; exit 1; }
link "$work/agnhost" /agnhost
python3 "$here/foretell.py" serve "$work/socket" "$work/log" "$weft" "$cluster" &
server=$!
end() { kill "$server" && rm -rf "$work"; }
trap 'end; conformance_down' EXIT

"$tools/netpol.test" -kubeconfig="$KUBECONFIG" -ginkgo.focus="${1:-Netpol}" -ginkgo.timeout=60m -ginkgo.no-color \
  -ginkgo.json-report="$work/report" >&2
results "$(jq -r '.[].SpecReports[] | select(.LeafNodeType == "It") | (.ContainerHierarchyTexts + [.LeafNodeText] | join(" ")) as $name |
  if .State == "passed" then "ok \($name)" elif .State == "skipped" then empty else "not ok \($name)" end' "$work/report")"

wrong() { jq -c 'select(.seen != (.foretold.verdict == "works"))' "$work/log"; }
all_foretold() { [ -s "$work/log" ] && [ -z "$(wrong)" ] || { wrong; return 1; }; }
check "$(wc -l <"$work/log") probes are as foretold, $(jq -s 'map(select(.seen | not)) | length' "$work/log") of them denied" all_foretold
