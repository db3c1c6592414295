#!/usr/bin/env bash
# The fields of a Service, over real packets between three nodes in two zones: whom it reaches from where, and what it refuses
# (connections.weft.yaml), and what happens when they change.
# What services, edge, health, pools and dns show already is not here.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up --nodes 3 --zones a,b
outside_up
drop_default_pool >/dev/null || echo "not ok the default pool is there"
# Sixteen ports that keep their clients for two seconds: as many choices that one client makes.
sticky() {
  echo '{"apiVersion":"v1","kind":"Service","metadata":{"name":"sticky"},"spec":{"externalIPs":["198.51.100.7"],"selector":{"app":"web"},"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":2}},"ports":['
  for i in $(seq 16); do echo "{\"name\":\"p$i\",\"port\":$((7000 + i)),\"targetPort\":8080}"; done | paste -sd,
  echo ']}}'
}
{ cat manifests.yaml; echo ---; sticky; } | kubectl apply -f - >/dev/null || echo "not ok apply"
pods_are_ready() {
  kubectl wait --for=condition=Ready pod/{client,web}-{1,2,3} pod/only pod/host --timeout=1s && kubectl wait --for=condition=Available deployment/leaving --timeout=1s &&
    [ "$(kubectl get pod unready -o jsonpath='{.status.phase}')" = Running ]
}
check "pods are ready" eventually 30 pods_are_ready
check "every node has the Services" eventually 5 "$weft" services --name "$cluster"
holds_both_ways .

node4() { echo "$net4.$(($1 + 1))"; }
node6() { echo "[$net6$(($1 + 1))]"; }
# service NAME JSONPATH: a field of it. address NAME [1]: its first or second cluster address, as of the last read_addresses.
service() { kubectl get service "$1" -o jsonpath="$2"; }
declare -A addresses uids
read_addresses() {
  local name list
  while read -r name list; do addresses[$name]=$list; done < <(kubectl get services -o json | jq -r '.items[] | [.metadata.name, .spec.clusterIPs[]?] | join(" ")')
}
address() {
  local list
  read -ra list <<<"${addresses[$1]}"
  echo "${list[${2:-0}]}"
}
read_addresses
patch() { kubectl patch service "$1" --type=merge -p "$2"; }
# in_pod NAME COMMAND…: as kubectl exec, which is slower.
in_pod() {
  local uid=${uids[$1]} netns cgroup
  netns=weft-$cluster-p-$(tr -d - <<<"$uid" | cut -c1-12)
  [ "$1" = host ] && netns=weft-$cluster-node-1
  shift
  cgroup=$(ls -d /sys/fs/cgroup{,/unified}/weft-"$cluster"/node-*/pods/"$uid"/main 2>/dev/null)
  bash -c 'echo $$ >'"$cgroup"'/cgroup.procs && exec "$@"' - ip netns exec "$netns" "$@"
}
while read -r pod uid; do uids[$pod]=$uid; done < <(kubectl get pods -o json | jq -r '.items[].metadata | "\(.name) \(.uid)"')
asked_dns() { in_pod client-1 dig +short @10.96.0.10 "$1.default.svc.cluster.local" "${2:-A}"; }
get=(curl -g -sS -m 2)
# names_from POD ADDRESS[:PORT]: who answers, by name, in one line; names_outside ADDRESS[:PORT]: the same from outside. Of three, one is
# missed by chance in one of a hundred million times; a connection that is not answered is an error.
names() {
  local urls
  mapfile -t urls < <(yes "http://${*: -1}/hostname" | head -n 48)
  "${@:1:$#-1}" "${get[@]}" --fail-early -H 'Connection: close' -w '\n' "${urls[@]}" | sort -u | paste -sd' '
}
names_from() { names in_pod "$1" "$2"; }
names_outside() { names outside "$1"; }
# dial and udp, as `bash -c "$dial" ADDRESS PORT`: what becomes of a connection; what answers a datagram, or that nothing does.
dial='timeout 0.6 bash -c "exec 3<>/dev/tcp/$0/$1" 2>&1 || { [ $? -eq 124 ] && echo silence; false; }'
udp='exec 3<>/dev/udp/$0/$1 && printf hello >&3 && { timeout 0.6 head -c 5 <&3 || { [ $? -eq 124 ] && echo silence; false; }; }'
slices() { kubectl get endpointslices -l "kubernetes.io/service-name=$1" -o json | jq -c "[.items[] | $2] | unique"; }

