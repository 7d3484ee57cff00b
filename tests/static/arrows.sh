#!/usr/bin/env bash
# Reads the #include lines and fails on one that points up between the folders, on a circle, and on a second
# way into a library whose headers move between versions.
set -euo pipefail
cd "$1"
failed=0
fail() { echo "$1"; failed=1; }

# The house from the ground up: a folder may include itself and what `below` names. Inside autograd/ each floor
# may include those before it.
floors="autograd/core autograd/kernels autograd/array autograd/formula autograd/tape"
declare -A below=([ops]="$floors" [nn]="$floors ops" [optim]="$floors" [models]="$floors ops nn")
lower=""
for floor in $floors; do
  below[$floor]=$lower
  lower="$lower $floor"
done
sources() { find "$@" \( -name '*.hpp' -o -name '*.cpp' \) 2>/dev/null | sort; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

for folder in "${!below[@]}"; do
  sources "$folder" | xargs -r grep -HnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*[<"]' >"$scratch/lines" || true
  while IFS=: read -r file line text; do
    target=${text#*[<\"]}
    target=${target%%[>\"]*}
    case "$target" in
      xgrad/version.hpp) ;;
      xgrad/*)
        target=${target#xgrad/}
        from=${target%%/*}
        if [[ $from == autograd ]]; then from=${target%/*}; fi
        [[ " $folder ${below[$folder]} " == *" $from "* ]] || fail "$file:$line: $folder must not include $target"
        [[ -f $target ]] || fail "$file:$line: there is no $target"
        echo "$file $target" >>"$scratch/edges" ;;
      *) [[ $text != *\"* ]] || fail "$file:$line: write <xgrad/...>: $target" ;;
    esac
  done <"$scratch/lines"
done
tsort "$scratch/edges" >/dev/null 2>"$scratch/loop" || fail "includes go in a circle: $(cat "$scratch/loop")"

# Kernels are reached through the table of their device; what sets threads and packing, and what hands over a
# formula's compiled loop, see beyond it.
beyond=$(sources autograd/core autograd/array autograd/formula autograd/tape ops nn optim models |
         grep -v -e /kernels/ -e '\.simd\.cpp$' -e '^ops/threads\.cpp$' -e '^autograd/formula/' -e '^optim/formulas' |
         xargs grep -nE 'include <xgrad/[a-z]+/kernels/' | grep -v -e /table.hpp -e /program.hpp -e /formula_loop -e /packing.hpp || true)
[[ -z $beyond ]] || fail "kernels are called by kernels::on(device): $beyond"

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
