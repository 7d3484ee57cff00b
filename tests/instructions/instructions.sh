#!/usr/bin/env bash
# Counts the instructions of a training step under callgrind and compares them with the figures committed for this
# compiler and BLAS; more than 5 % above one is a failure. `--print` only prints them, as lines for figures.txt.
# Usage: instructions.sh STEPS_PROGRAM COMPILER BLAS [--print]
# 77 says to ctest that the test was skipped; the reason is printed.
set -euo pipefail
steps=$1 pair="$2 $3" print=${4:-}
figures=$(dirname "$0")/figures.txt
skip() { echo "skipped: $1"; exit 77; }
command -v valgrind >/dev/null || skip "valgrind is not installed"
grep -qw avx2 /proc/cpuinfo || skip "the figures are those of AVX2 kernels, which this processor does not have"

# What 100 steps take beyond 50, all warm.
export XGRAD_SIMD=avx2 OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=Haswell
total() {
  valgrind --tool=callgrind --callgrind-out-file=/dev/null "$steps" "$1" "$2" 2>&1 |
    sed -nE 's/.*Collected *: *([0-9]+).*/\1/p'
}
status=0 known=yes
for workload in hello lstm hello_replayed lstm_replayed; do
  per_step=$((($(total $workload 100) - $(total $workload 50)) / 50))
  figure=$(awk -v pair="$pair" -v w=$workload '$1 " " $2 == pair && $3 == w { print $4 }' "$figures")
  if [[ -n $print || -z $figure ]]; then
    echo "$pair $workload $per_step"
    [[ -n $print ]] || known=no
  elif ((per_step * 100 > figure * 105)); then
    echo "$workload: $per_step instructions a step, more than 5 % above $figure; find out why, or commit the new figure"
    status=1
  else
    echo "$workload: $per_step instructions a step, committed are $figure"
  fi
done
[[ $known == yes ]] || skip "no figures are committed for $pair; the lines above can go to $(basename "$figures")"
exit $status