echo "# addresses and ports"
cluster_ip() { echo "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"other\"},\"spec\":{\"clusterIP\":\"$1\",\"ports\":[{\"port\":80}]}}"; }
check "nobody else gets it" refused 'provided IP is already allocated' kubectl create -f - <<<"$(cluster_ip 10.96.0.77)"
check "nor one that is not in the range" refused 'not in the valid range' kubectl create -f - <<<"$(cluster_ip 10.99.0.77)"
auto=$(service ports '{.spec.ports[0].nodePort}')
check "TCP and UDP of one number share their node port" test "$auto" = "$(service ports '{.spec.ports[1].nodePort}')"
check "which is in the range, above what is kept for requests" test "$auto" -ge 30086 -a "$auto" -le 32767
check "it answers over TCP" expect '^web-[123]$' outside curl -sS -m 2 "http://$(node4 2):$auto/hostname"
check "and over UDP" eventually 5 expect '^hello$' outside bash -c "$udp" "$(node4 2)" "$auto"
check "the node port that was asked for answers" expect '^web-[123]$' outside curl -sS -m 2 "http://$(node4 3):30067/hostname"
node_port() { echo "{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{\"name\":\"other\"},\"spec\":{\"type\":\"NodePort\",\"ports\":[{\"port\":80,\"nodePort\":$1}]}}"; }
check "nobody else gets it" refused 'provided port is already allocated' kubectl create -f - <<<"$(node_port 30067)"
check "nor one that is not in the range" refused 'not in the valid range' kubectl create -f - <<<"$(node_port 29999)"
check "a named port leads to each pod's own number" expect '^web-1 web-2 web-3$' names_from client-1 "$(address ports):82"
check "from outside too" expect '^web-1 web-2 web-3$' names_outside "$(node4 1):$(service ports '{.spec.ports[3].nodePort}')"

echo "# families"
check "a Service of IPv6 alone has one address" expect '^\["fd00:96::[0-9a-f:]*"\]$' service six '{.spec.clusterIPs}'
check "which answers" expect '^web-1 web-2 web-3$' names_from client-1 "[$(address six)]"
check "and slices of IPv6 alone" expect '^\["IPv6"\]$' slices six .addressType
check "DNS has no IPv4 for it" expect '^$' asked_dns six
check "one of both, IPv6 first, answers on the first" expect '^web-1 web-2 web-3$' names_from client-1 "[$(address six-four)]"
check "and on the second" expect '^web-1 web-2 web-3$' names_from client-1 "$(address six-four 1)"
patch six '{"spec":{"ipFamilyPolicy":"PreferDualStack"}}' >/dev/null
read_addresses
check "a second family comes with the policy" expect '^10\.96\.' address six 1
check "and answers" eventually 5 expect '^web-1 web-2 web-3$' names_from client-1 "$(address six 1)"
second=$(address six 1)
patch six '{"spec":{"ipFamilyPolicy":"SingleStack"}}' >/dev/null
check "it goes with it" eventually 5 refused '^silence$' in_pod client-1 bash -c "$dial" "$second" 80
check "the first stays" expect '^web-1 web-2 web-3$' names_from client-1 "[$(address six)]"

echo "# who counts"
unready=$(kubectl get pod unready -o jsonpath='{.status.podIP}')
check "publishNotReadyAddresses: a pod that is not ready answers" expect '^unready$' in_pod client-1 "${get[@]}" "http://$(address early)/hostname"
check "else it does not" eventually 5 refused 'Connection refused' in_pod client-1 bash -c "$dial" "$(address late)" 80
check "a headless Service has its name" expect "^$unready\$" asked_dns bare
check "else it does not" expect '^$' asked_dns bare-late

