#!/usr/bin/env bash
# Formatting and static checks. `scripts/lint.sh FILE…` checks only these; without files, the whole tree.
set -euo pipefail
cd "$(dirname "$0")/.."

[ -f build/debug/compile_commands.json ] || cmake --preset debug >/dev/null
if [ $# -gt 0 ]; then
  files=("$@")
else
  mapfile -t files < <(git ls-files 'src/*.cpp' 'src/*.h' 'src/*.c' 'bench/*.cpp' 'bench/*.h' 'test/*.cpp' 'test/*.h')
fi
clang-format-19 --dry-run --Werror "${files[@]}"

# Generated skeleton headers have to be there before a file that includes them can be checked.
ninja -C build/debug -t targets all | sed -n 's/^\(.*_skeleton\): phony$/\1/p' | xargs -r ninja -C build/debug >/dev/null
printf '%s\n' "${files[@]}" | grep '\.cpp$' |
  xargs -r -P "$(nproc)" -n 4 clang-tidy-19 --quiet -p build/debug --warnings-as-errors='*' 2>/dev/null
echo "lint: ${#files[@]} files clean"
