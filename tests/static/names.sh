#!/usr/bin/env bash
# The pages name what is there: every path in `code` exists, and in a table row whose first cell is a file, that
# file has every name in `code` of the second cell.
set -euo pipefail
cd "$1"
failed=0 rows=0
fail() { echo "$1"; failed=1; }

folders='autograd|ops|nn|optim|models|examples|tests|benchmarks|scripts|docs|cmake'
while IFS=: read -r page path; do
  compgen -G "${path//\`/}" >/dev/null || fail "$page names ${path}, which is not there"
done < <(grep -oE "\`($folders)/[^\` ]*\`" ./*.md docs/*.md)

while IFS='|' read -r _ file names _; do
  file=${file//[\` ]/}
  [[ -f $file ]] || continue
  rows=$((rows + 1))
  while read -r name; do
    grep -qwF -e "${name//\`/}" "$file" || fail "docs/architecture.md: $file has no $name"
  done < <(grep -oE '`[^`]+`' <<<"$names" || echo '`(a name in the second cell)`')
done < <(grep -E '^\| `' docs/architecture.md)
[[ $rows -gt 0 ]] || fail "docs/architecture.md has no table of files and names"
exit $failed