echo "# affinity that ends"
sticky_ip=$(address sticky)
# choices [ADDRESS]: what each of the ports chose for a pod.
choices() { in_pod client-1 curl -sS -m 2 -w ' ' "http://${1:-$sticky_ip}:[7001-7016]/hostname"; }
# Each connection renews it: the third time is more than 2 s after the first, but not after the second.
lasts() {
  local first again=
  first=$(choices) && sleep 1.1 && again=$(choices) && [ "$first" = "$again" ] && sleep 1.1 && again=$(choices)
  [ "$first" = "$again" ] || { echo "$first"; echo "$again"; return 1; }
}
check "affinity lasts while it is used" eventually 20 lasts  # a busy machine may take longer than 2 s
ends() {
  local first
  first=$(choices) && sleep 2.5 && [ "$first" != "$(choices)" ]
}
check "and ends two seconds later" ends
one_choice() {
  local first other=
  first=$(choices) && other=$(choices 198.51.100.7) && [ "$first" = "$other" ] || { echo "$first"; echo "$other"; return 1; }
}
check "it is one for all of a Service's addresses" eventually 20 one_choice

echo "# distribution"
unready() { kubectl exec "web-$1" -- touch /probe/unready; }
ready() { kubectl exec "web-$1" -- rm -f /probe/unready; }
zonal=$(address zonal)
near=$(address near)
hints='.endpoints[] | [.targetRef.name, [.hints.forZones[]?.name], [.hints.forNodes[]?.name]]'
check "PreferSameZone: hints of zones" expect '^\[\["web-1",\["a"\],\[\]\],\["web-2",\["b"\],\[\]\],\["web-3",\["a"\],\[\]\]\]$' slices zonal "$hints"
check "PreferSameNode: of nodes too" expect '^\[\["web-1",\["a"\],\["node-1"\]\],\["web-2",\["b"\],\["node-2"\]\],\["web-3",\["a"\],\["node-3"\]\]\]$' slices near "$hints"
check "a pod reaches its zone alone" expect '^web-1 web-3$' names_from client-1 "$zonal"
check "and what comes from outside to a node there" expect '^web-2$' names_outside "$(node4 2):30063"
unready 2
check "a zone without endpoints goes elsewhere" eventually 5 expect '^web-1 web-3$' names_from client-2 "$zonal"
check "so does a node's port" eventually 5 expect '^web-1 web-3$' names_outside "$(node4 2):30063"
unready 3
check "a node without endpoints stays in its zone" eventually 5 expect '^web-1$' names_from client-3 "$near"
ready 2
ready 3
check "until it has one again" eventually 5 expect '^web-3$' names_from client-3 "$near"
check "and so does the zone" eventually 5 expect '^web-2$' names_from client-2 "$zonal"
kubectl annotate service near service.kubernetes.io/topology-mode=Auto >/dev/null
check "topology-mode has the last word" eventually 5 expect '^\[\["web-1",\["a"\],\[\]\],\["web-2",\["b"\],\[\]\],\["web-3",\["a"\],\[\]\]\]$' slices near "$hints"
check "then nodes do not matter" eventually 5 expect '^web-1 web-3$' names_from client-1 "$near"
kubectl annotate service near service.kubernetes.io/topology-mode- >/dev/null
patch zonal '{"spec":{"trafficDistribution":"PreferClose"}}' >/dev/null
check "PreferClose is the old name" eventually 5 expect '^web-2$' names_from client-2 "$zonal"
kubectl label node node-3 topology.kubernetes.io/zone=b --overwrite >/dev/null
check "a node moves to another zone" eventually 5 expect '^web-2 web-3$' names_from client-3 "$zonal"
check "and out of the old one" eventually 5 expect '^web-1$' names_from client-1 "$zonal"
kubectl label node node-3 topology.kubernetes.io/zone=a --overwrite >/dev/null
# In proportion to the zones' processors: a has two nodes of three.
kubectl annotate service zonal service.kubernetes.io/topology-mode=Auto >/dev/null
check "topology-mode Auto: hints of zones" eventually 5 expect '^\[\["web-1",\["a"\],\[\]\],\["web-2",\["b"\],\[\]\],\["web-3",\["a"\],\[\]\]\]$' slices zonal "$hints"
check "a pod reaches what its zone was given" eventually 5 expect '^web-2$' names_from client-2 "$zonal"
kubectl label node node-3 topology.kubernetes.io/zone=c --overwrite >/dev/null
check "zones' shares follow the nodes" eventually 5 expect '"web-3",\["c"\]' slices zonal "$hints"
kubectl label node node-3 topology.kubernetes.io/zone- >/dev/null
check "without a zone of each node there are none" eventually 5 expect '^\[\["web-1",\[\],\[\]\]' slices zonal "$hints"
hint_events() { kubectl get events --field-selector involvedObject.name=zonal -o jsonpath='{.items[*].message}'; }
check "Events tell" eventually 5 expect 'Hints has been enabled.*Insufficient Node information' hint_events
kubectl label node node-3 topology.kubernetes.io/zone=a --overwrite >/dev/null
kubectl annotate service zonal service.kubernetes.io/topology-mode- >/dev/null
patch zonal '{"spec":{"trafficDistribution":null}}' >/dev/null
check "without either all are reached" eventually 5 expect '^web-1 web-2 web-3$' names_from client-2 "$zonal"

