#!/usr/bin/env bash
# A run that cannot be done is told with its reason and status 1, costs no other run with --keep-going, and is tried again.
. "$(dirname -- "$0")/lib.bash"
cat >failing.yaml <<'YAML'
question: What happens to the others when the training before an estimate diverges?
kind: estimator
problem: {type: least_squares, data: diabetes}
replicates: 2
draws: 50
at: {type: after, steps: 400}
sweep:
  schedule.rate: [1.0e+9, 0.001, 0.01]
schedule: {type: constant}
record: {points: 5}
YAML
run 1 "with --keep-going" run failing.yaml --keep-going --out all
check "all others are done" has out "4 runs done"
check "the failed ones are counted" has out "2 failed"
check "the reason names experiment, cell and replicate" matches err "^sgdlab: experiment 'failing', cell 0, replicate [01]: .*diverge"
run 0 "status" status all
check "status counts them" matches out '^failing +6 +4 +0 +2 +2 '
run 1 "the same again" run failing.yaml --keep-going --out all
check "only the failed ones are tried again" has out "0 runs done"
run 1 "without --keep-going" run failing.yaml --threads 1 --out first
check "it stops" matches out '[1-9] left'
run 0 "the others can be exported" export all
check "and are in the table" test "$(grep -c finished all/failing/runs.csv)" -eq 4
check "the failed ones with their reason" test "$(grep -c 'failed.*diverge' all/failing/runs.csv)" -eq 2
finish
