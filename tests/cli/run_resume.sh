#!/usr/bin/env bash
# A run that is killed without warning continues, and ends with the numbers of a run that was left alone.
. "$(dirname -- "$0")/lib.bash"
write_long 2
begin=$(date +%s%N)
run 0 "left alone" run long.yaml --out alone
took=$((($(date +%s%N) - begin) / 1000000))
echo "left alone it took $took ms"
killed=0
for attempt in 1 2 3; do
    "$SGDLAB" run long.yaml --out killed >out 2>err &
    pid=$!
    sleep "$(printf '%d.%03d' $((took / 4000)) $((took / 4 % 1000)))"
    if kill -KILL "$pid" 2>/dev/null; then
        killed=$((killed + 1))
    fi
    wait "$pid" 2>/dev/null
    run 0 "status after kill number $attempt" status killed
    check "its directory has a store that can be read" matches out '^long '
done
check "it was killed while it ran, at least once" test "$killed" -gt 0
run 0 "the same command again" run long.yaml --out killed
check "the numbers are those of the run that was left alone" same "$(digest killed)" "$(digest alone)"
run 0 "and once more" run long.yaml --out killed
check "then there is nothing to do" has out "long: 0 to do"
run 0 "more replicates of the same experiment" run long.yaml --replicates 61 --out killed
check "only the new ones are computed" matches out 'long: [0-9]+ runs? done in .*, [0-9]+ stored before'
finish
