#!/usr/bin/env bash
# weft observe: connections in names, with Service, verdict, policy and how long they took; filters; live.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
cluster_up --nodes 2 "$@"
kubectl apply -f manifests.yaml >/dev/null || echo "not ok apply"
check "pods are ready" eventually 20 kubectl wait --for=condition=Ready pod --all -A --timeout=1s

observe() { "$weft" observe --name "$cluster" "$@"; }
in_pod() { kubectl exec -n shop "$1" -- "${@:2}"; }
address() { kubectl get pod -n shop "$1" -o jsonpath="{.status.podIPs[$2].ip}"; }
# Names of the cluster's zone are asked for below; here addresses keep DNS out of it.
service4=$(kubectl get service web -n shop -o jsonpath='{.spec.clusterIPs[0]}')
service6=$(kubectl get service web -n shop -o jsonpath='{.spec.clusterIPs[1]}')

check "a connection through a Service" eventually 5 in_pod client curl -sS -m 2 "http://$service4/hostname"
check "seen at the client: Service, pod, time" eventually 5 expect \
  'node-2: shop/client:[0-9]+ -> shop/web-1:8080 \(shop/web:80\) TCP connected FORWARDED in [0-9.]+ ms' observe --from-pod shop/client
check "and at the server" eventually 5 expect 'node-1: shop/client:[0-9]+ -> shop/web-1:8080 TCP accepted FORWARDED' observe --to-pod web --type accepted
check "its end, with the bytes" eventually 5 expect 'shop/web-1:8080 \(shop/web:80\) TCP closed FORWARDED after [0-9.]+ ms, [1-9][0-9]+ bytes sent, [1-9][0-9]+ received' \
  observe --type closed --from-pod client
in_pod client curl -g -sS -m 2 -o /dev/null "http://[$service6]/hostname"
json() { observe --last 100 -o json "$@" | jq -s "$filter"; }
filter='[.[] | select(.event == "connected" and (.to.address | contains(":")) and .service.name == "shop/web" and .service.port == 80)] | length'
check "IPv6, as JSON" eventually 5 expect '^1$' json --from-pod client

in_pod client curl -sS -m 2 "http://$(address web-1 0):81/" >/dev/null 2>&1
check "a refused connection" eventually 5 expect 'shop/client:[0-9]+ -> shop/web-1:81 TCP failed ERROR ECONNREFUSED after' observe --verdict ERROR
in_pod stranger curl -sS -m 1 "http://$service4/" >/dev/null 2>&1
check "a denied one, and the policy that decided" eventually 5 expect 'shop/stranger:[0-9]+ -> shop/web-1:8080 TCP decided DROPPED: ingress is denied: NetworkPolicy shop/web' observe --verdict DROPPED
check "who gave up, and when" eventually 5 expect 'shop/stranger:[0-9]+ -> shop/web-1:8080 \(shop/web:80\) TCP failed ERROR given up after 1' observe --from-pod stranger --type failed

in_pod client bash -c "exec 3<>/dev/udp/$service4/53; echo hello >&3; timeout 2 head -c 5 <&3" >/dev/null
check "datagrams through a Service" eventually 5 expect 'shop/client[:0-9]* -> shop/web-1:5353 \(shop/web:53\) UDP sent FORWARDED' observe --protocol udp --service web
in_pod client getent hosts web.shop.svc.cluster.local >/dev/null
check "questions to the cluster's DNS" eventually 5 expect 'shop/client[:0-9]* -> [0-9.]+:53 \(kube-system/kube-dns:53\) UDP sent' observe --service kube-system/kube-dns
in_pod web-1 curl -sS -m 1 "http://$(address client 0):99/" >/dev/null 2>&1

# Filters.
nothing() { local output; output=$("$@") && [ -z "$output" ] || { echo "$output"; return 1; }; }
check "of another namespace there is nothing" nothing observe -n trial
check "all but those of a pod" refused '^$' eval 'observe --last 1000 --not --pod client | grep -F shop/client'
check "the last one" expect '^1$' eval 'observe --last 1 | wc -l'
check "to a port" expect '^0$' eval 'observe --last 1000 --to-port 80 -o json | jq -s "[.[] | select(.service.port != 80)] | length"'
check "since a moment that has no flows" nothing eval 'sleep 1.1; observe --since 1s --pod client'
check "what is no duration is refused" refused 'expected a time such as' observe --since yesterday
check "what is no verdict is refused" refused 'DENIED' observe --verdict DENIED
check "what is no address is refused" refused 'web-1 is no IPv4 or IPv6 address' observe --ip web-1

# Live: the reader is there before the connections that it tells of.
live=$(mktemp)
observe -f --from-pod client --type connected >"$live" 2>&1 &
reader=$!
told_live() {
  echo >>"$live.tries"
  in_pod client curl -sS -m 2 -o /dev/null "http://$service4/" && sleep 0.5 && grep -q 'shop/web-1:8080 (shop/web:80) TCP connected' "$live"
}
check "live" eventually 5 told_live
kill "$reader"
check "nothing from before" [ "$(grep -c connected "$live")" -le "$(wc -l <"$live.tries")" ]
rm -f "$live" "$live.tries"

# An agent that starts anew sees pods that were there before.
pid=$(cat "/run/weft/$cluster/pids/agent-node-2")
kill -9 "$pid"
seen_again() { in_pod client curl -sS -m 2 -o /dev/null "http://$service4/" && expect 'shop/client:[0-9]+ -> shop/web-1:8080 \(shop/web:80\) TCP connected' observe --from-pod client; }
check "after the agent's death" eventually 10 seen_again
