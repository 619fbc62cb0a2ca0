#!/usr/bin/env bash
# sgdlab calibrate: suites under several master seeds, going on where it stopped, files that were cut off, and what is
# refused.
. "$(dirname -- "$0")/lib.bash"

cat >tiny.yaml <<'YAML'
question: Are these verdicts right as often as they say?
problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 40, d: 3}}
kind: estimator
at: {type: gaussian, scale: 1}
draws: 100000000
replicates: 1
independent_over: [sampling, batch_size]
sweep:
  sampling: [with_replacement, subset]
  batch_size: [1, 4, n/2]
laws:
  - {law: unbiased}
  - {law: variance}
profiles:
  calibration: {draws: 2000 + 20000/m, margins: {value: 0.4, slope: 0.2}}
  coarse: {draws: 500, margins: {value: 1, slope: 0.5}}
YAML
suites() { grep -c '^suite ' "$1/checks.txt"; }
calibrate() { # STATUS WHAT ARGUMENT...
    local status=$1 what=$2
    shift 2
    run "$status" "$what" calibrate tiny.yaml --out cal --threads 2 "$@"
}

# ---- three seeds ----
calibrate 0 "three seeds" --seeds 3 --first-seed 5
check "three suites are kept" same "$(suites cal)" 3
check "of these seeds" same "$(sed -n 's/^suite \([0-9]*\) .*/\1/p' cal/checks.txt | xargs)" "5 6 7"
check "each is whole" same "$(grep -c '^end$' cal/checks.txt)" 3
check "six checks of L1; trace and direction of six cells, two slopes of L2" same "$(sed -n 's/^suite 5 //p' cal/checks.txt)" 20
check "the report counts them" matches out '^3 suites of 20 checks'
check "coverage of 3 x (6 + 6 + 2) exact ones" matches out 'whose 95 % interval holds the truth +[0-9]+ of 42 '
check "verdicts" matches out 'suites with a verdict other than expected +0 of 3 '
check "uniformity" matches out 'Kolmogorov-Smirnov.: D = 0\.[0-9]+, p = [01]\.[0-9]+'
check "a row for each law" matches out '^  unbiased .*%'
check "and for the other" matches out '^  variance .*%'
check "progress" has err "3 of 3 suites"
check "no store is left" test ! -e cal/work/sgdlab.db
cp cal/checks.txt three.txt

# ---- going on ----
calibrate 0 "the same again" --seeds 3 --first-seed 5
check "does nothing" cmp -s cal/checks.txt three.txt
check "but reports" matches out '^3 suites of 20 checks'
calibrate 0 "two seeds more" --seeds 5 --first-seed 5
check "five suites" same "$(suites cal)" 5
check "the first three as they were" cmp -s three.txt <(head -n "$(wc -l <three.txt)" cal/checks.txt)
check "two were run" same "$(grep -c '^seed ' err)" 2
check "suites of other seeds differ" differ "$(sed -n 3p cal/checks.txt)" "$(sed -n 25p cal/checks.txt)"

# ---- cut off by a crash ----
cp cal/checks.txt five.txt
for lines in 90 101; do # in the fifth suite: behind its first line, and in its middle
    head -n "$lines" five.txt >cal/checks.txt
    printf 'variance 0 1 0' >>cal/checks.txt
    calibrate 0 "checks that end after $lines lines" --seeds 5 --first-seed 5
    check "that suite alone is run again" same "$(grep -c '^seed ' err)" 1
    check "the same seed gives the same checks" cmp -s cal/checks.txt five.txt
done
head -c 30 five.txt >cal/checks.txt
calibrate 0 "only a beginning is left" --seeds 5 --first-seed 5
check "all are run again" cmp -s cal/checks.txt five.txt
sed '4s/.*/what is this/' five.txt >cal/checks.txt
calibrate 2 "a file of something else"
check "its place" has err "cal/checks.txt:4"
check "it is left alone" matches cal/checks.txt '^what is this$'
cp five.txt cal/checks.txt

# ---- two at once ----
check "a folder in use is refused" test "$(flock cal "$SGDLAB" calibrate tiny.yaml --out cal --seeds 9 2>busy; echo $?)" = 2
check "it says so" has busy "another sgdlab calibrate works in cal"
check "nothing is added" cmp -s cal/checks.txt five.txt

# ---- another suite ----
calibrate 2 "another profile in the same folder" --seeds 6 --first-seed 5 --profile coarse
check "it says so" matches err 'cal/checks.txt:1:1: these checks are of other experiments, or of another profile'
cp tiny.yaml whole.yaml
sed -i 's/^  - {law: unbiased}$//' tiny.yaml
calibrate 2 "other experiments" --seeds 6 --first-seed 5
check "it says so, too" has err "of other experiments"
check "nothing is added" cmp -s cal/checks.txt five.txt
mv whole.yaml tiny.yaml

# ---- profiles and usage ----
run 0 "another profile" calibrate tiny.yaml --out coarse --profile coarse --seeds 1
check "is used" has out "1 suites of 20 checks"
run 2 "a wrong profile" calibrate tiny.yaml --out never --profile corse --seeds 1
check "the nearest is told" has err "did you mean 'coarse'?"
check "nothing was kept" same "$(grep -c "" never/checks.txt)" 1
run 2 "a profile like no other" calibrate tiny.yaml --out never --profile zzz --seeds 1
check "the valid ones are told" matches err 'calibration.*coarse.*quick.*full'
sed '/^profiles/,$d' tiny.yaml >plain.yaml
run 2 "an experiment without that profile" calibrate plain.yaml --out never --seeds 1
check "it is named" has err "plain.yaml"
sed '/^laws/,/variance/d' tiny.yaml >lawless.yaml
run 2 "an experiment without laws" calibrate lawless.yaml --out never --seeds 1
check "it says what is missing" has err "name no laws"
run 2 "no experiment" calibrate --out never
run 2 "an experiment that is not there" calibrate nowhere.yaml --out never
run 2 "no seeds" calibrate tiny.yaml --seeds 0 --out never
run 2 "an unknown option" calibrate tiny.yaml --sedes 3
run 2 "an output folder that cannot be made" calibrate tiny.yaml --out tiny.yaml/cal
finish
