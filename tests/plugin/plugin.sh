#!/usr/bin/env bash
# Loads a plug-in that is built on xgrad into a C program, and into Python where there is one; and looks how much
# of the memory that a process has for the thread_locals of such libraries it takes.
# Usage: plugin.sh HOST PLUGIN [LIBRARY]: the library is libxgrad.so, where xgrad is not a part of the plug-in
set -euo pipefail
host=$1 plugin=$2 library=${3:-$2}
"$host" "$plugin"
if command -v python3 >/dev/null; then
  python3 - "$plugin" <<'PYTHON'
import ctypes, sys
train = ctypes.CDLL(sys.argv[1]).train
train.restype = ctypes.c_double
first, last = train(0), train(300)
print(f"Python: the loss went from {first:.3g} to {last:.3g}")
sys.exit(not 0 <= last < first / 10)
PYTHON
fi
size=$(LC_ALL=C readelf -lW "$library" | awk '$1 == "TLS" { print $6 }')
echo "thread_locals: $((size)) bytes"
[[ -n $size && $((size)) -le 256 ]] || { echo "glibc has 512 bytes for all libraries that are loaded by dlopen"; exit 1; }
