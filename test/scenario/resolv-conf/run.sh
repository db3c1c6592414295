#!/usr/bin/env bash
# What pods are given to find names with, by dnsPolicy and dnsConfig, and the names they have themselves.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
files=$(mktemp -d)
chmod 755 "$files"
printf 'nameserver 192.0.2.99\nsearch node.test\noptions attempts:1\n' >"$files/resolv.conf"
cluster_up --resolv-conf "$files/resolv.conf"
trap '{ s=$?; rm -r "$files"; (exit $s); }; cluster_down' EXIT
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
# 2,048 characters of searches in dnsConfig are legal; with the cluster's they are too many.
long() {
  local pod
  pod=$(for c in a b c d e f g h; do printf '%s.%s.%s.%s\n' $(for _ in 1 2 3 4; do printf "$c%.0s" {1..62}; echo; done); done | jq -R . | jq -s '
    {apiVersion: "v1", kind: "Pod", metadata: {name: "long"}, spec: {terminationGracePeriodSeconds: 0,
     containers: [{name: "shell", image: "weft/host", command: ["sleep", "infinity"]}], dnsConfig: {searches: .}}}')
  kubectl apply -f - <<<"$pod"
}
check "a pod with long searches is legal" long
running=(plain of-the-node host host-cluster own merged too-many member qualified long)
check "pods are ready" kubectl wait --for=condition=Ready "${running[@]/#/pod/}" --timeout=30s

conf() { kubectl exec "$1" -- cat /etc/resolv.conf; }
is() { diff <(printf '%s\n' "${@:2}") <(conf "$1"); }
cluster_search='search default.svc.cluster.local svc.cluster.local cluster.local node.test'
cluster_servers=('nameserver 10.96.0.10' 'nameserver fd00:96::a')
node_conf=('search node.test' 'nameserver 192.0.2.99' 'options attempts:1')
check "ClusterFirst: the cluster's DNS, its search path and the node's" is plain "$cluster_search" "${cluster_servers[@]}" 'options ndots:5'
check "Default: the node's file" is of-the-node "${node_conf[@]}"
check "ClusterFirst on the host's network is Default" is host "${node_conf[@]}"
check "ClusterFirstWithHostNet is ClusterFirst" is host-cluster "$cluster_search" "${cluster_servers[@]}" 'options ndots:5'
check "None: what dnsConfig says and no more" is own 'search own.test' 'nameserver 192.0.2.53' 'options ndots:2 edns0'
check "dnsConfig adds what is not there and overrides options by name" is merged "$cluster_search own.test" "${cluster_servers[@]}" 'nameserver 192.0.2.53' 'options ndots:1 timeout:3'
check "three name servers" expect '^3$' sh -c "kubectl exec too-many -- grep -c ^nameserver /etc/resolv.conf"
check "32 search domains" expect '^33$' sh -c "kubectl exec too-many -- grep ^search /etc/resolv.conf | wc -w"
warnings() { kubectl get events --field-selector "involvedObject.name=$1,reason=DNSConfigForming,type=Warning" -o jsonpath='{range .items[*]}{.message}{"\n"}{end}'; }
check "what was cut is told: name servers" eventually 5 expect 'Nameserver limits were exceeded.*10.96.0.10 fd00:96::a 192.0.2.1$' warnings too-many
check "and searches" eventually 5 expect 'Search Line limits were exceeded.* s28$' warnings too-many
check "2,048 characters of searches" expect '^[0-9]+$' sh -c "kubectl exec long -- grep ^search /etc/resolv.conf | cut -d' ' -f2- | tr -d '\n' | wc -c | awk '\$1 <= 2048 && \$1 > 1700'"
check "and a warning" eventually 5 expect 'Search Line limits' warnings long
check "no warning where nothing was cut" expect '^0$' sh -c "kubectl get events --field-selector involvedObject.name=merged,reason=DNSConfigForming -o json | jq '.items | length'"

check "hostname" expect '^captain$' kubectl exec member -- hostname
check "its qualified name" expect '^captain.team.default.svc.cluster.local$' kubectl exec member -- hostname -f
check "setHostnameAsFQDN" expect '^mate.team.default.svc.cluster.local$' kubectl exec qualified -- hostname
check "other pods find it by that name" expect "^$(kubectl get pod member -o jsonpath='{.status.podIP}')$" kubectl exec plain -- dig +short captain.team.default.svc.cluster.local
check "by its short name too" expect 'captain.team.default.svc.cluster.local' kubectl exec plain -- getent hosts captain.team
check "its address leads to the name" expect '^captain.team.default.svc.cluster.local.$' kubectl exec plain -- dig +short -x "$(kubectl get pod member -o jsonpath='{.status.podIP}')"
check "a qualified name of more than 64 characters: the pod is Pending" expect '^Pending$' kubectl get pod over-long -o jsonpath='{.status.phase}'
check "and an Event says why" eventually 5 expect 'FailedCreatePodSandBox.*too long.*64' sh -c "kubectl get events --field-selector involvedObject.name=over-long -o jsonpath='{range .items[*]}{.reason} {.message}{\"\\n\"}{end}'"
check "it can be deleted" kubectl delete pod over-long --timeout=10s

check "the zone's name server is the cluster's DNS Service" expect 'NS\s+kube-dns.kube-system.svc.cluster.local.' kubectl exec plain -- dig +noall +answer cluster.local NS
check "with its address" expect 'kube-dns.kube-system.svc.cluster.local.\s+5\s+IN\s+A\s+10.96.0.10' kubectl exec plain -- dig +noall +additional cluster.local NS
