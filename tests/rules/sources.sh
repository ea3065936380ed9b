#!/bin/sh
# SPDX-License-Identifier: MIT
# sources.sh ROOT: every source has at most 600 lines, of 96 columns but for tables and kernel bodies, and
# starts with its licence; and the frontend and the public headers include nothing of the engine.
set -eu
cd "$1"
failed=0
complain() {
  echo "$*"
  failed=1
}

sources=$(find engine frontend include tests bench -type f \
  \( -name '*.c' -o -name '*.h' -o -name '*.cpp' -o -name '*.def' -o -name '*.inc' \))
for file in $sources; do
  lines=$(wc -l <"$file")
  [ "$lines" -le 600 ] || complain "$file: $lines lines"
  case $file in
    *.def | *.inc) ;;
    *) awk -v f="$file" 'length > 96 {print f ":" FNR ": wide"; bad = 1} END {exit bad}' "$file" || failed=1 ;;
  esac
  case $(head -n 1 "$file") in
    '/* SPDX-License-Identifier: MIT */') ;;
    *) complain "$file: the first line is not the SPDX line" ;;
  esac
done

# A quoted neighbour of the same name is not the engine's.
includes=$(grep -rEo '#[[:space:]]*include[[:space:]]+["<][^">]+' frontend include |
  sed -E 's|^([^:]*):.*["<]([./]*/)?(engine/)?|\1 |')
while read -r file header; do
  [ -e "engine/$header" ] && [ ! -e "$(dirname "$file")/$header" ] &&
    complain "$file: includes engine/$header"
done <<EOF
$includes
EOF
exit $failed
