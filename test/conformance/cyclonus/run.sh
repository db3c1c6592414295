#!/usr/bin/env bash
# The cases that Cyclonus generates, unmodified, against a cluster of their own: each case's policies, and then all pairs of
# nine pods by two ports of TCP, UDP and SCTP. A result line a case.
# An argument is a regular expression for "NUMBER DESCRIPTION" of the cases; without one all are run.
. "$(dirname "$0")/../lib.sh"

(cd "$root/test/conformance/cyclonus" && go build -o "$tools/cyclonus" . &&
  go build -o "$tools/cyclonus-worker" github.com/mattfenwick/cyclonus/cmd/worker) || { echo "not ok build of the suite"; exit 1; }
# Ten connections at once, as it has them by default, are eleven seconds for a pod that may not connect to any other.
printf '#!/bin/sh\nexec "%s" --concurrency 54 "$@"\n' "$tools/cyclonus-worker" >"$tools/worker" && chmod +x "$tools/worker"

agnhost_up "mfenwick100/cyclonus-worker=$tools/agnhost"
link "$tools/worker" /worker
results "$("$tools/cyclonus" -cases "${1:-}")"
