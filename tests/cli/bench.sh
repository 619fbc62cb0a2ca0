#!/usr/bin/env bash
# `bench --quick` checks its kernels against the plain loop, times everything once or twice, and says so in JSON. No speed
# is asserted.
. "$(dirname -- "$0")/lib.bash"
export TMPDIR=$PWD/temporary
mkdir "$TMPDIR"

run 0 "bench --quick --json" bench --quick --json
if command -v python3 >/dev/null; then
    check "the output is JSON" python3 -c 'import json; json.load(open("out"))'
else
    echo "not checked, no python3: the output is JSON"
fi
# numbers KEY: the values of this key, one a line.
numbers() { grep -oE "\"$1\":-?[0-9.][0-9.e+-]*" out | cut -d: -f2; }
# positive KEY LEAST: at least so many values, all above zero.
positive() { numbers "$1" | awk -v least="$2" '{ count++; if (!($1 > 0)) bad = 1 } END { exit bad || count < least }'; }
check "peaks, bandwidth, rates and ratios are positive" positive median 20
check "their minima too" positive min 20
check "a plan is timed" positive memory_bytes 2
check "the store is measured" positive bytes_per_run 2
check "training takes a part of the time" positive training_share 1
check "dense rows" has out '"work":"dense logistic, digits, m=1","unit":"sample gradients","code":"plain"'
check "sparse rows" has out '"work":"sparse logistic + L2, '
check "ratios to the plain loop" has out '"of_plain":{'
check "nothing is left behind" test -z "$(ls -A "$TMPDIR")"

run 0 "a choice of rows, as tables" bench --quick --repetitions 1 --only 'm=32; 32 lanes'
check "the row and its rival" matches out 'dense logistic, digits, m=32 +plain C +1 '
check "no other row" test "$(grep -c '^\(dense\|sparse\|least\|random\|full\)' out)" -le 3
check "no other part" test -z "$(grep -E '^(Whole program|Planning|Store)' out)"

run 2 "no repetitions" bench --repetitions 0
run 2 "nothing of that name" bench --quick --only 'dance'
run 2 "an unknown option" bench --fast
TMPDIR=$PWD/nowhere run 1 "no place for temporary files" bench --quick
check "it is named" has err "$PWD/nowhere"
finish