echo "# endpoints that end"
leaving=$(pod_of app=leaving)
leaving_ip=$(address leaving)
kubectl scale deployment leaving --replicas=0 >/dev/null
check "the only pod ends, and serves on" eventually 5 expect '^\[\[false,true,true\]\]$' slices leaving '.endpoints[].conditions | [.ready, .serving, .terminating]'
for client in 1 2; do check "a pod on node $client still reaches it" eventually 2 expect "^$leaving\$" names_from "client-$client" "$leaving_ip"; done
check "so does the outside" expect "^$leaving\$" names_outside "$(node4 3):30061"
check "and by its own node with policy Local" expect "^$leaving\$" names_outside "$(node4 2):30062"
check "by no other" refused '^silence$' outside bash -c "$dial" "$(node4 1)" 30062
# On another node: what is Local and what is not fall back each for itself.
kubectl patch deployment leaving -p '{"spec":{"replicas":1,"template":{"spec":{"nodeName":"node-3"}}}}' >/dev/null
check "it has a successor on another node" kubectl wait --for=condition=Available deployment/leaving --timeout=10s
successor=$(kubectl get pods -l app=leaving -o json | jq -r '.items[].metadata | select(.deletionTimestamp == null) | .name')
check "which alone is reached from then on, whatever the affinity" eventually 2 expect "^$successor\$" names_from client-1 "$leaving_ip"
check "from outside too" eventually 2 expect "^$successor\$" names_outside "$(node4 3):30061"
check "but with policy Local the old one's node has nothing better" expect "^$leaving\$" names_outside "$(node4 2):30062"
check "than the new one's" expect "^$successor\$" names_outside "$(node4 3):30062"
kubectl delete pod "$leaving" --grace-period=0 --force >/dev/null 2>&1

