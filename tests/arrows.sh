#!/usr/bin/env bash
# Reads the #include lines and fails on one that points up between the folders, on a circle, and on a second
# way into a library whose headers move between versions.
set -euo pipefail
cd "$1"
failed=0
fail() { echo "$1"; failed=1; }

# Which folders a folder may include: examples -> models -> nn -> ops -> autograd, optim -> autograd.
declare -A below=(
  [autograd]="autograd"
  [ops]="ops autograd"
  [nn]="nn ops autograd"
  [optim]="optim autograd"
  [models]="models nn ops autograd"
)
sources() { find "$@" \( -name '*.hpp' -o -name '*.cpp' \) 2>/dev/null | sort; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for folder in "${!below[@]}"; do
  sources "$folder" | xargs -r grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]' >"$scratch/lines" || true
  while IFS=: read -r file line text; do
    target=$(sed -E 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]([^>"]*)[>"].*/\1/' <<<"$text")
    case "$target" in
      xgrad/version.hpp) ;;
      xgrad/*)
        target=${target#xgrad/}
        [[ " ${below[$folder]} " == *" ${target%%/*} "* ]] || fail "$file:$line: $folder must not include $target"
        [[ -f $target ]] || fail "$file:$line: there is no $target"
        echo "$file $target" >>"$scratch/edges" ;;
      *) [[ $text != *\"* ]] || fail "$file:$line: write <xgrad/...>: $target" ;;
    esac
  done <"$scratch/lines"
done
tsort "$scratch/edges" >/dev/null 2>"$scratch/loop" || fail "includes go in a circle: $(cat "$scratch/loop")"

# One header each for what differs between versions: xtensor moved its headers, xsimd renamed its functions.
one_header() {
  local found
  found=$(sources autograd ops nn optim models tests examples benchmarks |
          xargs -r grep -lE "^[[:space:]]*#[[:space:]]*include[[:space:]]*[<\"]$1" || true)
  [[ $(wc -w <<<"$found") -le 1 ]] || fail "only one file may include <$1...>, these do: $(tr '\n' ' ' <<<"$found")"
}
one_header xtensor/
one_header xtensor-blas/
one_header xsimd/
one_header catch2/
exit $failed
