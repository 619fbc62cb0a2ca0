# Shared by the whole-program tests: each prints what it checks, and ends with failed checks counted. Source it first.
set -u
: "${SGDLAB:?the program to test}"
failures=0

# check WHAT COMMAND...: the command must succeed.
check() {
    local what=$1
    shift
    if "$@"; then
        echo "ok: $what"
    else
        echo "FAILED: $what ($*)"
        failures=$((failures + 1))
    fi
}

# run STATUS WHAT ARGUMENT...: sgdlab must exit with STATUS; leaves its output in out and err.
run() {
    local expected=$1 what=$2 status=0
    shift 2
    "$SGDLAB" "$@" >out 2>err </dev/null || status=$?
    if [ "$status" -eq "$expected" ]; then
        echo "ok: $what (exit $status)"
    else
        echo "FAILED: $what: exit $status instead of $expected: sgdlab $*"
        sed 's/^/  | /' out err | head -n 20
        failures=$((failures + 1))
    fi
}

# Does a file hold this text, or match this extended regular expression?
has() { grep -qF -- "$2" "$1" || { sed 's/^/  | /' "$1" | head -n 20; false; }; }
matches() { grep -qE -- "$2" "$1" || { sed 's/^/  | /' "$1" | head -n 20; false; }; }
same() { [ "$1" = "$2" ] && [ -n "$1" ]; }
differ() { [ "$1" != "$2" ] && [ -n "$1" ] && [ -n "$2" ]; }
digest() { "$SGDLAB" digest "$1"; }

finish() {
    [ "$failures" -eq 0 ] || { echo "$failures checks failed"; exit 1; }
    exit 0
}

# Two small experiments over shipped and synthetic data: every sampler, both tasks, several averagers of one trajectory,
# local SGD.
write_experiments() {
    cat >small.yaml <<'YAML'
question: Does this small sweep give the same numbers every time?
problem: {type: logistic_regression, data: breast_cancer, l2: 1.0e-2}
replicates: 3
seed: 7
budget: {epochs: 2}
sweep:
  sampling: [with_replacement, subset, reshuffle, shuffle_once, cyclic, full]
  batch_size: [1, 16]
  schedule:
    - {type: constant, rate: [0.01, 0.1]}
  averaging: [last, uniform]
record: {points: 10, metrics: [loss, gap]}
YAML
    cat >squares.yaml <<'YAML'
question: And this one on synthetic data?
problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 200, d: 5}}
replicates: 4
budget: {steps: 500}
sweep:
  batch_size: [1, 8]
  momentum: [0, 0.9]
  local:
    - {workers: 1, sync_every: 1}
    - {workers: 2, sync_every: 4}
  averaging: [last, uniform]
  schedule:
    - {type: constant, rate: 0.01}
    - {type: cosine, rate: 0.01}
record: {points: 12, spacing: log, metrics: [loss, gap, grad_norm2]}
YAML
}

# An experiment that takes about SECONDS (first argument) on two threads, in many blocks.
write_long() {
    cat >long.yaml <<YAML
question: Can this be interrupted?
problem: {type: logistic_regression, data: breast_cancer, l2: 1.0e-2}
replicates: 60
budget: {epochs: $(($1 * 40))}
sweep:
  batch_size: [1, 4]
  schedule:
    - {type: constant, rate: {logspace: [1.0e-3, 1.0e-1, 8]}}
record: {points: 10, metrics: [loss]}
YAML
}
