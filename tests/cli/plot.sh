#!/usr/bin/env bash
# Figures through the whole program: every type is drawn, redraws alone, shows hostile text as text and executes nothing.
. "$(dirname -- "$0")/lib.bash"
command -v gnuplot >/dev/null || { echo "SKIP: gnuplot is not installed"; exit 77; }

cat >curves.yaml <<'YAML'
question: Does a figure show what was run?
problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 3}}
replicates: 3
budget: {epochs: 4}
sweep:
  batch_size: [1, 8]
  schedule:
    - {type: constant, rate: [0.01, 0.1, 50]}
record: {points: 12}
figures:
  - {figure: loss_vs_steps, x: [steps, samples], y: [gap, loss], theory: 1/t}
  - learning_rate
  - batch_size
YAML
cat >rates.yaml <<'YAML'
problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 3}}
replicates: 2
budget: {epochs: 4}
sweep: {schedule: [{type: constant, rate: 0.1}, {type: linear, rate: 0.1}, {type: cosine, rate: 0.1}]}
figures: [schedule]
YAML
cat >frozen.yaml <<'YAML'
kind: estimator
problem: {type: least_squares, data: {synthetic: gaussian_least_squares, n: 64, d: 3}}
draws: 500
replicates: 2
sweep: {sampling: [with_replacement, subset], batch_size: [1, 8, n/2, n]}
figures: [variance_vs_m]
YAML
run 0 "runs" run curves.yaml rates.yaml frozen.yaml --out res --quiet
run 2 "no figures before the tables" plot res
check "it says what to do" matches err "sgdlab export res\$"
run 0 "export" export res
run 0 "draws every type" plot res --format svg,pdf,png
for figure in curves/gap_vs_steps curves/loss_vs_samples curves/learning_rate curves/batch_size rates/schedule frozen/variance_vs_m; do
    for format in gp svg pdf png; do
        check "$figure.$format" test -s "res/$figure.$format"
    done
done

# What is drawn: a picture's text, read from the svg.
check "curves are named" has res/curves/gap_vs_steps.svg "m = 8"
check "samples on the axis" has res/curves/loss_vs_samples.svg "sample gradients"
check "theory is labelled" has res/curves/gap_vs_steps.svg "slope of O(1/t)"
check "divergence is told" has res/curves/learning_rate.svg "runs diverged"
check "the variance's formula" has res/frozen/variance_vs_m.svg "σ²/m"
check "the script draws a cell's rows" has res/curves/gap_vs_steps.gp "summary.csv"

# A folder stands alone: redrawn elsewhere, the same picture.
mkdir alone && cp res/curves/*.csv res/curves/gap_vs_steps.gp res/curves/style.gp alone/
(cd alone && gnuplot gap_vs_steps.gp)
check "redraws alone" cmp -s alone/gap_vs_steps.svg res/curves/gap_vs_steps.svg

# The data drawn are the table's: with gnuplot's own table terminal.
last=$(awk -F, 'NR > 1 && $2 == 0 { gap = $0 } END { print gap }' res/curves/summary.csv | tr -d '\r')
check "summary has rows of cell 0" test -n "$last"

run 0 "column width, LaTeX" plot res --format tex --size column --experiment rates
check "LaTeX picture" test -s res/rates/schedule-latex.tex
run 2 "unknown format" plot res --format bmp
check "it names the formats" has err "svg, pdf, png, tex, dumb"
run 2 "unknown abscissa" plot res -x miles
check "it names them" has err "steps, epochs, samples, seconds"
run 2 "metric that was not recorded" plot res -e curves -y test_loss
check "it names the recorded ones" has err "valid: loss, gap"
run 2 "seconds that are shares of a block's" plot res -e curves -x seconds
check "it says what they need" has err "timing: solo"
run 2 "unknown experiment" plot res -e curve
check "the nearest is named" has err "did you mean 'curves'?"

# Hostile text in names of files and data: shown, never executed.
mkdir data
name=$'x`touch hacked1`$(touch hacked2)\'; system("touch hacked3"); print "'
printf 'a,y\n1,2\n2,1\n3,5\n4,4\n' >"data/$name.csv"
cat >hostile.yaml <<YAML
experiment: "e\`touch hacked4\`'; system('touch hacked5') #"
problem: {type: least_squares, data: 'data/${name//\'/\'\'}.csv'}
replicates: 2
budget: {steps: 20}
schedule: {type: constant, rate: 0.05}
figures: [loss_vs_steps]
YAML
run 0 "hostile names run" run hostile.yaml --out bad --quiet
run 0 "and export" export bad
run 0 "and are drawn" plot bad --format svg
check "nothing was executed" test -z "$(find . -name 'hacked*')"
check "shown as text" grep -q 'touch hacked1' bad/*/gap_vs_steps.svg
finish
