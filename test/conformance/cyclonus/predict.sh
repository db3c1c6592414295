#!/usr/bin/env bash
# The cases that Cyclonus generates, foretold: what weft trace says of each connection from the case's objects alone, against
# what Cyclonus expects, which run.sh compares with real connections. A result line a case; no cluster, no root.
# An argument is a regular expression for "NUMBER DESCRIPTION" of the cases; without one all are.
set -uo pipefail
root=$(cd "$(dirname "$0")/../../.." && pwd)
tools=$root/build/tools
mkdir -p "$tools"
(cd "$root/test/conformance/cyclonus" && go build -o "$tools/cyclonus" .) || { echo "not ok build of the suite"; exit 1; }
"$tools/cyclonus" -offline -cases "${1:-}" 2>/dev/null | "${PREDICT:-$root/build/weft_predict}"
