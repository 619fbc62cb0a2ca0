#!/usr/bin/env bash
# Laws through the whole program: the verdict table, its exit statuses, JSON, tables and figures, power before the run, mistakes.
. "$(dirname -- "$0")/lib.bash"

# experiment NAME LAWS-LINE DRAWS: estimator runs of least squares, both samplers.
experiment() {
    cat >"$1.yaml" <<YAML
question: Does the framework tell a true law from a false one?
kind: estimator
problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 3}}
at: {type: optimum_gaussian, scale: 1}
draws: $3
margins: {value: 0.1, slope: 0.05}
independent_over: [sampling, batch_size]
sweep: {sampling: [with_replacement, subset], batch_size: [2, 8, n/2, n]}
laws:
$2
YAML
}
experiment true "  - {law: unbiased}
  - {law: variance}
  - {law: variance, correction: none, where: {sampling: subset, batch_size: n/2}, expect: refuted, instance: plain, note: half is known}" 60000
experiment false "  - {law: variance, correction: none, where: {sampling: subset, batch_size: n/2}}" 60000
experiment weak "  - {law: variance, where: {batch_size: 2}}" 60

# ---- before the run ----
run 0 "a dry run" run true.yaml weak.yaml --dry-run
check "it shows the number of checks and z" matches out '^Power: 31 checks of laws, z = [34]\.[0-9]+'
check "enough draws" matches out 'L1 +Unbiased batch gradients +true .* (1\.0000|0\.999[0-9]) +6e\+04'
check "too few" matches out 'L2 +Variance over batch size +weak .* 0\.0000 +60 '
check "nothing was written" test ! -e results

# ---- verdicts ----
run 0 "runs" run true.yaml --out good --quiet
run 0 "verify: every verdict as expected" verify good
cp out table
check "the group" matches out '^Core$'
check "L1 is confirmed" matches out '^  L1 +Unbiased batch gradients +true +8/8 .* confirmed$'
check "L2 is confirmed" matches out '^  L2 +Variance over batch size +true +17/17 .* confirmed$'
check "the known deviation" matches out '^  L2 +Variance over batch size, plain +true +2/2 .* refuted, as expected$'
check "and why" has out "half is known"
check "the summary" has out "3 of 3 laws as expected"
check "no colour in a pipe" test "$(grep -c $'\033' out)" -eq 0
run 0 "every check" verify good --verbose --law L2
check "each is shown" test "$(grep -cE '^ {6}(confirmed|refuted) ' out)" -eq 19
check "with its instance" has out "least_squares on gaussian_least_squares(n=64;d=3), subset, m = 8"
check "one law only" test "$(grep -c 'Unbiased' out)" -eq 0
if command -v script >/dev/null; then
    # script gives the program a terminal.
    script -qec "TERM=xterm '$SGDLAB' verify good" /dev/null >terminal 2>&1 </dev/null
    check "colour on a terminal" grep -q $'\033\[32m' terminal
    script -qec "TERM=xterm NO_COLOR=1 '$SGDLAB' verify good" /dev/null >terminal 2>&1 </dev/null
    check "NO_COLOR" test "$(grep -c $'\033' terminal)" -eq 0
fi
run 0 "the results of another directory" verify good --experiment true
if command -v python3 >/dev/null; then
    run 0 "JSON" verify good --json
    check "it is valid, and says the same" python3 - <<'PY'
import json
d = json.load(open("out"))
assert d["checks"] == 27 and abs(d["alpha"] - 0.01 / 27) < 1e-12
assert [(l["number"], l["agrees"], len(l["checks"])) for l in d["laws"]] == [("L1", "yes", 8), ("L2", "yes", 17), ("L2", "yes", 2)]
plain = d["laws"][2]["checks"][0]
assert plain["verdict"] == plain["expected"] == "refuted" and plain["note"] == "half is known"
assert abs(plain["measured"] / plain["predicted"] - 32 / 63) < 0.02 and plain["replicates"] == 60000
assert d["experiments"] == [{"experiment": "true", "finished": True, "runs": 8, "planned": 8, "failure": None}]
PY
fi

