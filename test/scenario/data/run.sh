#!/usr/bin/env bash
# --data keeps the objects over the end of everything; several clusters stand side by side.
. "$(dirname "$0")/../../lib.sh"
data=$(mktemp -d)
cluster_up --data "$data"
check "a deployment" kubectl create deployment kept --image=weft/echo --replicas=2 --port=8080
check "and its Service" kubectl expose deployment kept --port=80 --target-port=8080
check "is available" kubectl wait --for=condition=Available deploy/kept --timeout=20s
vip=$(kubectl get svc kept -o jsonpath='{.spec.clusterIP}')
check "the same name is refused while it is up" refused 'is up already' "$weft" up --name "$cluster" --detach
other() {
  "$weft" up --name "$cluster"b --detach || return 1
  KUBECONFIG=$("$weft" kubeconfig --name "$cluster"b) kubectl get ns default || return 1
  "$weft" down --name "$cluster"b
}
check "another cluster beside it" other
killed() {
  kill -9 "$(cat "/run/weft/$cluster/pids/up")" && "$weft" down --name "$cluster" && "$weft" up --name "$cluster" --detach --data "$data"
}
check "kill -9, down and up again" killed
export KUBECONFIG=/run/weft/$cluster/admin.kubeconfig
check "the Service has its address still" expect "^$vip\$" kubectl get svc kept -o jsonpath='{.spec.clusterIP}'
check "the pods run again" kubectl wait --for=condition=Available deploy/kept --timeout=20s
check "and answer" eventually 10 sh -c "kubectl run asker-\$RANDOM --image=weft/host --restart=Never --command -- sleep 100 >/dev/null; kubectl exec deploy/kept -- sh -c 'exec 3<>/dev/tcp/127.0.0.1/8080' 2>/dev/null; ip netns exec weft-$cluster-node-1 curl -sS -m 1 http://\$(kubectl get pod -l app=kept -o jsonpath='{.items[0].status.podIP}'):8080/"
check "kubeconfig says when a cluster is not up" refused 'is not up' "$weft" kubeconfig --name absent
check "the kubeconfig is the caller's alone" expect '^600$' stat -c %a "$KUBECONFIG"
check "wrong use is exit code 2" sh -c "\"$weft\" up --nonsense >/dev/null 2>&1; [ \$? = 2 ]"
check "a bad manifest is told with its line" refused 'bad.yaml:[0-9]+: ' sh -c "printf 'apiVersion: v1\nkind: [\n' > $data/bad.yaml; \"$weft\" up --name ${cluster}c $data/bad.yaml"
"$weft" down --name "$cluster" >/dev/null
rm -rf "$data"
