#!/bin/sh
# SPDX-License-Identifier: MIT
# pkg_config.sh LIBDIR SOURCES WORK: builds and runs the consumers with what pkg-config says, against
# the shared library and the static one. CC, CXX and FLAGS come from the environment.
set -eu
libdir=$1 sources=$2 work=$3
export PKG_CONFIG_PATH="$libdir/pkgconfig"
warnings='-Wall -Wextra -Wpedantic -Werror'

mkdir -p "$work"
pkg-config --exists --print-errors 'kytape >= 0.1'
if pkg-config --libs kytape | grep -qE 'l(ib)?blis|gomp'; then
  echo "the shared library must not make its users link BLIS"
  exit 1
fi

# Words must split where pkg-config and FLAGS are expanded.
# shellcheck disable=SC2046,SC2086
{
  $CC $FLAGS -std=c11 $warnings "$sources/slope.c" -o "$work/slope" \
    $(pkg-config --cflags --libs kytape)
  $CXX $FLAGS -std=c++17 $warnings "$sources/slope_cxx.cpp" -o "$work/slope_cxx" \
    $(pkg-config --cflags --libs kytape)
  # -lkytape would find the shared library first, so name the archive in its place.
  static=$(pkg-config --static --libs kytape | sed "s|-lkytape|$libdir/libkytape.a|")
  $CC $FLAGS -std=c11 $warnings $(pkg-config --cflags kytape) "$sources/slope.c" \
    -o "$work/slope_static" $static
  case $FLAGS in
    *-fsanitize*) ;; # sanitizers are shared libraries
    *) $CC $FLAGS -std=c11 $warnings -static "$sources/slope.c" -o "$work/slope_alone" \
         $(pkg-config --static --cflags --libs kytape)
       "$work/slope_alone" ;;
  esac
}
export LD_LIBRARY_PATH="$libdir"
"$work/slope"
"$work/slope_cxx"
unset LD_LIBRARY_PATH
"$work/slope_static"
