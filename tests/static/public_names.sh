#!/usr/bin/env bash
# Fails on a header that is not public and yet declares a name in namespace xgrad, where `using namespace xgrad`
# brings it into users' programs. Forward declarations of public classes may stand there.
set -euo pipefail
cd "$1"
public=$(sed -n '/^set(XGRAD_PUBLIC_HEADERS/,/)$/p' cmake/headers.cmake | tr ')\n' '  ')
# Users write these names too: element types, locations, untyped tensors, symbols, and what their own ops take
# and return. They come with the public headers that include these.
named=$(echo autograd/core/{dtype,location}.hpp autograd/array/any_tensor.hpp autograd/formula/symbol.hpp \
             autograd/tape/{op_interface,sink}.hpp)

for header in $(find autograd ops -name '*.hpp' | sort); do
  [[ " $public $named " == *" $header "* ]] || echo "$header"
done | xargs awk '
  FNR == 1 || /^}/ { public = 0 }
  public && /./ && !/^(class|struct) [A-Za-z]+;$/ ||
  /^namespace / && !/^namespace (xgrad|detail|xgrad::(detail|kernels|formulas)[A-Za-z_:]*) \{$/ {
    print FILENAME ":" FNR ": no public header, so put this into namespace xgrad::detail: " $0
    failed = 1
    nextfile
  }
  /^namespace xgrad \{$/ { public = 1 }
  END { exit failed }'
