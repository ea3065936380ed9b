#!/bin/sh
# SPDX-License-Identifier: MIT
# exports.sh NM LIBRARY: the shared library exports ky_* functions and nothing else.
set -eu
symbols=$("$1" -D --defined-only "$2" | awk '{ print $3 }' | sed 's/@.*//')

strangers=$(printf '%s\n' "$symbols" | grep -v '^ky_[a-z]' || true)
if [ -n "$strangers" ]; then
  echo "exported, but not ky_*:"
  printf '%s\n' "$strangers"
  exit 1
fi
count=$(printf '%s\n' "$symbols" | wc -l)
echo "$count functions"
[ "$count" -ge 50 ]
