#!/usr/bin/env bash
# The story inside char-rnn is prose worth learning: at least 40 KB, no sentence twice, and gzip keeps 35 % or more.
# Usage: demo_text.sh FILE
set -euo pipefail
export LC_ALL=C
text=$1
size=$(wc -c <"$text") packed=$(gzip -9 -c "$text" | wc -c)
[[ $size -ge 40960 ]] || { echo "the text has $size bytes, and 40960 are wanted"; exit 1; }
[[ $((100 * packed)) -ge $((35 * size)) ]] || { echo "gzip makes $packed bytes of $size: less than 35 %"; exit 1; }
twice=$(tr '\n' ' ' <"$text" | sed -E "s/[.!?][\"')]*( +|$)/&\n/g" | sed -E 's/^ +//; s/ +$//' | sort | uniq -d)
[[ -z $twice ]] || { echo "sentences that come twice:"; echo "$twice"; exit 1; }
