#!/usr/bin/env bash
# weft trace --live shows what becomes of real packets beside what was foretold; weft test tells what does not hold, in every form; and
# prediction and packets agree in random clusters. WEFT_SEED and WEFT_TRIPLES choose which and how many connections.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

ends() { # ends STATUS PATTERN COMMAND…
  local wanted=$1 pattern=$2 output status
  shift 2
  output=$("$@" 2>&1)
  status=$?
  [ "$status" = "$wanted" ] && grep -qE -- "$pattern" <<<"$output" || { echo "exit $status: $output"; return 1; }
}

# Files that hold, and do not.
mkdir "$work/suite"
cp manifests.yaml "$work/suite"
expects() { printf 'apiVersion: weft.dev/v1alpha1\nkind: Expectations\nexpectations:\n' >"$work/suite/a.weft.yaml"; printf '  - %s\n' "$@" >>"$work/suite/a.weft.yaml"; }
tests() { "$weft" test "$work/suite" "$@"; }
expects '{from: client, to: http://web/, expect: allow, backend: deployment/web}' '{from: client, to: "pod/shut:8080", expect: deny, by: NetworkPolicy/default/shut}'
check "all hold: exit 0" ends 0 '^2 held, 0 failed, 0 unknown$' tests
check "files of expectations are no manifests" ends 0 '^works' "$weft" trace client http://web/ -f "$work/suite"
expects '{from: client, to: http://web/, expect: deny}'
check "one fails: exit 1, file and line" ends 1 'a.weft.yaml:4: denied is expected, foretold: works' tests
check "as JUnit" ends 1 '<testcase classname="[^"]*a.weft.yaml" name="client → http://web/" file="[^"]*" line="4" time="[0-9.]+"><failure message="' tests -o junit
check "as SARIF" ends 1 '"uri":"[^"]*a.weft.yaml"\},"region":\{"startLine":4' tests -o sarif
check "as JSON" ends 1 '"state":"failed".*"held":0,"failed":1,"unknown":0' tests -o json
expects '{from: client, to: http://www.example.org/, expect: allow}'
check "nobody knows: exit 3" ends 3 '^0 held, 0 failed, 1 unknown$' tests
expects '{from: client, to: http://web/, expects: deny}'
check "a field that there is not: exit 2" ends 2 'a.weft.yaml:4: expectations\[0\].expects: there is no such field' tests
expects '{from: nobody, to: http://web/}'
check "a client that there is not: exit 2" ends 2 'a.weft.yaml:4: FROM: there is no pod default/nobody' tests

# Random connections: a cluster is brought up, and taken down again.
seed=${WEFT_SEED:-$((RANDOM * 32768 + RANDOM))}
triples=${WEFT_TRIPLES:-60}
echo "# seed $seed: repeat it with WEFT_SEED=$seed WEFT_TRIPLES=$triples"
mkdir "$work/random"
PYTHONDONTWRITEBYTECODE=1 python3 triples.py "$seed" "$triples" "$work/random"
# A resolver asks its second server after 5 s: patience has to grow beyond that.
agree() { # what differs, with its line of triples.weft.yaml
  timeout 280 "$weft" test --live --timeout 3 "$work/random" >"$work/agreed" 2>"$work/steps" && return
  grep -vE '^ok ' "$work/agreed"
  tail -n 5 "$work/steps"
  return 1
}
check "$triples random connections of seed $seed: prediction and packets agree" agree

# Taken down as well when it is interrupted.
expects '{from: client, to: http://web/, expect: allow}'
"$weft" test --live "$work/suite" >/dev/null 2>"$work/steps" &
tester=$!
cluster=test-$tester
eventually 60 test -s "$work/steps"
kill -TERM "$tester"
gone() { ! kill -0 "$tester" 2>/dev/null && [ -z "$(leftovers)" ]; }
check "interrupted, it leaves nothing behind" eventually 60 gone
wait "$tester"

# One that stays, to trace in.
cluster=t$$
cluster_up
trap 'rm -rf "$work"; cluster_down' EXIT
check "the objects" eventually 30 kubectl apply -f manifests.yaml
check "pods are ready" eventually 60 kubectl wait --for=condition=Ready pod --all --timeout=10s
live() { "$weft" trace "$@" --name "$cluster" --live; }
check "it works, and who has answered" eventually 30 ends 0 '^observed from Pod default/client: connected, HTTP 200, Pod default/web-[a-z0-9-]+ at 10\.244\.' live client http://web/
agreed_all() { "$weft" trace client http://web/ --name "$cluster" --live -o json | grep -oE '"pod":"default/web-[^"]*"' | sort | uniq -c | awk '{ n += $1 } END { exit n != 4 }'; }
check "two pods are asked four times" agreed_all
check "what is denied is waited for in vain: as foretold" ends 1 '^as foretold' live client pod/shut --port 8080
check "a name of nobody" ends 1 '^observed from Pod default/client: no name' live client http://nobody.default.svc.cluster.local./
check "a port of nobody" ends 1 '^observed from Pod default/client: refused' live client http://web:81/
check "by UDP" ends 0 '^observed from Pod default/client: connected, Pod default/web-' live client service/web --port 53 --protocol udp
check "from a node" ends 0 '^observed from Node node-1: connected, Pod default/web-' live node/node-1 service/web --port 80
check "from outside" eventually 30 ends 0 '^observed from somebody outside the cluster: connected' live outside service/web --port 80
check "what is not as foretold: exit 1" ends 1 '^NOT as foretold: foretold: works; seen: refused' live client pod/liar --port 8080
check "the same as JSON" ends 1 '"observed":\[\{"from":"Pod default/client","probes":\[\{"result":"refused".*"agrees":false,"difference":' live client pod/liar --port 8080 -o json
check "a cluster of another machine" ends 2 'no cluster nowhere is up on this machine|nowhere/admin.kubeconfig' "$weft" trace client http://web/ --name nowhere --live
