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

failed=0
for object in "$@"; do
  calls=$("$nm" --undefined-only "$object" | awk '{ print $NF }' | grep -xE "$forbidden" || true)
  if [ -n "$calls" ]; then
    echo "$object: uses $(echo "$calls" | tr "\n" " ")"
    failed=1
  fi
  # Sections of writable data; tables of pointers (.data.rel.ro) are constant once relocated.
  state=$("$objdump" -t "$object" | awk -F '\t' '
    NF == 2 {
      n = split($1, left, " "); section = left[n]
      n = split($2, right, " "); name = right[n]
      if (name != section && section !~ /^\.data\.rel\.ro/ &&
          section ~ /^(\.(data|bss|tdata|tbss)(\..*)?|\*COM\*)$/) print name
    }')
  if [ -n "$state" ]; then
    echo "$object: keeps state: $(echo "$state" | tr "\n" " ")"
    failed=1
  fi
  if "$objdump" -d --no-show-raw-insn "$object" | grep -qE '[[:space:]]vfm(addsub|subadd)'; then
    echo "$object: contracts products and sums"
    failed=1
  fi
done
exit $failed
