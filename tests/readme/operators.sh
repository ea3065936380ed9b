#!/bin/sh
# SPDX-License-Identifier: MIT
# operators.sh ROOT [--write]: the list of operators in README.md is what engine/ops.def and the public
# headers say; with --write it becomes that.
set -eu
cd "$1"

# A section a heading, a row an opcode. In the row's comment the adjoint stands behind two blanks.
table() {
  awk '
    /^\/\* ---- / {
      section = $0
      gsub(/^\/\* -+ | -+ \*\/$/, "", section)
      fresh = 1
    }
    /^OP\(/ {
      split($0, part, /[(,]/)
      name = part[2]
      if (name == "nop" || name == "fused") next
      comment = $0
      sub(/^[^*]*\/\* */, "", comment)
      sub(/ *\*\/ *$/, "", comment)
      constant = $0 ~ /, *CONST, /
      formula = comment
      adjoint = constant ? "none" : /, *LEAF\)/ ? "g" : "missing in ops.def"
      if (!constant && match(comment, /   */)) {
        formula = substr(comment, 1, RSTART - 1)
        adjoint = substr(comment, RSTART + RLENGTH)
      }
      gsub(/\|/, "\\|", formula)
      gsub(/\|/, "\\|", adjoint)
      if (fresh) printf "\n**%s**\n\n| | value | adjoint |\n|---|---|---|\n", section
      fresh = 0
      printf "| %s | %s | %s |\n", name, formula, adjoint
    }' engine/ops.def
}

# Recording functions that are no opcode.
compositions() {
  opcodes=$(sed -nE 's/^OP\(([a-z0-9_]+),.*/\1/p' engine/ops.def)
  for header in include/kytape/ops*.h; do
    sed -nE 's/^KY_API ky_(var|status) ky_([a-z0-9_]+)\(ky_tape.*/\2/p' "$header"
  done | sort | while read -r name; do
    printf '%s\n' "$opcodes" input_set | grep -qx "$name" || printf '%s\n' "$name"
  done | paste -sd ' ' | sed 's/ /, /g' | fold -sw 110 | sed 's/ *$//'
}

begin='<!-- operators, from operators.sh -->'
end='<!-- end of operators -->'
for marker in "$begin" "$end"; do
  if [ "$(grep -cx "$marker" README.md)" -ne 1 ]; then
    echo "README.md must have one line: $marker"
    exit 1
  fi
done
scratch=$(mktemp)
trap 'rm -f "$scratch"' EXIT
{
  sed "/^$begin\$/q" README.md
  table
  printf '\nMade of these: '
  compositions
  echo
  sed -n "/^$end\$/,\$p" README.md
} >"$scratch"
[ "${2-}" = --write ] && cat "$scratch" >README.md
if ! diff README.md "$scratch" || grep -n 'missing in ops.def' README.md; then
  echo "README.md is not up to date: sh tests/readme/operators.sh . --write"
  exit 1
fi
