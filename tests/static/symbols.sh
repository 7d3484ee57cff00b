#!/usr/bin/env bash
# Object files built for an instruction set must define no symbol that other code could be linked to: every
# symbol that they export has the set's name in its own, by its namespace or a template argument.
# Usage: symbols.sh ARCH OBJECT...
set -euo pipefail
arch=$1
shift
[[ $# -gt 0 ]] || { echo "no object files"; exit 1; }
shared=$(nm --defined-only --extern-only --format=posix "$@" | awk 'NF >= 2' |
         grep -v -e "^[^ ]*[0-9]$arch" -e '^DW\.ref\.' || true)
if [[ -n $shared ]]; then
  echo "symbols that code for other processors could be linked to:"
  c++filt <<<"$shared"
  exit 1
fi
