#!/usr/bin/env bash
# Who may do what: processes, kubeconfigs, sockets.
. "$(dirname "$0")/../../lib.sh"
cluster_up
run=/run/weft/$cluster
status_of() { cat "/proc/$(cat "$run/pids/$1")/status"; }
field() { status_of "$1" | awk -v key="$2:" '$1 == key {print $2}'; }

check "dns is not root" sh -c "[ $(field dns-node-1 Uid) -ne 0 ]"
check "dns has one capability" expect '^0000000000000400$' field dns-node-1 CapEff
check "controller is not root" sh -c "[ $(field controller Uid) -ne 0 ]"
check "controller has no capability" expect '^0000000000000000$' field controller CapEff
for process in dns-node-1 controller; do
  check "$process may gain nothing" expect '^1$' field "$process" NoNewPrivs
  check "$process has a system call filter" expect '^2$' field "$process" Seccomp
done

as() { KUBECONFIG=$run/$1.kubeconfig kubectl "${@:2}"; }
check "dns may watch Services" as dns get services -A
check "dns may not read Secrets" refused 'cannot list resource "secrets"' as dns get secrets -A
check "dns may not make pods" refused 'cannot create resource "pods"' as dns run x --image=weft/echo
check "controller may not exec" sh -c "kubectl run target --image=weft/echo && kubectl wait --for=condition=Ready pod/target --timeout=20s"
check "nor read logs" refused 'forbidden' as controller logs target
check "nor run commands" refused 'forbidden|cannot create' as controller exec target -- id
check "agent may not delete pods" refused 'cannot delete resource "pods"' as agent delete pod target
for file in admin agent dns controller; do check "$file.kubeconfig is private" expect '^600$' stat -c %a "$run/$file.kubeconfig"; done

port=$(kubectl config view -o jsonpath='{.clusters[0].cluster.server}' | sed 's/.*://')
check "nobody without a certificate" refused 'certificate required|handshake|exit|SSL|error' curl -sSk -m 3 "https://127.0.0.1:$port/version"
check "only loopback listens" sh -c "! ss -Hltn 'sport = :$port' | grep -v 127.0.0.1"
check "pods cannot reach it" refused 'exit code (7|28)' kubectl exec target -- curl -sSk -m 1 "https://172.30.0.1:$port/version"
check "nor on their own loopback" refused 'exit code 7' kubectl exec target -- curl -sSk -m 1 "https://127.0.0.1:$port/version"
check "the CNI socket is root's" expect '^600$' stat -c %a "$run/nodes/node-1/cni.sock"
