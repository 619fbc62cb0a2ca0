#!/usr/bin/env bash
# Signals: within 2 s the program leaves with status 130 and says how to go on; that command then finishes the work.
. "$(dirname -- "$0")/lib.bash"
set -m # background jobs of a script without job control ignore SIGINT
write_long 500 # never finished
mkdir -p "a folder"
for signal in INT TERM HUP; do
    rm -rf "a folder/out"
    "$SGDLAB" run long.yaml --fresh --out "a folder/out" --set "batch_size=1,4" >out 2>err &
    pid=$!
    sleep 1.2
    begin=$(date +%s%N)
    kill -"$signal" "$pid"
    status=0
    wait "$pid" || status=$?
    took=$((($(date +%s%N) - begin) / 1000000))
    check "SIG$signal: exit status 130 (it was $status)" test "$status" -eq 130
    check "SIG$signal: left after $took ms, 2000 are allowed" test "$took" -le 2000
    check "SIG$signal: says how to go on, quoted for the shell, without --fresh" \
        matches err "^  .*sgdlab run long\.yaml --out 'a folder/out' --set batch_size=1,4\$"
done
run 0 "status of what was interrupted" status "a folder/out"
check "its runs are left" matches out '^long +960 +[0-9]+ +[0-9]+ +0 +[1-9]'

write_long 2
begin=$(date +%s%N)
run 0 "left alone" run long.yaml --out alone
took=$((($(date +%s%N) - begin) / 1000000))
"$SGDLAB" run long.yaml --out cut >out 2>err &
pid=$!
sleep "$(printf '%d.%03d' $((took / 2000)) $((took / 2 % 1000)))"
kill -INT "$pid" 2>/dev/null
wait "$pid"
if [ -s err ] && resume=$(sed -n 's/^  //p' err | head -n 1) && [ -n "$resume" ]; then
    check "the command it named works" eval "$resume >out 2>&1"
else
    echo "note: it was done before the signal came"
fi
check "interrupted and continued equals left alone" same "$(digest cut)" "$(digest alone)"

write_long 500
"$SGDLAB" run long.yaml --out twice >out 2>err &
pid=$!
sleep 1
kill -INT "$pid"
kill -INT "$pid" 2>/dev/null
status=0
wait "$pid" || status=$?
check "a second signal leaves at once with status 130 (it was $status)" test "$status" -eq 130
run 0 "its store can be read" digest twice
finish
