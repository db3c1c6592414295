#!/usr/bin/env bash
# weft trace says by manifests alone what becomes of connections; then the same connections are made in a cluster of these
# manifests. Both have to agree on every one.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1

from=(-f manifests.yaml -f nodes.yaml)
trace() { "$weft" trace "$@" "${from[@]}"; }
# predicted TRACE-ARGS…: what curl has to come to: "200", "404", "refused", "no answer", "no name".
predicted() {
  local verdict
  verdict=$(trace "$@" | grep -oE '^(works|partly|denied|refused|dropped|no name|no way|error|unknown)( \([0-9]+\))?')
  case $verdict in
    works) echo 200 ;;
    'works ('* | 'error ('*) grep -oE '[0-9]+' <<<"$verdict" ;;
    denied | dropped) echo "no answer" ;;
    *) echo "$verdict" ;;
  esac
}
# "STATUS EXIT" of curl in the same words, as the last two fields of each line.
in_words() {
  awk '{
    word = $NF == 0 ? $(NF - 1) : $NF == 6 ? "no name" : $NF == 7 ? "refused" : $NF == 28 ? "no answer" : "curl " $NF
    NF -= 2
    print (NF ? $0 " " : "") word
  }'
}

# Without a cluster.
ends() { # ends STATUS PATTERN COMMAND…
  local wanted=$1 pattern=$2 output status
  shift 2
  output=$("$@" 2>&1)
  status=$?
  [ "$status" = "$wanted" ] && grep -qE -- "$pattern" <<<"$output" || { echo "exit $status: $output"; return 1; }
}
check "it works: exit 0" ends 0 'Service shop/web spec.ports\[0\].port \(manifests.yaml:[0-9]+\)' trace shop/client http://web/
check "denied: exit 1, the policy with its line" ends 1 'NetworkPolicy shop/web \(manifests.yaml:[0-9]+\)' trace stranger http://web.shop/
check "nobody knows: exit 3" ends 3 '^unknown: ' trace shop/client http://www.example.org/
check "wrong use: exit 2" ends 2 'there is no pod shop/nobody' trace shop/nobody http://web/
check "a manifest that is none: file and line" ends 2 'run.sh:[0-9]+: ' "$weft" trace a b -f run.sh
check "JSON" ends 1 '^\{"from":"Pod default/stranger".*"verdict":"denied"' trace stranger http://web.shop/ -o json
runs_unprivileged() { ends 0 '^works' setpriv --reuid 65534 --regid 65534 --clear-groups "$weft" trace shop/client http://web/ -f manifests.yaml -f nodes.yaml; }
if [ "$(id -u)" = 0 ] && setpriv --reuid 65534 --clear-groups --regid 65534 test -r manifests.yaml -a -x "$weft"; then
  check "nobody in particular may ask" runs_unprivileged
fi

work=$(mktemp -d)
chmod 755 "$work" # weft dns, a user of its own, reads it
printf 'nameserver 198.51.100.53\n' >"$work/resolv.conf"
: >"$work/zone"
cluster_up --nodes 2 --resolv-conf "$work/resolv.conf"
outside_up
# Outside no name exists.
outside ip addr add 198.51.100.53/32 dev lo
for node in node-1 node-2; do ip -n "weft-$cluster-$node" route add 198.51.100.53 via "$net4.250"; done
ip netns exec "weft-$cluster-outside" python3 ../policy-domains/upstream.py "$work/zone" 198.51.100.53 >"$work/upstream.log" 2>&1 &
upstream=$!
trap 'kill $upstream; wait $upstream; rm -rf "$work"; cluster_down' EXIT
check "the objects" eventually 10 kubectl apply -f manifests.yaml
check "pods are ready" eventually 30 kubectl wait --for=condition=Ready pod --all -A --timeout=10s
of_gateway() { kubectl get gateway edge -n open -o jsonpath="$1"; }
check "the Gateway is programmed" eventually 15 expect '^True$' of_gateway '{.status.conditions[?(@.type=="Programmed")].status}'
v4_of() { tr ' ' '\n' | grep -v : | head -1; }
gateway4=$(of_gateway '{.status.addresses[*].value}' | v4_of)
lb_of() { kubectl get "$1" -n open "$2" -o jsonpath='{.status.loadBalancer.ingress[*].ip}' | v4_of; }
has_lb() { [ -n "$(lb_of service public)" ] && [ -n "$(lb_of service listed)" ] && [ -n "$(lb_of ingress old)" ]; }
check "addresses are given" eventually 10 has_lb
ingress4=$(lb_of ingress old)

# From pods, by URL: all of these from each client.
urls="http://web.shop/ http://web/ http://web.shop:81/ http://named.shop/ http://typo.shop/ http://free.open/ http://free.open:8080/
http://dual.open/ http://local.open/ http://billing.open/ http://db.open:8080/ http://db-1.db.open:8080/ http://vault.secret/
http://free.open.svc.cluster.local./ http://nobody.open.svc.cluster.local./ http://10.96.0.99/ http://10.96.0.99:81/"
clients="shop/client default/stranger open/jailed open/picky open/nameless"
from_pod() { # from_pod CLIENT: "URL WORDS" of each, asked at once
  kubectl exec -n "${1%/*}" "${1#*/}" -- sh -c '
    for url in '"$(echo $urls)"'; do
      (status=$(curl -s -o /dev/null -m 4 -w "%{http_code}" "$url"); echo "$url $status $?") &
    done
    wait' | in_words | sort
}
# What nobody knows is not compared.
foretold() { { for url in $urls; do echo "$url $(predicted "$1" "$url")" & done; wait; } | grep -v ' unknown$' | sort; }
agrees() { diff "$work/foretold" <(from_pod "$1" | grep -Ff <(sed 's/ .*/ /' "$work/foretold")); }
for client in $clients; do
  foretold "$client" >"$work/foretold"
  cp "$work/foretold" "$work/of-${client#*/}"
  cat "$work/foretold" >>"$work/all"
  check "from $client to $(wc -l <"$work/foretold") addresses" eventually 20 agrees "$client"
done
verdicts() { cut -d' ' -f2- "$work/all" | sort -u | tr '\n' ','; }
check "all that can happen was among them" expect '^200,no answer,no name,refused,$' verdicts
# The cluster itself is asked the same.
asked_of_cluster() { local from=(--name "$cluster"); diff <(foretold "$1") <(sort "$work/of-${1#*/}"); }
for client in default/stranger open/picky; do check "the running cluster tells the same, from $client" asked_of_cluster "$client"; done
same() { [ "$1" = "$2" ] || { echo "foretold: $1"; echo "seen: $2"; return 1; }; }
pod_words() { kubectl exec -n "${1%/*}" "${1#*/}" -- sh -c 's=$(curl -s -o /dev/null -m 4 -w "%{http_code}" '"$2"'); echo "$s $?"' | in_words; }
pod_agrees() { same "$(predicted "$1" "$2")" "$(pod_words "$1" "$3")"; }
check "a name of /etc/hosts" pod_agrees open/nameless http://fixed.example/ http://fixed.example/
pod_ip=$(kubectl get pod -n open free -o jsonpath='{.status.podIP}')
for client in $clients; do check "from $client to a pod's address" pod_agrees "$client" pod/open/free:8080 "http://$pod_ip:8080/"; done

# From outside, by load balancers' addresses.
outside_words() { local s; s=$(outside curl -s -o /dev/null -m 4 -w '%{http_code}' "$@"); echo "$s $?" | in_words; }
lb_agrees() { same "$(predicted "$net4.250" "service/open/$1")" "$(outside_words "http://$(lb_of service "$1")/")"; }
for service in public listed; do check "from outside to the load balancer $service" eventually 5 lb_agrees "$service"; done

# The Gateway and the Ingresses, from outside and from a pod.
web_agrees() { # web_agrees ADDRESS URL CURL-ARGS -- TRACE-ARGS
  local address=$1 url=$2 curl_args=() foretold
  shift 2
  while [ "$1" != -- ]; do curl_args+=("$1"); shift; done
  shift
  foretold=$(predicted "$net4.250" "$url" "$@")
  same "$foretold" "$(outside_words --connect-to "::$address:" "${curl_args[@]}" "$url")"
}
www=http://www.example.com
for path in /app /try /old /missing /foreign /empty /nothing; do check "Gateway: $path" eventually 5 web_agrees "$gateway4" $www$path --; done
check "Gateway: by a header" eventually 5 web_agrees "$gateway4" $www/try -H 'X-Try: yes' -- --header x-try=yes
check "Gateway: a host of nobody" web_agrees "$gateway4" http://www.example.com/app -H 'Host: other.example.com' -- --header host=other.example.com
check "Gateway: a host of no listener" web_agrees "$gateway4" http://www.example.com/app -H 'Host: www.example.net' -- --header host=www.example.net
check "Gateway: a route that may not attach" web_agrees "$gateway4" http://www.example.com/ -H 'Host: intruder.example.com' -- --header host=intruder.example.com
check "and why" ends 1 'NotAllowedByListeners' trace outside gateway/open/edge --header host=intruder.example.com
for path in /app /other; do check "Ingress: $path" eventually 5 web_agrees "$ingress4" http://old.example.org$path --; done
for client in $clients; do check "Gateway: from $client" pod_agrees "$client" $www/app "--connect-to ::$gateway4: $www/app"; done
