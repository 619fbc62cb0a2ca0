#!/usr/bin/env bash
# Maps through the whole program: the values are those of summary.csv, the limits those of the formulas, the pictures
# redraw alone, hostile names are shown and not executed.
. "$(dirname -- "$0")/lib.bash"
command -v gnuplot >/dev/null || { echo "SKIP: gnuplot is not installed"; exit 77; }

# One column a = 1, 2, 3 and no intercept: H = mean a^2 = 14/3, T = mean a^4 = 98/3.
printf 'a,y\n1,2\n2,1\n3,7\n' >one.csv
cat >batch.yaml <<'YAML'
problem: {type: least_squares, data: one.csv, intercept: false, standardize: false}
replicates: 5
budget: {steps: 400}
schedule: {type: constant}
sweep:
  sampling: [with_replacement, subset]
  batch_size: [1, 2, n]
  schedule.rate: {logspace: [1.0e-3, 10, 13]}
record: {points: 10, metrics: [loss, gap]}
figures:
  - {figure: map, metric: [gap, loss]}
YAML
cat >momentum.yaml <<'YAML'
problem: {type: least_squares, data: one.csv, intercept: false, standardize: false}
replicates: 1
budget: {steps: 400}
sampling: full
schedule: {type: constant}
sweep:
  update:
    - {type: heavy_ball, momentum: [0, 0.5, 0.9]}
    - {type: nesterov, momentum: [0, 0.5, 0.9]}
  schedule.rate: {logspace: [1.0e-2, 10, 40]}
record: {points: 10, metrics: [loss, gap]}
figures: [map]
YAML
run 0 "runs" run batch.yaml momentum.yaml --out res --quiet
run 0 "export" export res
run 0 "draws maps" plot res --format svg,pdf,png
for figure in batch/map_gap_rate_batch_size batch/map_loss_rate_batch_size momentum/map_gap_rate_momentum; do
    for format in gp csv svg pdf png; do
        check "$figure.$format" test -s "res/$figure.$format"
    done
done

# Every cell: the median and the number of diverged runs are those of the last row of summary.csv. (A gap is not shown
# below its certificate, so the loss is compared.)
agree() { # TABLE SUMMARY METRIC
    awk -F, -v metric="$3" '
        { sub(/\r$/, "") }
        FNR == 1 { delete at; for (i = 1; i <= NF; i++) at[$i] = i; next }
        NR == FNR { median[$at["cell"]] = $at[metric "_median"]; left[$at["cell"]] = $at["n_diverged"]; next }
        {
            c = $at["cell"]; rows++
            bad += $at["diverged"] != left[c]
            bad += median[c] == "" || median[c] ~ /inf/ ? $at["median"] != "" : $at["median"] != median[c]
        }
        END { exit !(rows == 78 && !bad) }' "$2" "$1"
}
check "the cells' values are those of summary.csv" agree res/batch/map_loss_rate_batch_size.csv res/batch/summary.csv loss

# The limits: 1/lambda_max is 2H/((1-kappa)H^2 + kappa T) in one dimension. Panel 0: kappa = 1/m; 1: (n-m)/(m(n-1)).
limits() {
    awk -F, '
        { sub(/\r$/, "") }
        NR > 1 {
            kappa = $1 == 0 ? 1 / $2 : (3 - $2) / ($2 * 2)
            limit = 2 * 14 / 3 / ((1 - kappa) * 196 / 9 + kappa * 98 / 3)
            rows++; bad += ($3 - limit)^2 > (1e-9 * limit)^2
        }
        END { exit !(rows == 10 && !bad) }' res/batch/map_gap_rate_batch_size-limit.csv
}
check "mean-square limits by the closed form" limits
full_limits() {
    awk -F, '
        { sub(/\r$/, "") }
        NR > 1 {
            limit = 2 * (1 + $2) / (14 / 3) / ($1 == 0 ? 1 : 1 + 2 * $2)
            rows++; bad += ($3 - limit)^2 > (1e-9 * limit)^2
        }
        END { exit !(rows == 10 && !bad) }' res/momentum/map_gap_rate_momentum-limit.csv
}
check "limits of momentum by the formulas" full_limits
# They are limits of what was run: full batches shrink below them and grow beyond.
kept() {
    awk -F, '
        { sub(/\r$/, "") }
        NR == FNR { if (FNR > 1) limit[$1, $2] = $3; next }
        FNR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        {
            share = $at["x"] / limit[$at["panel"], $at["y"]]
            if (share < 0.95) { below++; bad += $at["state"] != "finite" || $at["median"] > 1 }
            if (share > 1.05) { beyond++; bad += $at["state"] == "finite" }
        }
        END { exit !(below > 60 && beyond > 60 && !bad) }' res/momentum/map_gap_rate_momentum-limit.csv \
        res/momentum/map_gap_rate_momentum.csv
}
check "full batches stay below the limits and leave above them" kept