run 0 "a false law is added" run false.yaml --out good --quiet
run 3 "its verdict is not as expected" verify good
check "the row says so" matches out '^  L2 +Variance over batch size +false +0/2 .* refuted, NOT as expected \(confirmed\)$'
run 0 "the others are as before" verify good --experiment true
run 3 "JSON has the same status" verify good --json
run 0 "few draws" run weak.yaml --out weak --quiet
run 0 "underpowered does not count" verify weak
check "it is told" matches out 'inconclusive: about [0-9.e+]+ times the replicates$'
check "and counted" has out "0 of 1 laws as expected, 1 underpowered"

# ---- what is not there ----
sed -i 's/^draws:.*/draws: 60000\nreplicates: 3/' weak.yaml
run 0 "a plan of which one shard of many is done" run weak.yaml --out part --shard 1/24 --quiet
run 0 "verify an unfinished experiment" verify part
check "no verdict is guessed" matches out '^weak is not finished: [0-9]+ of 24 runs are there; no verdict'
run 2 "no results" verify nowhere
run 2 "an unknown law on the command line" verify good --law varience
check "the nearest" has err "did you mean 'variance'?"
run 2 "an unknown experiment" verify good --experiment trve
check "the nearest again" has err "did you mean 'true'?"
run 2 "an unknown option" verify good --jsn
printf 'problem: {type: least_squares, data: diabetes}\nlaws:\n  - {law: unbiassed}\n' >wrong.yaml
run 2 "an unknown law in an experiment" run wrong.yaml --out wrong
check "its place" has err "wrong.yaml:3:11: unknown law 'unbiassed' (did you mean 'unbiased'?)"
printf 'problem: {type: least_squares, data: diabetes}\nbudget: {epochs: 1}\nschedule: {type: constant, rate: 0.01}\nlaws: {law: variance}\n' >training.yaml
run 0 "a law on runs that it does not speak of" run training.yaml --out training --quiet
run 2 "it cannot be evaluated" verify training
check "the reason" has out "this law needs kind: estimator"

# ---- data that moved ----
mkdir here && printf '%s\n' '1 1:1 2:0.5' '-1 1:0.3 2:2' '1 1:2 2:-1' '-1 1:-1 2:1' '1 1:0.1 2:1.5' >here/own.libsvm
experiment moved "  - {law: unbiased, where: {batch_size: 2}}" 4000
sed -i 's/data: {.*}}/data: own.libsvm}/; s/batch_size: \[.*\]/batch_size: [2]/; s/at: .*/at: {type: gaussian, scale: 1}/' moved.yaml
mv moved.yaml here/
run 0 "data beside the experiment" run here/moved.yaml --out moved --quiet
run 0 "verify finds them" verify moved
(cd here && "$SGDLAB" verify ../moved >../out 2>&1)
check "from another folder too" test $? -eq 0
mv here there
run 2 "data that are gone" verify moved
check "it says which" has out "own.libsvm"
run 0 "and finds them where it is told" verify moved --data-dir there

# ---- tables and figures ----
run 0 "export" export good
check "laws.csv of all" test "$(wc -l <good/laws.csv)" -eq 30
check "laws.csv of one" test "$(wc -l <good/true/laws.csv)" -eq 28
check "its columns" has good/laws.csv "experiment,law,instance,quantity,predicted,measured,se,ci_low,ci_high,margin,alpha,verdict,expected,agrees,replicates,note"
for figure in true/law_unbiased true/law_variance true/law_variance-2 false/law_variance laws_qq; do
    check "$figure.gp" test -s "good/$figure.gp"
    check "$figure.csv" test -s "good/$figure.csv"
done
if command -v gnuplot >/dev/null; then
    run 0 "plot" plot good --format svg
    for figure in true/law_unbiased true/law_variance true/law_variance-2 false/law_variance laws_qq; do
        check "$figure.svg" test -s "good/$figure.svg"
    done
    check "the QQ plot's axis" has good/laws_qq.svg "expected if uniform"
fi
run 0 "list laws" list laws
check "number, title, claim, source, parameters" matches out '^  variance +L2, Variance over batch size; source: Cochran'
check "parameters" matches out '^ +correction .*default finite'
finish
