#!/usr/bin/env bash
# kubectl's verbs on every kind.
. "$(dirname "$0")/../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up
kinds=(configmap/sample secret/sample serviceaccount/sample pod/sample service/sample endpoints/sample-manual
  endpointslice/sample-manual deployment/sample replicaset/sample statefulset/sample daemonset/sample
  networkpolicy/sample clusternetworkpolicy/sample ingress/sample ingressclass/sample lease/sample event/sample)

check "apply makes one of each kind" kubectl apply -f kinds.yaml
# Some of these kubectl patches each time, as it compares with what it sent; the server finds no difference.
versions() { kubectl get configmap/sample secret/sample service/sample endpoints/sample-manual endpointslice/sample-manual networkpolicy/sample ingress/sample -o jsonpath='{.items[*].metadata.resourceVersion}'; }
before=$(versions)
check "apply again" kubectl apply -f kinds.yaml
check "changes nothing" expect "^$before\$" versions
check "server-side apply takes them over" kubectl apply --server-side --force-conflicts -f kinds.yaml
check "diff finds nothing" kubectl diff -f kinds.yaml

one_kind() {
  local object=$1
  check "$object get" kubectl get "$object"
  check "$object get -o wide" kubectl get "$object" -o wide
  check "$object describe" kubectl describe "$object"
  check "$object explain" kubectl explain "${object%/*}" --recursive
  check "$object label" kubectl label "$object" test=yes
  check "$object annotate" kubectl annotate "$object" test=yes
  check "$object merge patch" kubectl patch "$object" --type=merge -p '{"metadata":{"labels":{"test":"merged"}}}'
  check "$object JSON patch" kubectl patch "$object" --type=json -p '[{"op":"replace","path":"/metadata/labels/test","value":"json"}]'
  check "$object strategic merge patch" kubectl patch "$object" -p '{"metadata":{"labels":{"test":"strategic"}}}'
  check "$object patches have come in" expect strategic kubectl get "$object" -o 'jsonpath={.metadata.labels.test}'
  check "$object replace" sh -c "kubectl get $object -o json | jq '.metadata.labels.test=\"replaced\" | del(.metadata.resourceVersion)' | kubectl replace -f -"
}
for object in "${kinds[@]}"; do one_kind "$object"; done
check "edit" env EDITOR="$PWD/tools/add_value.sh" kubectl edit configmap/sample
check "the edit has come in" expect '^yes$' kubectl get configmap sample -o 'jsonpath={.data.edited}'

check "columns of a ClusterNetworkPolicy" expect '^NAME +TIER +PRIORITY +AGE' kubectl get cnp
check "its values" expect '^sample +Admin +10 +[0-9]+' kubectl get cnp
check "its schema is held to" refused 'spec.priority in body should be less than or equal to 1000' kubectl patch cnp sample --type=merge -p '{"spec":{"priority":1001}}'
check "a NetworkPolicy's rules too" refused 'must be a strict subset of `cidr`' kubectl patch networkpolicy sample --type=merge -p '{"spec":{"ingress":[{"from":[{"ipBlock":{"cidr":"10.0.0.0/8","except":["10.0.0.0/8"]}}]}]}}'

check "wait for a condition" kubectl wait --for=condition=Available deployment/sample --timeout=20s
check "wait for a field" kubectl wait --for=jsonpath='{.status.phase}'=Running pod/sample --timeout=20s
watched=$(mktemp)
kubectl get configmaps --watch --output-watch-events >"$watched" & watcher=$!
eventually 5 grep -q sample "$watched"
kubectl create configmap watched --from-literal=a=b >/dev/null
kubectl delete configmap watched >/dev/null
check "watch sees a change" eventually 5 grep -qE 'DELETED +watched' "$watched"
kill $watcher
rm -f "$watched"

check "logs" kubectl logs deploy/sample
check "rollout status" kubectl rollout status deploy/sample --timeout=20s
check "scale" kubectl scale deploy/sample --replicas=2
check "rollout restart" kubectl rollout restart deploy/sample
check "the new pods come" kubectl rollout status deploy/sample --timeout=30s
check "rollout history" expect '^2 ' kubectl rollout history deploy/sample
check "rollout undo" kubectl rollout undo deploy/sample
check "set image" kubectl set image deploy/sample echo=example.com/weft/echo:1
check "expose" kubectl expose deploy/sample --name=exposed --port=80
check "run" kubectl run lone --image=weft/echo
check "create with typed clients" sh -c 'kubectl create deployment made --image=weft/echo && kubectl create service clusterip made --tcp=80 && kubectl create secret generic made --from-literal=a=b && kubectl create ingress made --rule=a.example/=made:80'
check "api-resources" expect '^endpointslices ' kubectl api-resources
check "api-versions" expect '^apps/v1$' kubectl api-versions
check "may do everything" expect '^yes$' kubectl auth can-i '*' '*'
check "who am I" expect 'system:masters' kubectl auth whoami
check "get all" expect 'deployment.apps/made' kubectl get all
check "sorted and selected" expect '^pod/sample$' kubectl get pods -l app=sample --field-selector=status.phase=Running --sort-by=.metadata.name -o name
check "cordon" kubectl cordon node-1
check "uncordon" kubectl uncordon node-1
check "events" expect Scheduled kubectl events --for pod/lone

cat >"$PWD/../../build/crd.$$.yaml" <<'CRD'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: foos, singular: foo, kind: Foo, shortNames: [fo]}
  versions:
    - name: v1
      served: true
      storage: true
      additionalPrinterColumns: [{name: Size, type: integer, jsonPath: .spec.size}]
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, description: what is wanted, required: [size], properties: {size: {type: integer, minimum: 1}}}
CRD
check "a custom kind" kubectl apply -f ../../build/crd.$$.yaml
check "is established" kubectl wait --for=condition=Established crd/foos.example.com --timeout=10s
check "is explained" expect 'what is wanted' kubectl explain foo.spec
check "is validated" refused 'spec.size' sh -c 'printf "apiVersion: example.com/v1\nkind: Foo\nmetadata: {name: f}\nspec: {size: 0}" | kubectl apply -f -'
check "is stored" sh -c 'printf "apiVersion: example.com/v1\nkind: Foo\nmetadata: {name: f}\nspec: {size: 3}" | kubectl apply -f -'
check "has its columns" expect 'f +3' kubectl get fo
check "is changed" expect 'foo.example.com/f configured' sh -c 'printf "apiVersion: example.com/v1\nkind: Foo\nmetadata: {name: f}\nspec: {size: 4}" | kubectl apply -f -'
check "goes with its objects" kubectl delete crd foos.example.com
rm -f ../../build/crd.$$.yaml
check "a kind that is not served" refused 'no matches for kind "Bar"' sh -c 'printf "apiVersion: bar.example.com/v1\nkind: Bar\nmetadata: {name: b}" | kubectl apply -f -'

check "unknown fields are refused" refused 'unknown field "spec.selektor"' sh -c 'printf "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selektor: {}, ports: [{port: 80}]}" | kubectl apply -f -'
check "wrong values are refused with their field" refused 'spec.ports\[0\].port: Invalid value: 99999' sh -c 'printf "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 99999}]}" | kubectl apply -f -'
check "wrong types too" refused 'ports.port' sh -c 'printf "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: x}]}" | kubectl apply --validate=false -f -'
check "delete all" kubectl delete -f kinds.yaml --timeout=30s
