#!/usr/bin/env bash
# Networks through the whole program: the same numbers for any threads, for one lane at a time and for many, and after an
# interruption; classes in CSR; regression; and what is refused.
. "$(dirname -- "$0")/lib.bash"

# Three classes in 12 columns, mostly zeros: each class has a column that is larger.
awk 'BEGIN {
    srand(3)
    for (i = 0; i < 90; i++) {
        k = i % 3
        printf "%d", k + 5
        for (j = 1; j <= 12; j++)
            if (rand() < 0.4 || j == 3 * k + 1)
                printf " %d:%.3f", j, rand() + 2 * (j == 3 * k + 1)
        print ""
    }
}' >three.libsvm

network() { # NAME DATA REST...: an experiment on the data
    printf '%s\n' "problem: {data: $2, $3}" "${@:4}" >"$1.yaml"
}
cat >both.yaml <<'YAML'
question: Do networks give the same numbers every time?
problem: {type: mlp, data: digits, hidden: [12, 6], activation: gelu, test_fraction: 0.8, l2: 1.0e-3}
replicates: 11
budget: {epochs: 1}
sampling: reshuffle
momentum: 0.5
sweep:
  batch_size: [5, 64]
  problem.label_noise: [0, 0.25]
  schedule: [{type: constant, rate: [0.02, 0.1]}]
record: {points: 3, metrics: [loss, test_loss, accuracy, test_accuracy, sharpness, noise_scale]}
YAML
network sparse three.libsvm 'type: mlp, hidden: [5], activation: tanh, test_fraction: 0.2' 'replicates: 9' 'batch_size: 4' \
    'budget: {epochs: 30}' 'schedule: {type: constant, rate: 0.1}' 'record: {points: 3, metrics: [loss, test_accuracy]}'

run 0 "one thread" run both.yaml sparse.yaml --threads 1 --out one
run 0 "two threads" run both.yaml sparse.yaml --threads 2 --out two
check "one and two threads agree bit for bit" same "$(digest one)" "$(digest two)"
for count in 1 2 3 11; do
    run 0 "up to $count replicates" run both.yaml --replicates $count --out grown
    run 0 "up to $count replicates, CSR" run sparse.yaml --replicates $((count < 9 ? count : 9)) --out grown
done
check "lanes one at a time agree with many" same "$(digest one)" "$(digest grown)"
"$SGDLAB" run both.yaml sparse.yaml --out killed >out 2>err &
pid=$!
sleep 0.2
kill -KILL "$pid" 2>/dev/null
wait "$pid" 2>/dev/null
run 0 "the same command after a kill" run both.yaml sparse.yaml --out killed
check "ends with the same numbers" same "$(digest one)" "$(digest killed)"

run 0 "tables" export one
accuracy() { # MIN FILE: every mean test accuracy at the end is above it
    awk -F, -v min="$1" 'NR == 1 { for (i = 1; i <= NF; i++) { if ($i == "test_accuracy_mean") a = i; if ($i == "cell") c = i } next }
        { last[$c] = $a } END { for (k in last) { n++; if (!(last[k] > min)) bad++ } exit !(n > 0 && bad == 0) }' "$2"
}
check "the classes of CSR data are learnt" accuracy 0.8 one/sparse/summary.csv
check "cells with label noise say so" has one/both/summary.csv 'digits(label_noise=0.25)'

network squares diabetes 'type: mlp, hidden: [8], loss: squared' 'budget: {epochs: 40}' 'batch_size: 16' \
    'schedule: {type: constant, rate: 2.0e-4}' 'record: {points: 2, metrics: [loss]}'
run 0 "a network for regression" run squares.yaml --out squares
run 0 "its tables" export squares
loss() { awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == "loss_mean") a = i; next } { print $a }' squares/squares/summary.csv; }
check "its loss falls below a fifth" awk "BEGIN { exit !($(loss | tail -n 1) < $(loss | head -n 1) / 5) }"

refused() { # WHAT PROBLEM MESSAGE
    network refused digits "$2" 'budget: {epochs: 1}' 'schedule: {type: constant, rate: 0.1}' 'record: {metrics: [loss, accuracy]}'
    run 2 "$1 is refused" run refused.yaml --out refused
    check "... and the message says why" has err "$3"
}
refused "an intercept beside the biases" 'type: mlp, intercept: true' 'has biases of its own'
refused "an empty list of layers" 'type: mlp, hidden: []' 'hidden is an empty list'
refused "a layer without units" 'type: mlp, hidden: [0]' 'hidden is 0'
refused "one number for the layers" 'type: mlp, hidden: 8' 'must be a list of whole numbers'
refused "an unknown activation" 'type: mlp, activation: rely' "did you mean 'relu'?"
refused "a random start where there is none" 'type: softmax_regression, start: initial' 'no random start of its own'
refused "a start of another length" 'type: mlp, hidden: [4], start: [1, 2]' 'has 310 coordinates'
refused "accuracy of a regression" 'type: mlp, loss: squared' 'needs classes'
refused "one class against the rest" 'type: mlp, positive: 8' 'two-class problems only'
refused "label noise of a regression" 'type: least_squares, label_noise: 0.1' 'a regression problem has none'
refused "only wrong labels" 'type: softmax_regression, label_noise: 1' 'label_noise is 1'

run 0 "what there is to set" list mlp
check "the layers are a list" has out 'hidden'
run 0 "data with several classes" data digits --label-noise 0.25
check "name the problems that take them" has out 'softmax_regression, mlp'
check "and the noise" has out 'label noise   0.25'
run 2 "label noise of real targets" data diabetes --label-noise 0.25
finish
