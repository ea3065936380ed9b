#!/bin/sh
# SPDX-License-Identifier: MIT
# prefix.sh CMAKE BUILD PREFIX: a fresh install of BUILD, and that nothing is missing from it.
set -eu
cmake=$1 build=$2 prefix=$3

rm -rf "$prefix"
"$cmake" --install "$build" --prefix "$prefix" >/dev/null

for wanted in '*/include/kytape.h' '*/include/kytape/tape.h' '*/libkytape.so' '*/libkytape.so.0' \
  '*/libkytape.a' '*/pkgconfig/kytape.pc' '*/cmake/kytape/kytapeConfig.cmake' \
  '*/cmake/kytape/kytapeConfigVersion.cmake'; do
  if [ -z "$(find "$prefix" -path "$wanted")" ]; then
    echo "not installed: $wanted"
    exit 1
  fi
done
# A tree that can be moved mentions neither itself nor the checkout.
if grep -rIlF -e "$prefix" -e "$build" "$prefix"; then
  echo "the files above contain paths of this machine"
  exit 1
fi
