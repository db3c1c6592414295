#!/usr/bin/env bash
# Every rule of what policies mean, by manifests alone and by packets.
. "$(dirname "$0")/../../lib.sh"
cd "$(dirname "$0")" || exit 1
holds "by manifests alone" .
holds "by packets" --live .
[ "$failures" -eq 0 ]
