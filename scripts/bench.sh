#!/usr/bin/env bash
# Every benchmark in turn; docs/benchmarks.md quotes what they print.
set -uo pipefail
cd "$(dirname "$0")/.."
mapfile -t programs < <(ninja -C build -t targets all | sed -n 's/^bench_\([a-z_]*\): phony$/bench_\1/p')
[ ${#programs[@]} -eq 0 ] || ninja -C build "${programs[@]}" || exit 2
(cd bench/dns/coredns && go build -o ../../../build/tools/coredns-kubernetes .) || exit 2
for program in "${programs[@]}"; do echo "== $program"; "build/$program"; done
for script in bench/*.sh; do echo "== $script"; "$script"; done
