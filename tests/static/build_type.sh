#!/usr/bin/env bash
# Configures without a build type: xgrad by itself is then Release; a project that it is a part of keeps what it has,
# which is nothing, and is told so.
# Usage: build_type.sh SOURCE SCRATCH CMAKE COMPILER
set -euo pipefail
source=$1 scratch=$2 cmake=$3 compiler=$4
rm -rf "$scratch"
configure() {  # FOLDER, cmake's arguments; prints the build type after all else
  env -u CMAKE_BUILD_TYPE "$cmake" -G Ninja -B "$scratch/$1" -DCMAKE_CXX_COMPILER="$compiler" "${@:2}" 2>&1
  sed -n 's/^CMAKE_BUILD_TYPE:[A-Z]*=/build type: /p' "$scratch/$1/CMakeCache.txt"
}
advice="xgrad: CMAKE_BUILD_TYPE is not set"

alone=$(configure alone -S "$source" -DXGRAD_TESTS=OFF -DXGRAD_EXAMPLES=OFF -DXGRAD_BENCHMARKS=OFF)
part=$(configure part -S "$source/tests/package" -DXGRAD_SOURCE="$source")
failed=0
fail() { echo "$1:"; echo "$2"; failed=1; }
[[ ${alone##*$'\n'} == "build type: Release" ]] || fail "xgrad by itself is not Release" "$alone"
[[ $alone != *"$advice"* ]] || fail "xgrad by itself gives advice" "$alone"
[[ ${part##*$'\n'} == "build type: " ]] || fail "xgrad sets the build type of a project that it is a part of" "$part"
[[ $part == *"$advice"* ]] || fail "a project without a build type is not told" "$part"
exit $failed
