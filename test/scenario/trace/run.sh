#!/usr/bin/env bash
# weft trace says by manifests alone what becomes of connections. What connections.weft.yaml expects holds by manifests alone; then
# weft test --live makes the same connections in a cluster of these manifests. Both have to agree on every one.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1

trace() { "$weft" trace "$@" -f manifests.yaml -f nodes.yaml; }
ends() { # ends STATUS PATTERN COMMAND…
  local wanted=$1 pattern=$2 output status
  shift 2
  output=$("$@" 2>&1)
  status=$?
  [ "$status" = "$wanted" ] && grep -qE -- "$pattern" <<<"$output" || { echo "exit $status: $output"; return 1; }
}
check "it works: exit 0" ends 0 'Service shop/web spec.ports\[0\].port \(manifests.yaml:[0-9]+\)' trace shop/client http://web/
check "denied: exit 1, the policy with its line" ends 1 'NetworkPolicy shop/web \(manifests.yaml:[0-9]+\)' trace stranger http://web.shop/
check "nobody knows: exit 3" ends 3 '^unknown: ' trace shop/client http://www.example.org/
check "wrong use: exit 2" ends 2 'there is no pod shop/nobody' trace shop/nobody http://web/
check "a manifest that is none: file and line" ends 2 'run.sh:[0-9]+: ' "$weft" trace a b -f run.sh
check "JSON" ends 1 '^\{"from":"Pod default/stranger".*"verdict":"denied"' trace stranger http://web.shop/ -o json
from_input() { cat manifests.yaml <(echo ---) nodes.yaml | "$weft" "$@" -f -; }
check "manifests from standard input" ends 0 'Service shop/web spec.ports\[0\].port \(stdin:[0-9]+\)' from_input trace shop/client http://web/
check "for the policy matrix, too" ends 0 '^FROM' from_input policy matrix
nothing() { "$weft" "$@" </dev/null; }
check "standard input without objects: exit 2" ends 2 'stdin: there are no objects' nothing trace a b -f -
check "nor is nothing right" ends 2 'stdin: there are no objects' nothing check -
check "a page does not read from it" ends 2 '^weft ui: -f -: ' nothing ui -f -
check "why a route does not attach" ends 1 'NotAllowedByListeners' trace outside gateway/open/edge --header host=intruder.example.com
runs_unprivileged() { ends 0 '^works' setpriv --reuid 65534 --regid 65534 --clear-groups "$weft" trace shop/client http://web/ -f manifests.yaml -f nodes.yaml; }
if [ "$(id -u)" = 0 ] && setpriv --reuid 65534 --clear-groups --regid 65534 test -r manifests.yaml -a -x "$weft"; then
  check "nobody in particular may ask" runs_unprivileged
fi

holds "by manifests alone" .
holds "by packets" --live .
holds "the example of a Gateway" --live "$root/examples/gateway" "$root/examples/gateway.weft.yaml"
[ "$failures" -eq 0 ]
