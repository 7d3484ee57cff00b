#!/usr/bin/env bash
# Installs xgrad into a scratch folder and builds a project that finds it there; then the same project with
# xgrad's source as a part of its own tree, as a shared library. Both are run.
# Usage: package.sh SOURCE BUILD CMAKE COMPILER
set -euo pipefail
source=$1 build=$2 cmake=$3 compiler=$4
scratch=$build/package
rm -rf "$scratch/prefix" "$scratch/found"
mkdir -p "$scratch"
configure() { "$cmake" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$compiler" "$@"; }

echo "== installed, find_package"
"$cmake" --install "$build" --prefix "$scratch/prefix" >/dev/null
configure -S "$source/tests/package" -B "$scratch/found" -DCMAKE_PREFIX_PATH="$scratch/prefix"
"$cmake" --build "$scratch/found"
"$scratch/found/uses_xgrad"
bash "$source/tests/plugin/plugin.sh" "$scratch/found/plugin_host" "$scratch/found/libplugin.so"
# Whole paths: a source folder /xgrad is not named by lib/cmake/xgrad.
if grep -rlP "(?<![\w.}/-])(\Q$source\E|\Q$build\E)(?![\w.-])" "$scratch/prefix/include" "$scratch/prefix/lib/cmake"; then
  echo "installed files (above) name the source or the build folder"
  exit 1
fi

echo "== a part of the project, add_subdirectory"
# What a project gets that says nothing: no tests, programs, warnings or installation of xgrad's.
rm -rf "$scratch/defaults"
configure -S "$source/tests/package" -B "$scratch/defaults" -DXGRAD_SOURCE="$source"
for option in TESTS EXAMPLES BENCHMARKS WARNINGS WERROR INSTALL; do
  grep -qx "XGRAD_$option:BOOL=OFF" "$scratch/defaults/CMakeCache.txt" || { echo "XGRAD_$option is on"; exit 1; }
done
# Built with the flags of this build, so that ccache, where there is one, has every object file already.
launcher=$(command -v ccache || true)
configure -S "$source/tests/package" -B "$scratch/part" -DXGRAD_SOURCE="$source" -DBUILD_SHARED_LIBS=ON \
  -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" -DCMAKE_CXX_FLAGS_RELEASE="-O2 -DNDEBUG" \
  -DXGRAD_WARNINGS=ON -DXGRAD_WERROR="$(sed -n 's/^XGRAD_WERROR:BOOL=//p' "$build/CMakeCache.txt")"
"$cmake" --build "$scratch/part"
"$scratch/part/uses_xgrad"
bash "$source/tests/plugin/plugin.sh" "$scratch/part/plugin_host" "$scratch/part/libplugin.so" \
  "$scratch/part/xgrad/libxgrad.so"
