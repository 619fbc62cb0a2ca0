#!/usr/bin/env bash
# keep: moments from the file to the tables and figures: threads, shards, resuming after a kill, a short last group, errors.
. "$(dirname -- "$0")/lib.bash"
cat >many.yaml <<'YAML'
question: Are the moments of many chains the same however they are made?
problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 4}}
replicates: 150
keep: moments
budget: {steps: 300}
sweep:
  batch_size: [1, 4]
  schedule:
    - {type: constant, rate: [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 3]}
  averaging: [last, uniform]
record: {points: 12, metrics: [loss, gap, x1]}
figures: [loss_vs_steps, learning_rate]
YAML
run 0 "run with one thread" run many.yaml --threads 1 --out one
run 0 "run with two threads" run many.yaml --threads 2 --out two
check "threads do not matter" same "$(digest one)" "$(digest two)"
run 0 "a second run" run many.yaml --out one
check "it computes nothing" has out "many: 0 to do"
run 0 "status" status one
check "status counts chains" matches out 'many +5400 +5400 +[1-9][0-9]* +0 +0 '
for i in 1 2 3; do
    run 0 "shard $i/3" run many.yaml --shard "$i/3" --threads 1 --out "part$i"
done
run 0 "merge" merge joined part3 part1 part2 part1
check "the merged shards equal the whole" same "$(digest joined)" "$(digest one)"
for kernel in avx2 avx512; do
    SGDLAB_KERNEL=$kernel "$SGDLAB" run many.yaml --out "$kernel" >out 2>err || continue
    check "kernels $kernel give the same digest" same "$(digest one)" "$(digest "$kernel")"
done

run 0 "the same as single runs" run many.yaml --set keep=runs --out runs
check "they are other results" differ "$(digest one)" "$(digest runs)"
run 0 "export moments" export one
run 0 "export runs" export runs
check "moments.csv has a row per group and point" test "$(wc -l <one/many/moments.csv)" -eq $((36 * 3 * 12 + 1))
check "its columns" matches <(head -1 one/many/moments.csv) 'group,chains,count,loss_mean,loss_m2,loss_m3,loss_m4,gap_mean'
check "no single runs beside it" test ! -e one/many/points.csv
check "no moments of single runs" test ! -e runs/many/moments.csv
# column FILE NAME: one column of a table whose quoted fields hold no commas.
column() { awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) c = i; next } { print $c }' "$1" | tr -d '\r'; }
# The means of both summaries, point by point: equal to 12 digits, and empty at the same places.
check "the means are those of the runs" awk '
    ($1 == "") != ($2 == "") { print NR ": " $0; bad = 1 }
    $1 != "" && ($1 - $2 > 1e-12 * $2 || $2 - $1 > 1e-12 * $2) { print NR ": " $0; bad = 1 }
    $1 != "" { n++ }
    END { exit bad || n < 300 }' FS=';' <(paste -d';' <(column one/many/summary.csv loss_mean) <(column runs/many/summary.csv loss_mean))
check "so are the standard errors" awk '
    ($1 == "") != ($2 == "") { print NR ": " $0; bad = 1 }
    $1 > 1e-12 && ($1 - $2 > 1e-9 * $2 || $2 - $1 > 1e-9 * $2) { print NR ": " $0; bad = 1 }
    END { exit bad }' FS=';' <(paste -d';' <(column one/many/summary.csv loss_se) <(column runs/many/summary.csv loss_se))
check "both count the diverged" same "$(column one/many/summary.csv n_diverged)" "$(column runs/many/summary.csv n_diverged)"
check "moments have no quantiles" test -z "$(column one/many/summary.csv loss_median | sort -u)"
run 0 "figures of moments" plot one --format svg
check "the figure is there" test -s one/many/gap_vs_steps.svg

sed 's/loss_vs_steps, learning_rate/schedule/' many.yaml >schedule.yaml
run 2 "a figure of single runs" run schedule.yaml --out x
check "the message says what it needs" has err "keep: runs"
run 2 "moments of an estimator" run many.yaml --set kind=estimator --out x
run 2 "moments of solo runs" run many.yaml --set timing=solo --out x
check "the message says what to do" has err "keep: runs"
run 2 "a mean gap of averages" run many.yaml --set record.metrics=mean_gap --out x
check "the message names the averaging" has err "averaging: last"
check "nothing was written by wrong usage" test ! -e x

# Killed in the middle, the run goes on with whole groups.
sed 's/replicates: 150/replicates: 200000/; s/question: .*/question: Can this be killed?/' many.yaml >long.yaml
"$SGDLAB" run long.yaml --threads 2 --out killed >out 2>err </dev/null &
pid=$!
sleep 2
kill -KILL "$pid"
wait "$pid" 2>/dev/null
run 0 "status after the kill" status killed
check "some chains are done, not all" matches out 'long +7200000 +[1-9][0-9]* '
run 0 "fewer replicates in the same place" run long.yaml --replicates 150 --out killed
run 0 "the same in a fresh place" run long.yaml --replicates 150 --out fresh
for dir in killed fresh; do
    run 0 "export $dir" export "$dir"
done
check "what the killed run left is right" cmp killed/long/moments.csv fresh/long/moments.csv
finish
