#!/usr/bin/env bash
# NetworkPolicies in the kernel while policies, labels and agents change: who reaches whom then, over both families, on one node and
# across nodes; what becomes of connections; and that nothing opens while an agent is away. What a policy means: ../policy-rules.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up --nodes 2
outside_up
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
check "pods are ready" eventually 20 kubectl wait --for=condition=Ready pod --all -A --timeout=1s

in_pod() { kubectl exec -n "${1%/*}" "${1#*/}" -- "${@:2}"; }
mapfile -t web < <(kubectl get pod web -n shop -o jsonpath='{range .status.podIPs[*]}{.ip}{"\n"}{end}')
fetch() { in_pod "$1" curl -g -sS -m 1 "$2"; }
# reaches FROM: over both families; misses: over neither.
reaches() { fetch "$1" "http://${web[0]}:8080/hostname" && fetch "$1" "http://[${web[1]}]:8080/hostname"; }
misses() { ! fetch "$1" "http://${web[0]}:8080/hostname" && ! fetch "$1" "http://[${web[1]}]:8080/hostname"; }
policy() { kubectl apply -f - >/dev/null; }
drop() { kubectl delete networkpolicy -A --all >/dev/null; }
only() { # only FROM… : of these reach the web server, and the others do not.
  local from
  for from in shop/client shop/near other/stranger; do
    case " $* " in
      *" $from "*) reaches "$from" || { echo "$from does not reach"; return 1; } ;;
      *) misses "$from" || { echo "$from reaches"; return 1; } ;;
    esac
  done
}
ready() { kubectl wait --for=condition=Ready pod web -n shop --timeout=3s; }

check "without a policy all reach" eventually 5 only shop/client shop/near other/stranger
policy <<'Y'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: deny, namespace: shop}
spec: {podSelector: {}, policyTypes: [Ingress]}
Y
check "default deny: nobody does" eventually 5 only
check "but the node, for its probes" ready
policy <<'Y'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {matchLabels: {app: client}}}], ports: [{port: http}]}]
Y
check "a pod by its labels, of the policy's own namespace" eventually 5 only shop/client
kubectl label pod near -n shop app=client --overwrite >/dev/null
check "a label makes a difference" eventually 3 only shop/client shop/near
kubectl label pod near -n shop app=near --overwrite >/dev/null
check "and its loss" eventually 3 only shop/client
policy <<'Y'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{namespaceSelector: {matchLabels: {team: other}}, podSelector: {matchLabels: {app: client}}}]}]
Y
check "by namespace and labels" eventually 5 only other/stranger
kubectl label namespace other team=another --overwrite >/dev/null
check "the namespace's labels count as they are" eventually 3 only
kubectl label namespace other team=other --overwrite >/dev/null
check "and count again" eventually 3 only other/stranger

# Of a client outside policies see the address, but what another node passes on has that node's.
through() { outside curl -sS -m 1 "http://$net4.$(($1 + 1)):30070/hostname"; }
policy <<Y
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{ipBlock: {cidr: $net4.250/32}}]}]
Y
check "one address outside is let in" eventually 3 expect '^web' through 1
check "but not what another node passes on" refused . through 2
outside ip addr add "$net4.251/24" dev eth0
another() { outside curl -sS -m 1 --interface "$net4.251" "http://$net4.2:30070/hostname"; }
check "another address is not" refused . another

drop
check "and without policies all is open again" eventually 3 only shop/client shop/near other/stranger

# Connections that are there. One that is only silent would wait far longer for an answer than what a reset may take: SOON, in seconds;
# the default leaves room for others at work on the machine, a quiet one needs less than one.
soon=${SOON:-5}
talk() { # talk FROM [TO]: a connection that says something each 100 ms; ends with what became of it
  in_pod "$1" bash -c 'exec 3<>/dev/tcp/'"${2:-${web[0]}}"'/9090 || exit 2; for i in $(seq 150); do echo "$i" >&3 && read -r -t 20 x <&3 && [ "$x" = "$i" ] || { echo "cut at $i"; exit 1; }; sleep 0.1; done; echo kept'
}
talk shop/client >"/run/weft/$cluster/kept" 2>&1 &
kept=$!
talk other/stranger >"/run/weft/$cluster/cut" 2>&1 &
cut=$!
sleep 1.5
policy <<'Y'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: allow, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{podSelector: {}}]}]
Y
ended() { ! kill -0 "$cut" 2>/dev/null; }
check "a connection that is denied by now is reset" within "$soon" ended
wait "$cut"
talk shop/web "$(kubectl get service web -n shop -o jsonpath='{.spec.clusterIP}')" >"/run/weft/$cluster/itself" 2>&1 &
cut=$!
sleep 1.5
check "a pod goes on with itself by its Service under a NetworkPolicy" kill -0 "$cut"
policy <<'Y'
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: apart}
spec:
  tier: Admin
  priority: 1
  subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}}
  ingress: [{action: Deny, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}}]}]
Y
check "and is reset by a ClusterNetworkPolicy" within "$soon" ended
wait "$cut"
check "after it had begun" grep -q 'cut at' "/run/weft/$cluster/itself"
kubectl delete clusternetworkpolicy apart >/dev/null

# Datagrams to a process of the node, whose answers are on their way while policies change.
node=$net4.2
ip netns exec "weft-$cluster-node-1" python3 udp_talk.py serve "$node" 0.12 &
server=$!
in_pod shop/near python3 "$PWD/udp_talk.py" ask "$node" 8 >"/run/weft/$cluster/datagrams" 2>&1 &
datagrams=$!
check "datagrams are answered" eventually 10 grep -q first "/run/weft/$cluster/datagrams"
policy <<'Y'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: silent, namespace: shop}
spec: {podSelector: {matchLabels: {app: near}}, policyTypes: [Egress]}
Y
wait "$datagrams"
check "datagrams that are denied by now stop" expect '^answers: [1-9][0-9]*, in the last second: 0$' cat "/run/weft/$cluster/datagrams"
kubectl delete networkpolicy silent -n shop >/dev/null
talks() { in_pod shop/near python3 "$PWD/udp_talk.py" ask "$node" 1.5 | grep -v 'second: 0'; }
check "and are answered again without the policy" eventually 3 talks
kill "$server"
wait "$server" 2>/dev/null

# An agent that is away.
agent_of() { cat "/run/weft/$cluster/pids/agent-node-1"; }
for _ in 1 2 3; do
  kill -9 "$(agent_of)"
  check "in force while the agent is killed" only shop/client shop/near
done
check "a connection that stays allowed never noticed" eventually 20 grep -q kept "/run/weft/$cluster/kept"
wait "$kept"

