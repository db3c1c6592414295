#!/usr/bin/env bash
# What `make run` shows: every hop of the example shop as it is declared, every connection as it is foretold, and nothing left behind.
. "$(dirname "$0")/../../lib.sh"

out=$(mktemp)
trap '"$weft" down --name "$cluster" >/dev/null 2>&1; rm -f "$out"' EXIT

runs() { (cd "$root" && timeout 200 "$weft" demo --name "$cluster" -o json) >"$out" 2>"$out.log" || { tail -5 "$out.log"; cat "$out"; return 1; }; }
says() { [ -s "$out" ] && jq -e "$1" "$out" >/dev/null || { jq -c . "$out"; return 1; }; }

check "the demo ends with 0" runs
check "three ways of a request, each hop as declared" says '[.walks[] | .asDeclared] == [true, true, true]'
check "as many connections as are expected, all of them hold" says '.connections | .held == 5 and .failed == 0 and .unknown == 0'
check "a client outside gets to a backend pod through the Gateway" \
  says '[.connections.tests[] | select(.from == "outside") | .observed[] | select(.status == 200 and (.pod | startswith("shop/backend-")))] | length >= 1'
check "who may not get to the database waits in vain" \
  says '[.connections.tests[] | select(.foretold.verdict == "denied") | .observed[].result] | unique == ["timed out"]'
check "nothing is left behind" test ! -e "/run/weft/$cluster"
rm -f "$out.log"
exit $((failures > 0))
