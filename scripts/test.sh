#!/usr/bin/env bash
# Builds a preset (release unless another is named) and runs the whole suite.
# Usage: scripts/test.sh [PRESET] [ctest's arguments...]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=${1:-release}
packages="test"
if [[ $preset == clang ]]; then packages="ci"; fi
scripts/setup.sh $packages
cmake --preset "$preset"
cmake --build --preset "$preset"
exec ctest --preset "$preset" "${@:2}"
