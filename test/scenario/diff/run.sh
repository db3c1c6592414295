#!/usr/bin/env bash
# weft diff tells what becomes another in who can reach whom, and who decides: by manifests alone, and in a cluster.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1

ends() { # ends STATUS PATTERN COMMAND…; the pattern is for the whole output, its line ends too
  local wanted=$1 pattern=$2 output status
  shift 2
  output=$("$@" 2>&1)
  status=$?
  [ "$status" = "$wanted" ] && grep -qzP -- "$pattern" <<<"$output" || { echo "exit $status: $output"; return 1; }
}
lacks() { ! grep -qzP -- "$1" <<<"$("${@:2}")"; }
diff() { "$weft" diff "$@"; }
forward=(diff -f next --against now)

check "the same: exit 0" ends 0 'no change in who can reach whom' diff -f now --against now
check "denied: whose way, to what, and the policy with its line" ends 1 \
  'no longer allowed: Deployment shop/front, Deployment shop/web-v2\n     → Deployment shop/db 5432/TCP, Service shop/db 5432/TCP\n  before works\n  after  denied: .*\n         by NetworkPolicy shop/db \(next/shop.yaml:[0-9]+\)' \
  "${forward[@]}"
check "nothing is told of those that are still let in" lacks 'no longer allowed: .*Deployment shop/web,.*\n     → Deployment shop/db' "${forward[@]}"
check "moved: a route's backend" ends 1 \
  'leads elsewhere: outside\n     → http://www.shop.example/ \(Gateway shop/edge\)\n  before works → Deployment shop/web, Service shop/web port 80\n         by HTTPRoute shop/web .*\n  after  works → Deployment shop/web-v2, Service shop/web-v2 port 80' \
  "${forward[@]}"
check "a Service that goes" ends 1 '→ Service shop/old 80/TCP\n  before works\n  after  what is asked for is not there' "${forward[@]}"
check "its name" ends 1 'no longer resolvable: old.shop.svc.cluster.local' "${forward[@]}"
check "and back: allowed" ends 1 'newly allowed: Deployment shop/front, Deployment shop/web-v2\n     → Deployment shop/db 5432/TCP' diff -f now --against next
check "JSON" ends 1 '^\{"changes":\[\{"change":"denied","from":\["Deployment shop/front","Deployment shop/web-v2"\],"to":\["Deployment shop/db 5432/TCP","Service shop/db 5432/TCP"\],"before":\{"there":true,"verdict":"works"' \
  "${forward[@]}" -o json
check "wrong use: exit 2" ends 2 'no such file or folder' diff -f nowhere --against now
check "a manifest that is none: file and line" ends 2 'run.sh:[0-9]+: ' diff -f run.sh --against now

# In a cluster: the same, until it is applied; what is applied already changes nothing.
cluster_up --nodes 2
in_cluster() { "$weft" diff --name "$cluster" "$@"; }
versions() { kubectl get all,networkpolicies,gateways,httproutes,endpointslices -A -o jsonpath='{range .items[*]}{.kind} {.metadata.uid} {.metadata.resourceVersion}{"\n"}{end}'; }
check "the objects" eventually 30 kubectl apply -f now
check "pods are ready" eventually 60 kubectl wait -n shop --for=condition=Ready pod --all --timeout=10s
check "in a cluster that has them: no change" eventually 30 ends 0 'no change in who can reach whom' in_cluster -f now
check "denied, and the policy with its line" ends 1 \
  'no longer allowed: Deployment shop/front, Deployment shop/web-v2\n     → Deployment shop/db 5432/TCP, Service shop/db 5432/TCP\n  before works\n  after  denied: .*\n         by NetworkPolicy shop/db \(next/shop.yaml:[0-9]+\)' \
  in_cluster -f next
check "moved: a route's backend" ends 1 'leads elsewhere: outside\n     → http://www.shop.example/ \(Gateway shop/edge\)' in_cluster -f next
check "what the manifests leave out stays" lacks 'Service shop/old 80/TCP\n  before works' in_cluster -f next
stays() { local before; before=$(versions); in_cluster -f next >/dev/null; [ -n "$before" ] && [ "$before" = "$(versions)" ]; }
check "it changes nothing" eventually 10 stays
check "by a kubeconfig" ends 1 'no longer allowed: Deployment shop/front' "$weft" diff -f next --kubeconfig "$KUBECONFIG"
check "applied" kubectl apply -f next
check "then it is no change any more" eventually 60 ends 0 'no change in who can reach whom' in_cluster -f next
check "a cluster that there is not: exit 2" ends 2 'nowhere' "$weft" diff -f next --name nowhere
