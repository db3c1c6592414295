#!/usr/bin/env bash
# weft ui: who may look at the page, and what headless Chromium sees there of a cluster with traffic, some of it denied.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)

command -v chromium-headless-shell >/dev/null || { echo "not ok chromium-headless-shell is installed (scripts/install-deps.sh)"; exit 1; }
(cd browser && go build -o "$work/browser" .) || { echo "not ok build of the browser's driver"; exit 1; }

cluster_up "$@"
pages=()
trap 'kill "${pages[@]}" 2>/dev/null; wait "${pages[@]}"; rm -rf "$work"; cluster_down' EXIT
check "the objects" eventually 20 kubectl apply -f manifests.yaml
check "pods are ready" eventually 60 kubectl wait --for=condition=Ready pod --all -A --timeout=10s

# ui NAME ARGS…: serves a page at a free port; its URL is in $work/NAME.
ui() {
  local name=$1
  shift
  "$weft" ui --port 0 "$@" >"$work/$name" 2>"$work/$name.log" &
  pages+=($!)
  check "the page of $name" eventually 30 grep -q '^http://127.0.0.1:' "$work/$name"
}
ui cluster --name "$cluster"
url=$(cat "$work/cluster")
token=${url#*token=}
base=${url%%/\?*}
port=${base##*:}

status() { curl -s -m 20 -o /dev/null -w '%{http_code}' "$@"; }
cookie="weft-ui-$port=$token"
check "without the token: 401" expect '^401$' status "$base/"
check "with a wrong one: 401" expect '^401$' status "$base/?token=${token%?}x"
check "with a wrong cookie: 401" expect '^401$' status -b "weft-ui-$port=${token%?}x" "$base/api/map"
check "with the right ones" expect '^200 200$' eval 'echo "$(status "$url")" "$(status -b "$cookie" "$base/api/map")"'
check "under another name: 421" expect '^421$' status -H "Host: rebound.example:$port" -b "$cookie" "$base/api/map"
check "on loopback alone" expect "^127.0.0.1:$port\$" eval 'ss -Hltn "sport = :$port" | awk "{print \$4}"'
check "nothing comes from elsewhere" expect "default-src 'none'" curl -s -m 20 -D - -o /dev/null "$url"
check "flows, as they come" expect '^data: .*"verdict":"DROPPED"' \
  eval 'grep -m 1 ^data: < <(timeout 30 curl -sN -b "$cookie" "$base/api/flows?verdict=DROPPED")'

# What the browser says are result lines of their own.
"$work/browser" "$url" >"$work/lines" 2>&1
browser=$?
cat "$work/lines"
bad=$(grep -c '^not ok' "$work/lines")
failures=$((failures + bad))
[ "$bad" -gt 0 ] || check "the browser went through it all" test "$browser" -eq 0

# Of manifests alone: no cluster, no root, no flows.
ui manifests -f manifests.yaml
url=$(cat "$work/manifests")
port=${url#http://127.0.0.1:}
port=${port%%/*}
ask() { curl -s -m 20 -b "weft-ui-$port=${url#*token=}" "http://127.0.0.1:$port/api/$1" "${@:2}"; }
check "manifests: the map says that no flows are seen" expect '"flows":\{"seen":false,"problem":"manifests alone have no flows"\}' ask map
check "and traces are answered" expect '"verdict":"denied"' ask trace -H 'Content-Type: application/json' -d '{"from": "shop/stranger", "to": "http://web.shop/"}'
check "a folder that is not there: exit 2" refused 'no-such-folder' "$weft" ui -f no-such-folder