check "axes are named" has res/batch/map_gap_rate_batch_size.svg "batch size m"
check "so are the colours" has res/batch/map_gap_rate_batch_size.svg "f(x) - f* after 400 steps"
check "the limit has its formula" has res/batch/map_gap_rate_batch_size.svg "1/λ_max of ((1−κ) H⊗H + κT, H⊗I + I⊗H), κ = 1/m"
check "and the other kappa" has res/batch/map_gap_rate_batch_size.svg "κ = (n−m)/(m(n−1))"
check "heavy ball's" has res/momentum/map_gap_rate_momentum.svg "2(1+β)/L"
check "Nesterov's" has res/momentum/map_gap_rate_momentum.svg "2(1+β)/((1+2β)L)"
check "panels are named" has res/momentum/map_gap_rate_momentum.svg "heavy ball"
check "the best cell is told" has res/batch/map_gap_rate_batch_size.svg ">best of the row<"
check "divergence is told" has res/batch/map_gap_rate_batch_size.svg "half of the runs or more diverged"

# A folder stands alone: redrawn elsewhere without the other tables, the same picture.
mkdir alone && cp res/batch/map_gap_rate_batch_size{.gp,.csv,-limit.csv} res/batch/style.gp alone/
(cd alone && gnuplot map_gap_rate_batch_size.gp 2>said)
check "redraws alone" cmp -s alone/map_gap_rate_batch_size.svg res/batch/map_gap_rate_batch_size.svg
check "gnuplot has nothing to say" test ! -s alone/said
run 0 "column width, LaTeX" plot res --format tex --size column --experiment momentum
check "LaTeX knows the formula" has res/momentum/map_gap_rate_momentum-latex.tex '2(1+$\beta$)/L'

# Without the data the map is drawn all the same, with the limit of full batches.
mv one.csv gone.csv
run 0 "draws without the data" plot res --format svg --experiment batch
check "the script says why" has res/batch/map_gap_rate_batch_size.gp "# The mean-square limit is not drawn"
check "and what is drawn instead" has res/batch/map_gap_rate_batch_size.svg "2/L: limit of full batches"
mv gone.csv one.csv

# Hostile text in names of files and experiments.
mkdir data
name=$'x`touch hacked1`$(touch hacked2)\'; system("touch hacked3"); print "\nsystem("touch hacked4")'
cp one.csv "data/$name.csv"
cat >hostile.yaml <<YAML
experiment: "e\`touch hacked5\`'; system('touch hacked6') #"
problem: {type: least_squares, data: "data/x\`touch hacked1\`\$(touch hacked2)'; system(\"touch hacked3\"); print \"\\nsystem(\"touch hacked4\").csv"}
replicates: 2
budget: {steps: 20}
schedule: {type: constant}
sweep: {batch_size: [1, 2], schedule.rate: [0.01, 0.1, 1]}
figures: [map]
YAML
sed -i 's/"touch hacked\([34]\)"/\\"touch hacked\1\\"/g; s/print "/print \\"/' hostile.yaml
run 0 "hostile names run" run hostile.yaml --out bad --quiet
run 0 "and export" export bad
run 0 "and are drawn" plot bad --format svg
rm "data/$name.csv"
run 0 "also without their data, with the reason" plot bad --format svg
check "nothing was executed" test -z "$(find . -name 'hacked*')"
check "shown as text" grep -q 'touch hacked1' bad/*/map_gap_rate_batch_size.svg
finish
