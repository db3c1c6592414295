#!/usr/bin/env bash
# What people see of policies: weft policy list, show, matrix and log, audit, Events and metrics.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up --nodes 2 "$@"
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
check "pods are ready" eventually 20 kubectl wait --for=condition=Ready pod --all -A --timeout=1s
kubectl apply -f policies.yaml >/dev/null || echo "not ok apply policies"

policy() { "$weft" policy "$1" --name "$cluster" "${@:2}"; }
ends() { # ends STATUS PATTERN COMMAND…: with this exit status and output that matches
  local wanted=$1 pattern=$2 output status
  shift 2
  output=$("$@" 2>&1)
  status=$?
  [ "$status" = "$wanted" ] && grep -qE -- "$pattern" <<<"$output" || { echo "exit $status: $output"; return 1; }
}
in_pod() { kubectl exec -n "${1%/*}" "${1#*/}" -- "${@:2}"; }
address() { kubectl get pod -n "${1%/*}" "${1#*/}" -o jsonpath='{.status.podIP}'; }
fetch() { in_pod "$1" curl -sS -m 1 "http://$(address "$2"):${3:-8080}/hostname"; }
web=$(pod_of app=web shop)
node=$(kubectl get pod -n shop "$web" -o jsonpath='{.spec.nodeName}')

# List.
check "list: a NetworkPolicy, whom it selects and where" expect '^shop/web +NetworkPolicy +- +2 +ingress +1 +no$' policy list
check "list: a ClusterNetworkPolicy with tier and priority" expect '^guard +Admin +10 +4 +egress +1 +no$' policy list
check "list: audit by the namespace" expect '^trial/server +NetworkPolicy +- +1 +ingress +0 +yes$' policy list
check "list: what cannot be enforced as written" expect '! spec.ingress\[0\]: .*no-such-port' policy list
check "list: of one namespace" refused '^$' eval 'policy list -n shop | grep trial'
check "list: JSON" expect '"policy":"shop/web","kind":"NetworkPolicy"' policy list -o json

