#!/usr/bin/env bash
# Estimator runs through the whole program: what they find, the table they end in, the same on any number of threads.
. "$(dirname -- "$0")/lib.bash"
cat >frozen.yaml <<'YAML'
question: Does the variance fall as the formulas say?
kind: estimator
problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 200, d: 5}}
at: {type: optimum_gaussian, scale: 1}
draws: 3000
replicates: 2
seed: 3
sweep:
  sampling: [with_replacement, subset, reshuffle, shuffle_once, cyclic, full]
  batch_size: [1, 10, n/2, n]
YAML
cat >real.yaml <<'YAML'
question: And on real data, wherever the iterate is frozen?
kind: estimator
draws: 2000
schedule: {type: constant, rate: 0.05}
sweep:
  problem:
    - {type: logistic_regression, data: breast_cancer, l2: 1.0e-2}
    - {type: linear_svm, data: heart_scale, l2: 1.0e-2}
  at: [start, optimum, gaussian, {type: after, steps: 200}]
  sampling: [with_replacement, subset]
  batch_size: [1, 16]
YAML

# column TABLE NAME: the number of that column.
column() { head -n 1 "$1" | tr -d '\r' | tr ',' '\n' | grep -nx -- "$2" | cut -d: -f1; }
# The rows whose sampling (regular expression) matches: how many; and those for which an awk condition on variance, se,
# predicted, p holds.
rows() {
    awk -F, -v sampling="$2" -v S="$(column "$1" sampling)" -v V="$(column "$1" variance)" -v E="$(column "$1" se)" \
        -v P="$(column "$1" predicted_variance)" -v Q="$(column "$1" p_value)" -v M="$(column "$1" batch_size)" \
        'NR > 1 && $S ~ sampling { variance = $V; se = $E; predicted = $P; p = $Q; m = $M; if ('"${3:-1}"') n++ }
         END { print n + 0 }' "$1"
}

run 0 "two experiments" run frozen.yaml real.yaml --out one --threads 1
run 0 "on two threads" run frozen.yaml real.yaml --out two --threads 2
check "threads do not change a bit" same "$(digest one)" "$(digest two)"
run 0 "again" run frozen.yaml real.yaml --out two
check "nothing is left to do" has out "frozen: 0 to do"
run 0 "other draws" run frozen.yaml --out other --seed 4
check "another seed is another result" differ "$(digest one)" "$(digest other)"

run 0 "export" export one
table=one/frozen/estimator.csv
check "the columns" has $table "experiment,problem,data,sampling,batch_size,draws,bias_statistic,p_value,variance,se,predicted_variance"
check "full is one run, whatever m: 4 sizes x 5 samplers and it, twice" same "$(rows $table '')" 42
random='^(with_replacement|subset|reshuffle|shuffle_once)$'
check "every variance is within 5 standard errors" same \
    "$(rows $table "$random" 'predicted > 0 && (variance - predicted)^2 < 25 * se^2 && se < 0.1 * predicted')" 26
check "a batch of all samples has none, to rounding" same "$(rows $table '' 'predicted == 0 && variance < 1e-25')" 10
check "no p-value below 1e-4" same "$(rows $table "$random" 'p > 1e-4')" 32
check "cyclic has no p-value, but for whole epochs" same "$(rows $table '^cyclic$' 'p == ""')" 6
check "the covariance of five coordinates" same "$(wc -l <one/frozen/covariance.csv | tr -d ' ')" $((1 + 42 * 25))

table=one/real/estimator.csv
check "2 problems x 4 places x 2 samplers x 2 sizes" same "$(rows $table '')" 32
check "real data: every variance is within 5 standard errors" same \
    "$(rows $table '' '(variance - predicted)^2 < 25 * se^2 && se < 0.2 * predicted')" 32
check "real data: no p-value below 1e-4" same "$(rows $table '' 'p > 1e-4')" 32

cat >wrong.yaml <<'YAML'
kind: estimator
problem: {type: least_squares, data: diabetes}
at: {type: start, scale: 2}
YAML
run 2 "a scale for a start" run wrong.yaml --out wrong
check "the message says where it belongs" has err "scale goes with type: gaussian or optimum_gaussian"
cat >none.yaml <<'YAML'
kind: estimator
problem: {type: logistic_regression, data: breast_cancer}
at: optimum
YAML
run 2 "frozen at an optimum that does not exist" run none.yaml --out none
cat >away.yaml <<'YAML'
kind: estimator
problem: {type: least_squares, data: diabetes}
schedule: {type: constant, rate: 100}
at: {type: after, steps: 500}
YAML
run 1 "frozen after a training that diverges" run away.yaml --out away
check "the message says when" has err "diverges at step"
finish
