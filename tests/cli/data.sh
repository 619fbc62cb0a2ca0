#!/usr/bin/env bash
# `data` tells what a data set is, and its numbers survive the way through CSV.
. "$(dirname -- "$0")/lib.bash"
run 0 "data breast_cancer" data breast_cancer --l2 0.001
check "its size" matches out '^n +569$'
check "its dimension, with the intercept" matches out '^d +31 with the intercept$'
check "its classes" matches out '^task +binary$'
check "the mapping of labels" matches out '-> -1: (212|357) samples'
check "a checksum" matches out '^checksum +[0-9a-f]{64}$'
check "L and mu of logistic regression" matches out '^logistic_regression +3\.[0-9]+ +0$'
run 0 "without intercept" data breast_cancer --l2 0.001 --intercept no
check "mu is l2 when nothing is exempt" matches out '^logistic_regression +3\.[0-9]+ +0\.001$'
run 0 "data diabetes" data diabetes
check "it is regression" matches out '^task +regression$'
check "its size" matches out '^n +442$'
run 0 "data digits" data digits
check "ten classes" matches out '^task +multiclass$'
run 0 "sparse data" data sparse_logistic
check "stored sparse" matches out 'stored sparse'

run 0 "X and y as CSV" data diabetes --standardize no --intercept no --csv
mv out diabetes.csv
check "a header and a line per sample" test "$(wc -l <diabetes.csv)" -eq 443
run 0 "the CSV as input" data ./diabetes.csv --standardize no --intercept no --csv
check "the numbers round-trip" cmp out diabetes.csv
run 0 "synthetic data" data gaussian_least_squares --set n=50 --set d=3
check "parameters are taken" matches out '^n +50$'
run 0 "a small exact case" data gaussian_least_squares --set n=50 --set d=3 --csv
mv out once.csv
run 0 "the same again" data gaussian_least_squares --set n=50 --set d=3 --csv
check "synthetic data are the same every time" cmp out once.csv
printf 'y,a,b\n1,2,0\n2,0,1\n' >tiny.csv
run 0 "orthogonal columns" data tiny.csv --task regression --standardize no --intercept no
check "L and mu by hand: X'X/n = diag(2, 1/2)" matches out '^least_squares +2 +0\.5$'
check "the condition number by hand" matches out '^condition +4 '

printf 'a,kind\n1,M\n2,B\n3,B\n4,other\n' >words.csv
run 0 "classes in words" data words.csv
check "several classes" matches out '^task +multiclass$'
run 0 "one against the rest" data words.csv --positive M
check "the mapping is shown" matches out '^ +M -> 1: 1 sample$'
check "of the others too" matches out '^labels +B -> -1: 2 samples$'
run 2 "words for a regression" data words.csv --task regression
check "the place is told" has err "words.csv:2:3: "

run 2 "an unknown data set" data breast_cancr
check "the nearest name is told" has err breast_cancer
printf '1 1:0.5\n-1 2:nan\n' >bad.libsvm
run 2 "a bad value" data bad.libsvm
check "file, line and column" matches err '^sgdlab: .*bad\.libsvm:2:[0-9]+: '
run 2 "an unknown parameter" data gaussian_least_squares --set m=3
run 2 "a value out of bounds" data gaussian_least_squares --set n=0
run 2 "no name" data
finish
