#!/usr/bin/env bash
# Installs the distribution's packages that are missing, and says so. Nothing missing: no network, under a second.
# Usage: scripts/setup.sh [demo|test|ci|bench|peers]
# test (the default) includes demo; ci and bench include test; peers includes bench.
set -euo pipefail

demo=(g++ cmake ninja-build ccache libxtensor-dev libxtensor-blas-dev libxsimd-dev libopenblas-pthread-dev
      libfmt-dev nlohmann-json3-dev libcli11-dev)
test=(catch2 libbenchmark-dev libmpfr-dev valgrind)
ci=(doxygen debootstrap)
bench=(python3)
peers=(python3-torch libtorch-dev)

installed() { [[ " $(dpkg-query -W -f='${db:Status-Status} ' "$1" 2>/dev/null)" == *" installed "* ]]; }
clang_versions=(16 17 18 19 20 21 22)
clang_there() {
  for version in "${clang_versions[@]}"; do
    if command -v "clang++-$version" >/dev/null; then echo "$version"; return 0; fi
  done
  return 1
}
clang_to_install() {  # the oldest that will do: on Debian 12 the one that the project is tested with
  for version in "${clang_versions[@]}"; do
    if [[ $(apt-cache policy "clang-$version") == *"Candidate: "[0-9]* ]]; then echo "$version"; return 0; fi
  done
  echo "setup: this distribution has no clang 16 or newer" >&2
  return 1
}

case "${1:-test}" in
  demo) wanted=("${demo[@]}") need_clang=no ;;
  test) wanted=("${demo[@]}" "${test[@]}") need_clang=no ;;
  ci) wanted=("${demo[@]}" "${test[@]}" "${ci[@]}") need_clang=yes ;;
  bench) wanted=("${demo[@]}" "${test[@]}" "${bench[@]}") need_clang=no ;;
  peers) wanted=("${demo[@]}" "${test[@]}" "${bench[@]}" "${peers[@]}") need_clang=no ;;
  *) echo "usage: scripts/setup.sh [demo|test|ci|bench|peers]" >&2; exit 2 ;;
esac
if ! command -v apt-get dpkg-query >/dev/null; then
  echo "setup: no apt-get here, so nothing is installed; the names at Debian are: ${wanted[*]}"
  exit 0
fi
packages=()
if [[ $need_clang == yes ]] && version=$(clang_there); then
  need_clang=no wanted+=("libclang-rt-$version-dev")  # sanitizers and libFuzzer
fi
for package in "${wanted[@]}"; do
  installed "$package" || packages+=("$package")
done
if [[ ${#packages[@]} -eq 0 && $need_clang == no ]]; then
  exit 0
fi

as_root=()
if [[ $EUID -ne 0 ]]; then
  as_root=(sudo)
  command -v sudo >/dev/null || { echo "setup: run as root, or install sudo: ${packages[*]} are missing" >&2; exit 1; }
fi
echo "setup: asking the distribution for its list of packages"
"${as_root[@]}" apt-get update -qq || echo "setup: the list could not be brought up to date, going on with what is there"
if [[ $need_clang == yes ]]; then
  version=$(clang_to_install)
  packages+=("clang-$version" "libclang-rt-$version-dev")
fi
echo "setup: installing ${packages[*]}"
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" </dev/null
