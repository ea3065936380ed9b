#!/bin/sh
# SPDX-License-Identifier: MIT
# headers.sh CC CXX INCLUDE: each installed header compiles alone, first, as C11 and as C++17, also
# with the source-line macros off.
set -eu
cc=$1 cxx=$2 include=$3
warnings='-Wall -Wextra -Wpedantic -Wshadow -Werror'

count=0
for path in "$include"/kytape.h "$include"/kytape/*.h; do
  header=${path#"$include"/}
  for define in '' '#define KY_NO_SITES'; do
    # shellcheck disable=SC2086 # a list of words
    {
      printf '%s\n#include <%s>\n#include <%s>\nint unit;\n' "$define" "$header" "$header" |
        "$cc" -std=c11 $warnings -I"$include" -fsyntax-only -x c -
      printf '%s\n#include <%s>\n#include <%s>\nint unit;\n' "$define" "$header" "$header" |
        "$cxx" -std=c++17 $warnings -I"$include" -fsyntax-only -x c++ -
    } || { echo "$header does not compile alone"; exit 1; }
  done
  count=$((count + 1))
done
echo "$count headers"
[ "$count" -ge 5 ]
