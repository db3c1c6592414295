#!/usr/bin/env bash
# Runs every fuzz target for SECONDS each (default 60) over its corpus in test/fuzz/TARGET; prints a line a target.
set -uo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}

cmake --preset asan >/dev/null || exit 2
mapfile -t targets < <(ninja -C build/asan -t targets all | sed -n 's/^\(weft_[a-z0-9_]*_fuzz\): CXX_EXECUTABLE_LINKER.*/\1/p')
[ "${#targets[@]}" -gt 0 ] || { echo "not ok no fuzz targets"; exit 1; }
ninja -k 0 -C build/asan "${targets[@]}" >build/asan/build.log 2>&1 || grep -A 15 -m 3 FAILED build/asan/build.log
status=0
for target in "${targets[@]}"; do
  seeds=test/fuzz/$target
  found=build/asan/corpus/$target
  mkdir -p "$found"
  [ -d "$seeds" ] || seeds=
  # shellcheck disable=SC2086
  if "build/asan/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -artifact_prefix="build/asan/$target-" \
      "$found" $seeds >"build/asan/$target.log" 2>&1; then
    echo "ok $target ($(grep -c . <<<"$(ls "$found")") inputs)"
  else
    echo "not ok $target"
    tail -n 30 "build/asan/$target.log"
    status=1
  fi
done
exit $status
