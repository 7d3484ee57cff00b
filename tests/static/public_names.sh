#!/usr/bin/env bash
# Fails on a header that is not public and yet declares a name in namespace xgrad, where `using namespace xgrad`
# brings it into users' programs. Forward declarations of public classes may stand there.
set -euo pipefail
cd "$1"
public=$(sed -n '/^set(XGRAD_\(PUBLIC\|NAMED\)_HEADERS/,/)$/p' cmake/headers.cmake | tr ')\n' '  ')

for header in $(find autograd ops -name '*.hpp' | sort); do
  [[ " $public " == *" $header "* ]] || echo "$header"
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
