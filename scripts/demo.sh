#!/usr/bin/env bash
# Trains a char-RNN on the text inside the program for about a minute, then lets it write.
# Installs what is missing, builds the one program, runs it; what follows on the command line goes to it.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh demo

build=build/release
if [[ ! -f $build/build.ninja ]]; then
  echo "demo: configuring $build"
  cmake --preset release -DXGRAD_TESTS=OFF -DXGRAD_BENCHMARKS=OFF >/dev/null
fi
echo "demo: building (the first time takes some minutes)"
cmake --build $build --target char-rnn
exec $build/examples/char-rnn demo "$@"
