#!/bin/sh
# SPDX-License-Identifier: MIT
# coverage.sh ROOT: every recording function of the public headers has golden values, or a line in
# without.txt that says why not; and without.txt names nothing else.
set -eu
cd "$1"
golden=tests/golden
recorded=$(cat include/kytape/ops*.h | grep -oE '^KY_API ky_var ky_[a-z0-9_]+' | awk '{ print $3 }')
called=$(cat $golden/calls.def tests/test_golden.c | grep -oE 'ky_[a-z0-9_]+' | sort -u)
without=$(grep -v '^#' $golden/without.txt | awk '{ print $1 }')
failed=0
for name in $recorded; do
  if printf '%s\n' "$called" "$without" | grep -qx "$name"; then continue; fi
  echo "$name: no row in $golden/calls.def and no reason in $golden/without.txt"
  failed=1
done
for name in $without; do
  printf '%s\n' "$recorded" | grep -qx "$name" ||
    { echo "$golden/without.txt: there is no $name" && failed=1; }
done
bytes=$(cat $golden/*.txt | wc -c)
echo "$(echo "$recorded" | wc -l) recording functions, $bytes bytes of golden values"
[ "$bytes" -lt 4000000 ] || failed=1
exit $failed
