#!/usr/bin/env bash
# Mistakes: exit status 2, FILE:LINE:COLUMN and what would be valid, before anything is written.
. "$(dirname -- "$0")/lib.bash"
write_experiments

# broken WHAT PLACE TEXT: broken.yaml from standard input must fail at PLACE (LINE:COLUMN) with TEXT in the message.
broken() {
    cat >broken.yaml
    run 2 "$1" run broken.yaml --out never
    check "$1: place $2" matches err "^sgdlab: broken\.yaml:$2: "
    check "$1: message" has err "$3"
}
broken "an unknown key" 2:1 problem <<'YAML'
question: Q
problm: {type: least_squares, data: diabetes}
YAML
broken "an unknown key deeper down" 2:50 l2 <<'YAML'
question: Q
problem: {type: least_squares, data: diabetes,   l_2: 0.1}
budget: {epochs: 1}
schedule: {type: constant, rate: 0.01}
YAML
broken "a misspelt method" 4:11 reshuffle <<'YAML'
question: Q
problem: {type: least_squares, data: diabetes}
budget: {epochs: 1}
sampling: reshufle
schedule: {type: constant, rate: 0.01}
YAML
broken "a value out of bounds" 4:34 rate <<'YAML'
question: Q
problem: {type: least_squares, data: diabetes}
budget: {epochs: 1}
schedule: {type: constant, rate: -0.01}
YAML
broken "a missing data set" '2:[0-9]+' diabetes <<'YAML'
question: Q
problem: {type: least_squares, data: diabets}
budget: {epochs: 1}
schedule: {type: constant, rate: 0.01}
YAML
broken "a key given twice" 3:1 question <<'YAML'
question: Q
problem: {type: least_squares, data: diabetes}
question: R
YAML
broken "YAML that is none" '[0-9]+:[0-9]+' '' <<'YAML'
question: [Q
problem: {type
YAML
check "nothing was written" test ! -e never

run 2 "an experiment that is not there" run nowhere.yaml --out never
check "it is named" has err nowhere.yaml
run 2 "no experiment" run --out never
run 2 "a folder as experiment" run . --out never
run 2 "results in a file" run small.yaml --out small.yaml/results
check "it says what" has err "cannot make this directory"
run 2 "an unknown option" run small.yaml --trheads 2
check "the option is named" has err trheads
run 2 "--threads 0" run small.yaml --threads 0 --out never
run 2 "--threads two" run small.yaml --threads two --out never
run 2 "--replicates 0" run small.yaml --replicates 0 --out never
run 2 "--seed -1" run small.yaml --seed=-1 --out never
run 2 "--profile slow" run small.yaml --profile slow --out never
run 2 "--set without a value" run small.yaml --set batch_size --out never
run 2 "--set of an unknown key" run small.yaml --set batchsize=3 --out never
check "the nearest key is told" has err batch_size
run 2 "--set out of bounds" run small.yaml --set batch_size=-3 --out never
cp small.yaml twin.yaml
echo "experiment: small" >>twin.yaml
run 2 "two experiments of one name" run small.yaml twin.yaml --out never
sed -i 's/^sampling/zampling/; s/sampling:/zampling:/' twin.yaml
run 2 "one good and one bad file" run small.yaml twin.yaml --out never
check "the good one did not run" test ! -e never

run 0 "a dry run" run small.yaml squares.yaml --dry-run --out never
check "a dry run writes nothing" test ! -e never
check "the plan has cells" matches out '^  cells +[0-9]+'
check "the plan has blocks" matches out '^  runs +[0-9]+ in [0-9]+ blocks'
check "the plan has time and disk" matches out '^In all [0-9]+ runs, about .* on [0-9]+ threads? and '
run 0 "a quiet run" run squares.yaml --quiet --out quiet
check "a quiet run prints nothing" test ! -s out -a ! -s err
check "no escape codes reach a pipe" test "$("$SGDLAB" run squares.yaml --fresh --out quiet 2>&1 | grep -c $'\033')" -eq 0

for command in status export digest; do
    run 2 "$command of a directory that is not there" "$command" nowhere
    check "$command names it" has err nowhere
done
mkdir foreign && echo "not a database, but long enough to be looked at by a program that expects one" >foreign/sgdlab.db
run 2 "a file that is not a store" digest foreign
check "it is named" has err foreign/sgdlab.db
touch plain
"$SGDLAB" run squares.yaml --out plain >out 2>err
check "a file in the place of the results directory is an error" test $? -ne 0
check "the file is named" has err plain
if [ "$(id -u)" -ne 0 ]; then
    mkdir locked && chmod a-w locked
    "$SGDLAB" run squares.yaml --out locked/results >out 2>err
    check "a directory without permission is an error" test $? -ne 0
    check "nothing ran" test ! -s out -o "$(grep -c 'done in' out)" -eq 0
fi
finish
