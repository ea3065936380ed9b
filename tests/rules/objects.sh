#!/bin/sh
# SPDX-License-Identifier: MIT
# objects.sh NM OBJDUMP OBJECT...: the library does not abort, exit, print or keep state. Writing to a
# FILE that the caller names is fine; so are asserts, which are for our own bugs. Nor does a compiler
# contract a*b+c and a*b-c of neighbours behind -ffp-contract=off, as gcc 12 does where it vectorises:
# then the bits of an element would depend on its place.
set -eu
nm=$1 objdump=$2
shift 2

forbidden='abort|exit|_exit|_Exit|quick_exit|atexit|on_exit|raise|kill|signal|sigaction|longjmp
printf|vprintf|puts|putchar|perror|__printf_chk|__vprintf_chk|stdout|stderr|stdin|getchar|scanf
err|errx|verr|verrx|warn|warnx|vwarn|vwarnx|psignal|syslog|system|fork|setlocale|rand|srand|strtok'
forbidden=$(printf '%s' "$forbidden" | tr '\n' '|')

"$nm" "$@" >/dev/null
"$objdump" -f "$@" >/dev/null # both can read them all

# What is wrong with each object, one line each: awk names the object that nm and objdump name.
found=$(
  "$nm" -A --undefined-only "$@" | awk -v bad="^($forbidden)\$" '
    $NF ~ bad { object = $0; sub(/:[^:]*$/, "", object); print object ": uses " $NF }'
  # Sections of writable data; tables of pointers (.data.rel.ro) are constant once relocated.
  "$objdump" -t "$@" | awk -F '\t' '
    / file format / { split($1, of, ": +file format"); object = of[1] }
    NF == 2 {
      n = split($1, left, " "); section = left[n]
      n = split($2, right, " "); name = right[n]
      if (name != section && section !~ /^\.data\.rel\.ro/ &&
          section ~ /^(\.(data|bss|tdata|tbss)(\..*)?|\*COM\*)$/) print object ": keeps state: " name
    }'
  "$objdump" -d --no-show-raw-insn "$@" | awk '
    / file format / { split($0, of, ": +file format"); object = of[1] }
    /[[:space:]]vfm(addsub|subadd)/ { print object ": contracts products and sums" }' | uniq
)
if [ -n "$found" ]; then
  printf '%s\n' "$found"
  exit 1
fi
