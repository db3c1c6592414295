#!/usr/bin/env bash
# Pods ask their own node's DNS server, and others' within a second while it is down.
# LONGEST: ms that a pod may be without an answer; the default leaves room for others at work on the machine, two quiet cores need 70
# for a server that is killed, and 650 for one that stands still.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
longest=${LONGEST:-4000}
out=$(mktemp -d)
cluster_up --nodes 3
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
check "pods are ready" kubectl wait --for=condition=Ready pod --all --timeout=20s
pid_of() { cat "/run/weft/$cluster/pids/dns-$1"; }
node() { ip netns exec "weft-$cluster-$1" "${@:2}"; }
agent_log=/run/weft/$cluster/logs/agent-node-1.log
exec 3>&1

# How many packets came to each node's server from pods, UDP and TCP: what a packet filter there counts.
for name in node-1 node-2 node-3; do
  node "$name" nft "add table inet count; add chain inet count in { type filter hook input priority 0; }
    add rule inet count in ip saddr 10.244.0.0/14 th dport 53 counter"
done
asked() { node "$1" nft list table inet count | sed -n 's/.*packets \([0-9]*\) .*/\1/p'; }
ask() { kubectl exec client -- dig +short "$@" kubernetes.default.svc.cluster.local; }
# only NODE: that one alone is asked.
only() {
  local name status=0
  declare -A before
  for name in node-1 node-2 node-3; do before[$name]=$(asked "$name"); done
  for _ in 1 2 3 4 5; do
    if [ "$(ask)" != 10.96.0.1 ] || [ "$(ask +tcp)" != 10.96.0.1 ]; then echo "no answer"; return 1; fi
  done
  for name in node-1 node-2 node-3; do
    echo "$name: ${before[$name]} packets before, $(asked "$name") after"
    if [ "$name" = "$1" ]; then
      [ "$(asked "$name")" -gt "${before[$name]}" ] || status=1
    else
      [ "$(asked "$name")" = "${before[$name]}" ] || status=1
    fi
  done
  return $status
}

# A name of another namespace, with the search path of the pod's: an A and an AAAA question, and no more.
one_round_trip() {
  local before
  before=$(asked node-1)
  kubectl exec client -- getent ahosts kube-dns.kube-system || return 1
  echo "$(($(asked node-1) - before)) questions"
  [ $(($(asked node-1) - before)) = 2 ]
}
check "a search path is walked in one round trip" one_round_trip
check "by the server" expect "^kube-dns.kube-system.default.svc.cluster.local.[[:space:]].*CNAME[[:space:]]kube-dns.kube-system.svc.cluster.local." \
  kubectl exec client -- dig +noall +answer kube-dns.kube-system.default.svc.cluster.local
check "and over TCP" expect "CNAME[[:space:]]kube-dns.kube-system.svc.cluster.local." \
  kubectl exec client -- dig +tcp +noall +answer kube-dns.kube-system.default.svc.cluster.local
check "not the one of another namespace" expect "status: NXDOMAIN" kubectl exec client -- dig kube-dns.kube-system.kube-public.svc.cluster.local

# during COMMAND…: in the middle of look-ups, which must go on; none of the C library, which asks again by itself, may fail.
during() {
  local lookups status
  rm -f "$out/stop"
  kubectl exec client -- python3 "$PWD/lookups.py" "$out/stop" kubernetes.default.svc.cluster.local. 10.96.0.10 >"$out/result" & lookups=$!
  sleep 1
  "$@"
  status=$?
  sleep 1.5
  touch "$out/stop"
  wait $lookups || status=1
  sed 's/^/# /' "$out/result" >&3
  [ "$(wc -l <"$out/result")" = 3 ] || { cat "$out/result"; return 1; }
  while read -r way count failed gap _; do
    [ "${count#*=}" -gt 50 ] && [ "${gap#*=}" -le "$longest" ] || { echo "$way: $count $failed $gap"; status=1; }
    [ "$way" != by_libc ] || [ "$failed" = failed=0 ] || { echo "$way: $failed"; status=1; }
  done <"$out/result"
  return $status
}
says() { tail -n "+$(($2 + 1))" "$agent_log" | grep -F "172.30." | grep -qF "$1"; }
lines() { wc -l <"$agent_log"; }
# signalled SIGNAL NODE TEXT: until node-1's agent says so.
signalled() {
  local before
  before=$(lines)
  kill "-$1" "$(pid_of "$2")"
  eventually 20 says "$3" "$before"
}
crash_loop() {
  local before
  before=$(lines)
  for _ in 1 2 3 4 5 6; do
    kill -9 "$(pid_of node-1)" 2>/dev/null
    sleep 0.3
  done
  eventually 40 says "is up again" "$before"
}

check "the own node's server is asked" eventually 10 only node-1
# Between its death and the answer to it, which is a matter of milliseconds, the pod's link goes on answering plain names.
check "look-ups go on while it is killed" during signalled KILL node-1 "is up again"
check "while it is ended, as in an upgrade" during signalled TERM node-1 "is up again"
check "while it ends again and again" during crash_loop
check "while it stands still" during signalled STOP node-1 "is down"
check "while another one stands still too" during signalled STOP node-2 "is down"
check "the third alone is asked then" eventually 10 only node-3
check "and while it goes on" during signalled CONT node-1 "is up again"
check "which is asked again" eventually 10 only node-1
kill -CONT "$(pid_of node-2)"

# Nothing in a node's or a pod's way tracks connections, and no address is translated for it to remember.
for name in node-1 "p-$(kubectl get pod client -o jsonpath='{.metadata.uid}' | tr -d - | cut -c1-12)"; do
  check "$name tracks no connection" [ "$(node "$name" cat /proc/sys/net/netfilter/nf_conntrack_count)" = 0 ]
done
rm -rf "$out"