echo "# load balancers of others"
kubectl apply -f - >/dev/null <<<'{"apiVersion":"weft.dev/v1alpha1","kind":"AddressPool","metadata":{"name":"main"},"spec":{"addresses":["198.51.100.64/28","2001:db8:64::/120"]}}' || echo "not ok a pool"
ours() { echo '{"apiVersion":"v1","kind":"Service","metadata":{"name":"ours"},"spec":{"type":"LoadBalancer","allocateLoadBalancerNodePorts":false,"selector":{"app":"web"},"ports":[{"port":80,"targetPort":8080}]}}'; }
kubectl apply -f - >/dev/null <<<"$(ours)" || echo "not ok a Service"
check "a Service without class gets an address" eventually 10 expect '^198\.51\.100\.6' service ours '{.status.loadBalancer.ingress[0].ip}'
check "one with somebody else's does not" expect '^$' service theirs '{.status.loadBalancer.ingress}'
check "its class stays" refused 'may not change once set|immutable' patch theirs '{"spec":{"loadBalancerClass":"weft.dev/weft"}}'
check "no node ports were asked for, and none given" expect '^$' service ours '{.spec.ports[0].nodePort}'
# What no node answers for must not leave this machine.
ip -n "weft-$cluster-node-1" route add unreachable 198.51.100.0/24
ip -n "weft-$cluster-node-1" route add unreachable 2001:db8::/32
ip -n "weft-$cluster-outside" route add 198.51.100.0/24 via "$(node4 1)"
ip -n "weft-$cluster-outside" route add 2001:db8::/32 via "$(node6 1 | tr -d '[]')"
check "it answers all the same" eventually 5 expect '^web-1 web-2 web-3$' names_outside "$(service ours '{.status.loadBalancer.ingress[0].ip}')"
announced() { kubectl get events --field-selector "involvedObject.name=$1,reason=AddressAnnounced" -o name; }
check "it is announced" eventually 5 expect . announced ours
patch ours '{"spec":{"allocateLoadBalancerNodePorts":true}}' >/dev/null
check "later they are" eventually 5 expect '^web-1 web-2 web-3$' names_outside "$(node4 3):$(service ours '{.spec.ports[0].nodePort}')"
kubectl patch service theirs --subresource=status --type=merge -p '{"status":{"loadBalancer":{"ingress":[{"ip":"198.51.100.8"},{"ip":"198.51.100.9","ipMode":"Proxy"},{"ip":"198.51.100.10","ipMode":"VIP"},{"ip":"2001:db8::8"},{"hostname":"lb.example.com"}]}}}' >/dev/null
for way in 198.51.100.8 198.51.100.10 '[2001:db8::8]'; do
  check "an address of several answers: $way" eventually 5 expect '^web-1 web-2 web-3$' names_outside "$way"
done
check "no node announces them" expect '^$' announced theirs
check "a pod reaches it without leaving" expect '^web-1 web-2 web-3$' names_from client-1 198.51.100.10
# The proxy behind such an address would be elsewhere; here it is on node 1, past whatever the node does for Services.
ip -n "weft-$cluster-node-1" addr add 198.51.100.9/32 dev lo
ip netns exec "weft-$cluster-node-1" env POD_NAME=proxy "$weft" echo --http 80 >/dev/null 2>&1 &
proxy=$!
check "packets for one of ipMode Proxy go where it is" eventually 5 expect '^proxy$' names_outside 198.51.100.9
check "those of pods too" expect '^proxy$' names_from client-1 198.51.100.9
kill "$proxy"

echo "# Services of others"
labelled=$(address labelled)
check "a Service answers" expect '^web-1 web-2 web-3$' names_from client-1 "$labelled"
for label in service-proxy-name headless; do
  kubectl label service labelled "service.kubernetes.io/$label=other" >/dev/null
  check "labelled $label it does not" eventually 3 refused '^silence$' in_pod client-1 bash -c "$dial" "$labelled" 80
  check "nor does its node port" eventually 5 refused 'Connection refused' outside bash -c "$dial" "$(node4 1)" 30064
  kubectl label service labelled "service.kubernetes.io/$label-" >/dev/null
  check "without the label it does again" eventually 3 expect '^web-1 web-2 web-3$' names_outside "$(node4 1):30064"
done

echo "# changes"
patch labelled '{"spec":{"selector":{"app":"only"}}}' >/dev/null
check "another selector" eventually 3 expect '^only$' names_from client-1 "$labelled"
patch labelled '{"spec":{"ports":[{"port":81,"targetPort":8080}]}}' >/dev/null
check "another port" eventually 3 expect '^only$' names_from client-1 "$labelled:81"
check "in place of the old one" eventually 5 refused 'Connection refused' in_pod client-1 bash -c "$dial" "$labelled" 80
kubectl delete service labelled >/dev/null
check "none any more" eventually 3 refused '^silence$' in_pod client-1 bash -c "$dial" "$labelled" 81

