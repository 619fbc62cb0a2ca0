#!/usr/bin/env bash
# The certified optima against scikit-learn, scipy and liblinear, on the very numbers that the program works with: no peer
# may find a better point than the certificate allows, and each must come as close as its own tolerance.
. "$(dirname -- "$0")/lib.bash"
here=$(cd "$(dirname -- "$0")" && pwd)
python=
for candidate in python3 /usr/bin/python3; do
    if command -v "$candidate" >/dev/null && "$candidate" -c 'import sklearn, scipy' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "SKIP: scikit-learn and scipy (Debian: python3-sklearn) are not installed"
    exit 77
fi

# case_of NAME PEER PROBLEM DATA OPTIONS: one step of the program, which solves for f* first.
cases=()
case_of() {
    local name=$1 peer=$2 problem=$3 data=$4 options=$5
    cat >"$name.yaml" <<YAML
question: What is the optimum?
problem: {type: $problem, data: $data${options:+, $options}}
budget: {steps: 1}
schedule: {type: constant, rate: 1.0e-3}
record: {points: 2, metrics: [loss, gap]}
YAML
    cases+=("$name $peer $data")
}
case_of squares lstsq least_squares diabetes ""
case_of squares_heart lstsq least_squares heart_scale ""
case_of ridge ridge least_squares diabetes "l2: 1.0e-1"
case_of ridge_all ridge least_squares diabetes "l2: 1.0e-1, penalize_intercept: true"
case_of logistic logistic logistic_regression breast_cancer "l2: 1.0e-3"
case_of logistic_all logistic logistic_regression digits "l2: 1.0e-3, positive: 8, penalize_intercept: true"
case_of logistic_bare logistic logistic_regression heart_scale "intercept: true"
case_of logistic_l1 logistic logistic_regression breast_cancer "l1: 1.0e-2, penalize_intercept: true"
case_of logistic_ball slsqp logistic_regression heart_scale "radius: 1"
case_of squares_ball slsqp least_squares diabetes "radius: 50"
case_of lasso lasso lasso diabetes "l1: 2"
case_of elastic_net lasso lasso diabetes "l1: 0.5, l2: 0.1"
case_of svm svc linear_svm breast_cancer "l2: 1.0e-2"
case_of svm_all linearsvc linear_svm heart_scale "l2: 1.0e-2, intercept: true, penalize_intercept: true"
case_of svm_bare linprog linear_svm heart_scale "intercept: true"
case_of svm_l1 linprog linear_svm breast_cancer "l1: 1.0e-2"
case_of deviations linprog least_absolute_deviations diabetes ""
case_of deviations_l1 linprog least_absolute_deviations diabetes "l1: 0.2"

run 0 "every problem is solved" run ./*.yaml --out results --quiet
run 0 "and exported" export results
for entry in "${cases[@]}"; do
    read -r name peer data <<<"$entry"
    positive=$(sed -n 's/.*positive: \([0-9]*\).*/\1/p' "$name.yaml")
    "$SGDLAB" data "$data" ${positive:+--positive "$positive"} --csv >"$name.csv"
    check "$name: $peer agrees" "$python" "$here/optimum_peers.py" "$peer" "results/$name/runs.csv" "$name.csv"
done
if command -v liblinear-train >/dev/null; then
    for name in logistic_all svm_all logistic_l1; do
        check "$name: liblinear agrees" "$python" "$here/optimum_peers.py" liblinear "results/$name/runs.csv" "$name.csv"
    done
else
    echo "liblinear-train (Debian: liblinear-tools) is not installed: its checks were left out"
fi
finish
