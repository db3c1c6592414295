#!/usr/bin/env bash
# What pods are given, and how they live and end.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up --image example.com/mapped=/bin/hostname
check "apply" kubectl apply -f manifests.yaml
check "the full pod is ready" kubectl wait --for=condition=Ready pod/full --timeout=20s
full() { kubectl exec full -c main -- "$@"; }
check "hostname" expect '^given$' full hostname
check "fully qualified name" expect '^given.sub.default.svc.cluster.local$' full hostname -f
check "hosts names the pod" expect 'given.sub.default.svc.cluster.local' full cat /etc/hosts
check "resolv.conf names the cluster's DNS" expect '^nameserver 10.96.0.10' full cat /etc/resolv.conf
check "fields in the environment" expect "^full $(kubectl get pod full -o jsonpath='{.status.podIP}') node-1\$" full sh -c 'echo $POD_NAME $POD_IP $NODE'
check "ConfigMap and Secret in the environment" expect '^blue open sesame$' full sh -c 'echo $COLOUR $WORD'
check "variables in variables" expect '^blue full$' full sh -c 'echo $BOTH'
check "ConfigMap as files" expect '^from the map$' full cat /etc/settings/file.txt
check "Secret as files" expect '^open sesame$' full cat /etc/hidden/word
check "annotations as files" expect '^remember$' full cat /etc/about/note
check "what the init container left" expect '^prepared$' full cat /work/ready
check "containers share the network" expect '"pod": "full"' full curl -sS http://127.0.0.1:8080/
check "a changed ConfigMap changes its files" sh -c "kubectl patch configmap settings -p '{\"data\":{\"file.txt\":\"changed\"}}' && for i in \$(seq 100); do kubectl exec full -c main -- grep -q changed /etc/settings/file.txt && exit 0; sleep 0.1; done; exit 1"
check "logs" expect '^ready to serve$' kubectl logs full -c main
check "logs of an init container" kubectl logs full -c first
check "logs ask which container" refused 'a container name must be specified' kubectl get --raw /api/v1/namespaces/default/pods/full/log
check "logs with --tail" expect '^ready to serve$' kubectl logs full -c main --tail=1
check "exec gives the exit code" refused 'exit code 7' full sh -c 'exit 7'
check "exec takes standard input" expect '^through$' sh -c 'echo through | kubectl exec -i full -c main -- cat'
check "the node's end of the pod answers" expect '"pod": "full"' sh -c "ip netns exec weft-$cluster-node-1 curl -sS http://\$(kubectl get pod full -o jsonpath='{.status.podIP}'):8080/"

check "a pod waits for its ConfigMap" expect 'comes-late.*not found' sh -c 'for i in $(seq 50); do kubectl describe pod late | grep FailedMount && exit; sleep 0.1; done'
check "which comes" kubectl create configmap comes-late --from-literal=a=b
check "and the pod starts" kubectl wait --for=condition=Ready pod/late --timeout=20s
check "an image nobody mapped has a reason" eventually 10 expect '^(ErrImagePull|ImagePullBackOff)$' kubectl get pod nobody -o jsonpath='{.status.containerStatuses[0].state.waiting.reason}'
check "and an event that says what to do" expect 'image NAME=PATH|--image' sh -c 'kubectl events --for pod/nobody; kubectl get pod nobody -o yaml'
check "a mapped image runs" expect '^mapped-pod$' sh -c 'kubectl run mapped-pod --image=example.com/mapped:1 --restart=Never >/dev/null; for i in $(seq 50); do kubectl logs mapped-pod 2>/dev/null | grep . && exit; sleep 0.1; done'
check "a crash is restarted" eventually 15 sh -c '[ "$(kubectl get pod crash -o jsonpath="{.status.containerStatuses[0].restartCount}")" -ge 2 ]'
check "with back-off" eventually 20 expect '^CrashLoopBackOff$' kubectl get pod crash -o jsonpath='{.status.containerStatuses[0].state.waiting.reason}'
check "its exit code is known" expect '^3$' kubectl get pod crash -o jsonpath='{.status.containerStatuses[0].lastState.terminated.exitCode}'
check "logs of before the restart" kubectl logs crash --previous
check "restartPolicy Never runs once" eventually 10 expect '^Succeeded$' kubectl get pod once -o jsonpath='{.status.phase}'
check "every kind of probe passes" kubectl wait --for=condition=Available deploy/probed --timeout=20s
stubborn_ends() {
  local before=$SECONDS
  kubectl delete pod stubborn --timeout=10s || return 1
  [ $((SECONDS - before)) -le 8 ]
}
check "who ignores SIGTERM is killed after its grace period" stubborn_ends
check "StatefulSet: stable names" kubectl wait --for=condition=Ready pod/set-0 pod/set-1 --timeout=20s
same_name() {
  local uid
  uid=$(kubectl get pod set-0 -o jsonpath='{.metadata.uid}')
  kubectl delete pod set-0 --wait=false >/dev/null
  eventually 20 sh -c "u=\$(kubectl get pod set-0 -o jsonpath='{.metadata.uid}'); [ -n \"\$u\" ] && [ \"\$u\" != $uid ]"
}
check "which come again" same_name
check "DaemonSet: one a node" expect '^1$' kubectl get ds every -o jsonpath='{.status.desiredNumberScheduled}'
check "Deployment heals" sh -c 'kubectl delete pod -l app=probed --wait=false >/dev/null; sleep 0.5; kubectl wait --for=condition=Available deploy/probed --timeout=20s'
check "addresses are unique" sh -c '[ -z "$(kubectl get pods -A -o jsonpath="{range .items[*]}{.status.podIP}{\"\n\"}{end}" | grep . | sort | uniq -d)" ]'
# The node's own connections have ports of the range that pods on its network may want.
taken=$(ip netns exec "weft-$cluster-node-1" ss -Htn state established dst 127.0.0.1:6443 | awk '{ sub(/.*:/, "", $3); print $3; exit }')
check "the node has connections" [ -n "$taken" ]
kubectl run on-node --image=weft/echo --restart=Never --overrides="{\"spec\":{\"hostNetwork\":true}}" -- --http "$taken" >/dev/null
asks_on_node() { expect '"pod": "on-node"' ip netns exec "weft-$cluster-node-1" curl -sS "http://$(kubectl get pod on-node -o jsonpath='{.status.podIP}'):$taken/"; }
check "whose ports a server on the node's network may still have" eventually 10 asks_on_node
check "delete all" kubectl delete --ignore-not-found -f manifests.yaml --timeout=40s
check "and the rest" kubectl delete pod --all --timeout=40s
check "no pod's process is left" sh -c "[ -z \"\$(cat \$(find \$(ls -d /sys/fs/cgroup/weft-$cluster /sys/fs/cgroup/unified/weft-$cluster 2>/dev/null) -path '*/pods/*' -name cgroup.procs) 2>/dev/null)\" ]"
check "no pod's namespace is left" sh -c "! ip netns list | grep weft-$cluster-p-"
