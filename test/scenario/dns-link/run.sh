#!/usr/bin/env bash
# Questions for plain names of the cluster are answered at the pod's own link: as the node's DNS server would, while it is there,
# and to whom policies let ask.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up --resolv-conf /dev/null
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
check "pods are ready" kubectl wait --for=condition=Ready pod --all --timeout=20s
node=weft-$cluster-node-1
server=$(cat "/run/weft/$cluster/pids/dns-node-1")
dns4=$(kubectl -n kube-system get service kube-dns -o jsonpath='{.spec.clusterIPs[0]}')
dns6=$(kubectl -n kube-system get service kube-dns -o jsonpath='{.spec.clusterIPs[1]}')
# Answers of links, and questions that came to the server by UDP, so far.
at_links() { ip netns exec "$node" curl -s 127.0.0.1:10249/metrics | awk '/^weft_dns_link_answers_total/ { sum += $2 } END { print sum + 0 }'; }
at_server() { ip netns exec "$node" curl -s 127.0.0.1:9153/metrics | awk '/^weft_dns_requests_total.*proto="udp"/ { sum += $2 } END { print sum + 0 }'; }
# Neither cookies nor tries.
ask() { kubectl exec "$1" -- dig +short +tries=1 +timeout=3 +nocookie "${@:2}"; }
exec 3>&1

# as_the_server POD SERVER…: the same bytes, for questions of all kinds, and who gave them: links those that they should, but for a
# tenth, as they leave all to a server that is not heard for a second, which a busy machine may do to it.
as_the_server() {
  local links asked out foretold left
  links=$(at_links) asked=$(at_server)
  out=$(kubectl exec "$1" -- python3 "$PWD/compare.py" "${@:2}") || { echo "$out"; return 1; }
  echo "# $out" >&3
  links=$(($(at_links) - links)) asked=$(($(at_server) - asked))
  [[ $out =~ ^same=[0-9]+\ by_links=([0-9]+)\ by_server=([0-9]+)$ ]] || { echo "$out"; return 1; }
  foretold=${BASH_REMATCH[1]} left=${BASH_REMATCH[2]}
  [ $((links + asked)) = $((foretold + left)) ] && [ "$links" -le "$foretold" ] && [ "$links" -ge $((foretold * 9 / 10)) ] ||
    { echo "$out; $links and $asked were"; return 1; }
}
check "a link answers" eventually 10 expect '^[1-9]' sh -c "kubectl exec client -- dig +short +nocookie four.default.svc.cluster.local >/dev/null; ip netns exec $node curl -s 127.0.0.1:10249/metrics | sed -n 's/^weft_dns_link_answers_total.*type=\"A\"} //p' | sort -n | tail -n 1"
check "what links answer, and what they leave, is the server's answer, byte for byte" as_the_server client "$dns4" "$dns6"
check "of an isolated pod that may ask, too" as_the_server guarded "$dns4"

unheard() {
  local links
  links=$(at_links)
  refused 'timed out' ask mute four.default.svc.cluster.local || return 1
  [ "$(at_links)" = "$links" ]
}
check "who may not ask is not answered" unheard
check "but is where it may" expect '^10\.' ask mute +tcp four.default.svc.cluster.local

# A socket may send to several, and answers come from whom it asked.
any_socket() {
  kubectl exec -i client -- python3 - "$dns4" <<'PY'
import socket, struct, sys
name = b"\4four\7default\3svc\7cluster\5local\0"
message = struct.pack("!HHHHHH", 7, 0x100, 1, 0, 0, 0) + name + struct.pack("!HH", 1, 1)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(1)
for _ in range(2):
    s.sendto(message, (sys.argv[1], 53))
    answer, whom = s.recvfrom(512)
    assert whom == (sys.argv[1], 53), whom
    assert answer[:4] == b"\0\7\x85\x80" and answer[-6:-4] == b"\0\4", answer
print("answered")
PY
}
check "also a socket that is not connected" expect '^answered$' any_socket
address_of() { kubectl get node node-1 -o jsonpath="{.status.addresses[?(@.type=='InternalIP')].address}" | tr ' ' '\n' | grep "$1"; }
by_frames() {
  local links
  links=$(at_links)
  expect '^48$' kubectl exec client -- python3 "$PWD/sums.py" "$(address_of '\.')" "$(address_of :)" || return 1
  [ $(($(at_links) - links)) = 48 ]
}
check "lengths and sums are right where nobody else completes them" eventually 5 by_frames

changes() {
  local was is
  kubectl create service clusterip later --tcp=80 >/dev/null || return 1
  eventually 5 expect '^10\.' ask client later.default.svc.cluster.local || return 1
  kubectl delete service later >/dev/null || return 1
  eventually 5 expect 'NXDOMAIN' kubectl exec client -- dig +nocookie later.default.svc.cluster.local || return 1
  was=$(ask client four.default.svc.cluster.local)
  kubectl delete service four >/dev/null && kubectl create service clusterip four --clusterip=None >/dev/null || return 1
  eventually 5 expect 'ANSWER: 0' kubectl exec client -- dig +nocookie four.default.svc.cluster.local || return 1
  kubectl delete service four >/dev/null && kubectl create service clusterip four --tcp=80 >/dev/null || return 1
  eventually 5 expect '^10\.' ask client four.default.svc.cluster.local || return 1
  is=$(ask client four.default.svc.cluster.local)
  echo "$was, then $is"
}
check "a Service comes, goes and becomes another one" changes

frozen() {
  kill -STOP "$server"
  sleep 1.5
  refused 'timed out' ask client four.default.svc.cluster.local
  local status=$?
  kill -CONT "$server"
  return $status
}
check "a link does not outlive its server by more than a second" frozen
check "and answers again with it" eventually 10 expect '^10\.' ask client four.default.svc.cluster.local

agent_dies() {
  kill -9 "$(cat "/run/weft/$cluster/pids/agent-node-1")"
  for _ in $(seq 20); do
    expect '^10\.' ask client four.default.svc.cluster.local || return 1
    sleep 0.1
  done
}
link_answers() {
  local links
  links=$(at_links)
  ask client four.default.svc.cluster.local >/dev/null
  [ "$(at_links)" -gt "$links" ]
}
check "the agent's death loses no question" agent_dies
check "and links answer again after it" eventually 5 link_answers
