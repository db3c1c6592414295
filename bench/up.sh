#!/usr/bin/env bash
# How long from `weft up` to the first request that a pod gets answered through a Service of two pods. Prints the median and where
# the time of the median run went.
set -euo pipefail
cd "$(dirname "$0")/.."
weft=build/weft
runs=${1:-10}
name=bench$$
dir=$(mktemp -d)
trap '"$weft" down --name "$name" >/dev/null 2>&1; rm -rf "$dir"' EXIT
mkdir "$dir/manifests" "$dir/out"
sed "s|BENCH_DIR|$dir/out|" bench/up/manifests.yaml >"$dir/manifests/all.yaml"

for ((i = 0; i < runs; i++)); do
  rm -f "$dir/out/answered"
  start=$(date +%s%N)
  "$weft" up --name "$name" --detach "$dir/manifests" >"$dir/steps-$i" 2>&1
  until [ -s "$dir/out/answered" ]; do sleep 0.01; done
  echo $((($(cat "$dir/out/answered") - start) / 1000000)) "$i" >>"$dir/times"
  "$weft" down --name "$name" >/dev/null
done
sort -n "$dir/times" | awk '{t[NR]=$1; r[NR]=$2} END {m=int((NR+1)/2); print "up to first answer: median " t[m] " ms, best " t[1] ", worst " t[NR] " of " NR; print r[m] > "/dev/stderr"}' 2>"$dir/median"
cat "$dir/steps-$(cat "$dir/median")"
