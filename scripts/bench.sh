#!/usr/bin/env bash
# Times a training step of each workload: by hand, by xgrad, and by PyTorch and libtorch where they are installed.
# Prints a table, and writes it to build/bench as bench.json and bench.svg.
# With --modules: forward and backward of layers, by xgrad and by PyTorch.
# Usage: scripts/bench.sh [--quick] [--threads N] [--peers] [--modules]   (--peers installs PyTorch and libtorch first)
set -euo pipefail
cd "$(dirname "$0")/.."

packages=bench threads=1 rounds=5 seconds=0.3 repetitions=3 program=step_bench
while [[ $# -gt 0 ]]; do
  case $1 in
    --quick) rounds=1 seconds=0.1 ;;
    --threads) threads=${2:?--threads needs a number} && shift ;;
    --peers) packages=peers ;;
    --modules) program=modules_bench ;;
    *) sed -n '/^# Usage/s/^# //p' "$0" >&2; exit 2 ;;
  esac
  shift
done
workloads=(hello floyd medium_rnn medium_lstm medium_gru large_rnn large_lstm)
out=build/bench raw=build/bench/raw
say() { echo "bench: $*" >&2; }

scripts/setup.sh $packages
say "building"
cmake --preset release >/dev/null
cmake --build --preset release --target $program >&2
rm -rf $raw && mkdir -p $raw

# Each Python that has a PyTorch of its own: the first on the path, which may be a newer one, and the distribution's.
pythons=() seen=" "
for python in python3 /usr/bin/python3; do
  file=$($python -c 'import torch; print(torch.__file__)' 2>/dev/null) || continue
  [[ $seen == *" $file "* ]] || pythons+=("$python")
  seen+="$file "
done
[[ ${#pythons[@]} -gt 0 ]] || say "left out: PyTorch, which is not installed (python3-torch, or --peers)"

export OPENBLAS_NUM_THREADS=$threads OMP_NUM_THREADS=$threads  # PyTorch does not set the first one
if [[ $program == modules_bench ]]; then
  say "load average before the start: $(cut -d ' ' -f 1 /proc/loadavg), which should be near 0"
  exec python3 benchmarks/modules_table.py --threads "$threads" --rounds "$rounds" --seconds "$seconds" \
    build/release/benchmarks/modules_bench "${pythons[@]}"
fi

libtorch=build/libtorch/libtorch_step
if ! { cmake -S benchmarks/libtorch -B build/libtorch -G Ninja -DCMAKE_BUILD_TYPE=Release &&
       cmake --build build/libtorch; } >$out/libtorch.log 2>&1; then
  say "left out: libtorch, which is not installed or does not build (libtorch-dev, or --peers; $out/libtorch.log)"
  libtorch=
fi

steps=(build/release/benchmarks/step_bench "--step_threads=$threads" "--benchmark_min_time=$seconds"
       "--benchmark_repetitions=$repetitions" --benchmark_enable_random_interleaving=true)
if ! command -v python3 >/dev/null; then
  say "left out: PyTorch, the table and the chart, as there is no python3"
  "${steps[@]}" --benchmark_report_aggregates_only=true | grep _median | sort
  exit
fi

say "load average before the start: $(cut -d ' ' -f 1 /proc/loadavg), which should be near 0"
for ((round = 1; round <= rounds; ++round)); do
  mkdir $raw/$round
  for workload in "${workloads[@]}"; do
    say "round $round of $rounds: $workload"
    "${steps[@]}" --benchmark_filter="^step/$workload/" --benchmark_out="$raw/$round/$workload.json" \
      >$out/step.log 2>&1 || { cat $out/step.log >&2; exit 1; }
    for python in "${pythons[@]}"; do
      "$python" benchmarks/pytorch_char_rnn.py "$workload" --threads "$threads" --seconds "$seconds" \
        --repetitions "$repetitions" >>$raw/$round/peers.jsonl
    done
    [[ -z $libtorch ]] || $libtorch "$threads" "$seconds" "$repetitions" "$workload" >>$raw/$round/peers.jsonl
  done
done
python3 benchmarks/table.py $raw $out
