#!/usr/bin/env bash
# Runs the whole of the upstream suites of network policy (foretold, too), Gateway API and HTTP/2, a result line a case, and ends with the line "N passed, N failed".
# scripts/test.sh runs a part of them.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p build/tools
(cd test/go && go build -o ../../build/tools/kubectl ./kubectl) || exit 1
cmake --build build --target weft_predict >build/predict-build.log 2>&1 || exit 1
export PATH=$PWD/build/tools:$PATH

log=build/conformance.log
{
  test/conformance/cyclonus/predict.sh 2>build/conformance-predict.log
  for suite in network-policy-api netpol; do FORETELL=1 "test/conformance/$suite/run.sh" 2>"build/conformance-$suite.log"; done
  for suite in cyclonus gateway-api h2spec; do "test/conformance/$suite/run.sh" 2>"build/conformance-$suite.log"; done
} | tee "$log"
failed=$(grep -c '^not ok ' "$log")
echo "$(grep -c '^ok ' "$log") passed, $failed failed"
[ "$failed" -eq 0 ]
