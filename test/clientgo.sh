#!/usr/bin/env bash
# client-go and controller-runtime against a cluster: a result line a Go test.
. "$(dirname "$0")/lib.sh"
cluster_up
cd "$root/test/go" || exit 1
go test -count=1 -v ./clientgo 2>&1 | tee /dev/stderr | sed -nE 's/^--- PASS: ([^ ]+).*/ok \1/p; s/^--- FAIL: ([^ ]+).*/not ok \1/p; s/^--- SKIP: ([^ ]+).*/not ok \1 was skipped/p'
