#!/usr/bin/env bash
# xtensor 0.26 moved its headers. Where an older one is installed, puts forwarding headers at the new places, and
# compiles a program, which must then look for them there.
# Usage: xtensor_layout.sh SCRATCH COMPILER INCLUDE_FLAGS...
set -euo pipefail
scratch=$1
shift
compile=("$@" -std=c++20 -fsyntax-only -x c++ -)
if "${compile[@]}" <<<'#include <xtensor/containers/xarray.hpp>' 2>/dev/null; then
  echo "the installed xtensor has its headers at the new places already"
  exit 77
fi
rm -rf "$scratch"
mkdir -p "$scratch/xtensor/containers"
for header in xadapt xarray; do
  echo "#include <xtensor/$header.hpp>" >"$scratch/xtensor/containers/$header.hpp"
done
included=$("${compile[@]}" -I"$scratch" -H 2>&1 <<'END'
#include <xgrad/autograd/tape/array.hpp>
double f(const xt::xarray<double>& a) {
  const xgrad::Tensor<double> x = 2 * a;
  return x.array()(0);
}
END
) || { echo "$included"; exit 1; }
for header in xadapt xarray; do
  grep -q "^\.* $scratch/xtensor/containers/$header.hpp" <<<"$included" ||
    { echo "$header.hpp is not looked for where xtensor 0.26 has it"; exit 1; }
done