echo "# other types"
check "a node port answers" expect '^web-' names_outside "$(node4 1):30065"
patch turns '{"spec":{"type":"ClusterIP"}}' >/dev/null
check "as ClusterIP it does not" eventually 3 refused 'Connection refused' outside bash -c "$dial" "$(node4 1)" 30065
check "the cluster address does" expect '^web-1 web-2 web-3$' names_from client-1 10.96.0.78
patch early '{"spec":{"type":"NodePort","ports":[{"port":80,"targetPort":8080,"nodePort":30065}]}}' >/dev/null
check "the port is another's" eventually 3 expect '^unready$' names_outside "$(node4 1):30065"
patch turns '{"spec":{"type":"ExternalName","externalName":"asked.default.svc.cluster.local"}}' >/dev/null
check "as ExternalName it has no address" expect '^$' service turns '{.spec.clusterIP}{.spec.clusterIPs}{.spec.ipFamilies}'
check "but another's name" eventually 3 expect '^asked.default.svc.cluster.local.$' asked_dns turns CNAME
check "which leads there" expect '^web-[123]$' kubectl exec client-1 -- curl -sS -m 2 http://turns/hostname
check "its address leads nowhere" eventually 3 refused '^silence$' in_pod client-1 bash -c "$dial" 10.96.0.78 80
kubectl create -f - >/dev/null <<<'{"apiVersion":"v1","kind":"Service","metadata":{"name":"heir"},"spec":{"clusterIP":"10.96.0.78","selector":{"app":"only"},"ports":[{"port":80,"targetPort":8080}]}}'
check "until another has it" eventually 3 expect '^only$' names_from client-1 10.96.0.78
patch turns '{"spec":{"type":"ClusterIP","externalName":null}}' >/dev/null
read_addresses
check "as ClusterIP again it has one" eventually 3 expect '^web-1 web-2 web-3$' names_from client-1 "$(address turns)"
check "DNS says so" eventually 3 expect "^$(address turns)\$" asked_dns turns

echo "# endpoints without a selector"
only=$(kubectl get pod only -o jsonpath='{.status.podIP}')
web1=$(kubectl get pod web-1 -o jsonpath='{.status.podIP}')
check "without endpoints it refuses" eventually 5 refused 'Connection refused' in_pod client-1 bash -c "$dial" "$(address mirrored)" 80
kubectl create -f - >/dev/null 2>&1 <<<"{\"apiVersion\":\"v1\",\"kind\":\"Endpoints\",\"metadata\":{\"name\":\"mirrored\"},\"subsets\":[{\"addresses\":[{\"ip\":\"$only\"}],\"notReadyAddresses\":[{\"ip\":\"$web1\"}],\"ports\":[{\"name\":\"http\",\"port\":8080}]}]}"
check "Endpoints are mirrored" eventually 5 expect '^\["endpointslicemirroring-controller.k8s.io"\]$' slices mirrored '.metadata.labels["endpointslice.kubernetes.io/managed-by"]'
check "and reached, those that are ready" eventually 5 expect '^only$' names_from client-1 "$(address mirrored)"
kubectl label endpoints mirrored endpointslice.kubernetes.io/skip-mirror=true >/dev/null 2>&1
check "unless they do not want to" eventually 5 refused 'Connection refused' in_pod client-1 bash -c "$dial" "$(address mirrored)" 80
slice() { echo "{\"apiVersion\":\"discovery.k8s.io/v1\",\"kind\":\"EndpointSlice\",\"metadata\":{\"name\":\"by-hand-$1\",\"labels\":{\"kubernetes.io/service-name\":\"by-hand\"}},\"addressType\":\"IPv4\",\"ports\":[{\"name\":\"http\",\"port\":$3}],\"endpoints\":[{\"addresses\":[\"$2\"]}]}"; }
kubectl create -f - >/dev/null <<<"$(slice 1 "$only" 8080)"
check "a slice made by hand is reached" eventually 5 expect '^only$' names_from client-1 "$(address by-hand)"
ip netns exec "weft-$cluster-outside" env POD_NAME=beyond "$weft" echo --http 8099 >/dev/null 2>&1 &
beyond=$!
kubectl create -f - >/dev/null <<<"$(slice 2 "$net4.250" 8099)"
check "and one with a host beyond the cluster" eventually 5 expect '^beyond only$' names_from client-1 "$(address by-hand)"
kubectl delete endpointslice by-hand-1 >/dev/null
check "which may be alone" eventually 5 expect '^beyond$' names_from client-1 "$(address by-hand)"
kill "$beyond"

check "at last every node's kernel has what the API asks for" eventually 5 "$weft" services --name "$cluster"