# Show.
check "show: the kernel has what the plan says" eventually 3 ends 0 '^kernel +same$' policy show "$web" -n shop
check "show: rules in words" expect '\[0\] allow from pods app=client of shop to port http \(TCP\)' policy show "$web" -n shop
check "show: open in the other direction but for a rule" expect '"no-documents" deny to 203.0.113.0/24 at all ports' policy show "$web" -n shop
check "show: warnings of its policies" expect '! shop/broken: .*no-such-port' policy show client -n shop
check "show: JSON" expect '"kernel":\{"state":"same","lines":\[\]\}' policy show "$web" -n shop -o json
check "show: a pod that is not there" ends 2 'there is no pod shop/nobody' policy show nobody -n shop
check "show: a kernel elsewhere is never a yes" ends 3 'NOT SEEN' "$weft" policy show "$web" -n shop --kubeconfig "$KUBECONFIG"
# The verdict that lets the client in at TCP 8080.
verdicts=$(echo /run/weft/"$cluster"/bpf/"$node"/policy/v*/verdicts)
entry=$(bpftool map dump pinned "$verdicts" -j | grep -oE '"key":\[[^]]*"0x06","0x1f","0x90"\],"value":\["0x01"[^]]*\]' | tr -d '",[]')
key=${entry#key:} key=${key%%value:*} value=${entry##*value:}
bytes() { grep -oE '0x..' <<<"$1"; }
mapfile -t key < <(bytes "$key")
mapfile -t value < <(bytes "$value")
bpftool map update pinned "$verdicts" key "${key[@]}" value 0x00 "${value[@]:1}"
check "show: a verdict that somebody has turned round" ends 1 'ingress from shop/client, TCP 8080: the kernel denies' policy show "$web" -n shop
check "status tells of it too" refused "$node: policy: ingress from shop/client" "$weft" status --name "$cluster"
bpftool map update pinned "$verdicts" key "${key[@]}" value "${value[@]}"
check "show: and back" ends 0 '^kernel +same$' policy show "$web" -n shop
bpftool map delete pinned "$verdicts" key "${key[@]}"
check "show: a verdict that is missing" ends 1 'the kernel has no entry, the plan allows' policy show "$web" -n shop
bpftool map update pinned "$verdicts" key "${key[@]}" value "${value[@]}"

# Matrix.
check "matrix: an owner's pods share a row; which of the declared ports" expect '^[0-9]+ shop/client .* TCP 8080( |$)' policy matrix
check "matrix: the Deployment is one row" expect '^[0-9]+ shop/web \(2 pods\)' policy matrix
check "matrix: one port" expect '^2 shop/near +denied +- +denied$' policy matrix -n shop --port 8080
check "matrix: the reason at each end" expect \
  '"from":"shop/near","to":"shop/web","verdict":"denied".*NetworkPolicy shop/web isolates the pod' policy matrix -n shop --port 8080 -o json
check "matrix: audit is seen" expect '"to":"trial/server","verdict":"audit"' policy matrix --port 8080 -o json
cat manifests.yaml <(echo ---) policies.yaml >"/run/weft/$cluster/all.yaml"
same_offline() { diff <(policy matrix --port 8080) <("$weft" policy matrix --port 8080 -f "/run/weft/$cluster/all.yaml"); }
check "matrix: the same from the manifests alone" same_offline

# Denied, and what is told of it.
check "whom the policy names gets through" eventually 3 fetch shop/client "shop/$web"
check "another does not" refused . fetch shop/near "shop/$web"
denied="denied +ingress +shop/near port [0-9]+ to shop/$web port 8080/TCP: .*NetworkPolicy shop/web"
check "log: names, ports, and the policy that decided" eventually 3 expect "$denied" policy log
check "log: of a pod" expect "$denied" policy log -n shop --pod near
check "log: of a namespace without any" refused '^$' eval 'policy log -n trial | grep denied'
check "log: JSON" expect '"verdict":"denied","direction":"ingress","protocol":"TCP".*"policies":\["shop/web"\]' policy log -o json
metrics() { ip netns exec "weft-$cluster-$node" curl -sS -m 3 http://127.0.0.1:10249/metrics; }
check "metrics: what the programs count" expect '^weft_policy_verdicts_total\{direction="ingress",verdict="denied"\} [1-9]' metrics
check "metrics: by policy" expect '^weft_policy_decisions_total\{policy="shop/web",direction="ingress",verdict="denied"\} [1-9]' metrics
check "metrics: and the rest" expect '^weft_policy_(packets_of_unknown_pods|events_lost|write_failures)_total 0' metrics
check "metrics: how full the maps are" expect '^weft_bpf_map_entries\{map="policy/verdicts"\} [1-9]' metrics

# Audit: nothing is denied, and what would be is told.
check "audit of a namespace denies nothing" fetch shop/client trial/server
check "and is told" eventually 3 expect 'audited +ingress +shop/client port [0-9]+ to trial/server port 8080/TCP: .*trial/server' policy log
kubectl annotate networkpolicy web -n shop weft.dev/audit=true >/dev/null
check "show: in audit" eventually 3 ends 0 '^ingress +in audit' policy show "$web" -n shop
check "audit of a policy denies nothing" eventually 3 fetch shop/near "shop/$web" 8081
check "and is told too" eventually 3 expect "audited +ingress +shop/near port [0-9]+ to shop/$web port 8081/TCP" policy log
kubectl annotate networkpolicy web -n shop weft.dev/audit- >/dev/null
check "without the annotation it denies again" eventually 3 refused . fetch shop/near "shop/$web" 8081

# What is allowed, on request.
check "what is allowed is not told" refused '^$' eval 'policy log | grep " allowed "'
kubectl annotate pod "$web" -n shop weft.dev/report-allowed=true >/dev/null
told() { fetch shop/client "shop/$web" && expect "allowed +ingress +shop/client port [0-9]+ to shop/$web port 8080/TCP: .*shop/web ingress\[0\]" policy log; }
check "but for pods that ask for it" eventually 3 told

# Events.
warned() { kubectl get events -n shop; }
check "an Event on the policy that cannot be enforced" eventually 5 expect 'PolicyNotEnforceable +networkpolicy/broken .*no-such-port' warned
check "and on no other" refused '^$' eval 'warned | grep PolicyNotEnforceable | grep -v networkpolicy/broken'
check "once" expect '^1$' eval 'warned | grep -c PolicyNotEnforceable'
kubectl patch networkpolicy broken -n shop --type merge -p '{"spec":{"ingress":[{"ports":[{"port":"another"}]}]}}' >/dev/null
check "and once more when it changes" eventually 5 expect 'PolicyNotEnforceable .*another' warned
