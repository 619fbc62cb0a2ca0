#!/usr/bin/env bash
# `list` shows every kind with parameters; `--help` and `--version` work everywhere.
. "$(dirname -- "$0")/lib.bash"
run 0 "list" list
for word in problems samplers schedules updates averagers synthetic datasets laws; do
    check "list has the heading $word" matches out "^$word:\$"
    run 0 "list $word" list "$word"
    check "list $word prints something" test -s out
    run 0 "list" list
done
for name in logistic_regression lasso with_replacement shuffle_once fixed_horizon heavy_ball tail gaussian_least_squares \
    breast_cancer; do
    check "list names $name" matches out "^  $name( |\$)"
done
run 0 "list updates" list updates
check "a parameter has bounds and a default" matches out '^ +momentum .*>= 0 and < 1.*default 0\.9'
run 0 "list schedules" list schedule
check "the singular works" matches out '^  cosine'
run 0 "one method" list cosine
check "with its parameters" matches out '^ +floor '
check "and nothing else" test "$(grep -c '^  [a-z]' out)" -eq 1
run 0 "one data set" list digits
check "with its size" matches out '^  digits +n = 1797'
run 2 "an unknown kind" list shedules
check "the nearest kind is named" has err "nearest: 'schedules'"
check "the kinds are named" has err samplers
run 2 "an unknown method" list cosin
check "the nearest method is named" has err "nearest: 'cosine'"
run 0 "version" --version
check "version has a number" matches out '^sgdlab [0-9]+\.[0-9]+'
run 0 "help" --help
for command in run status merge export plot digest list data bench; do
    check "help names $command" matches out "^  $command +[a-z]"
done
for command in run status merge export digest list data plot bench; do
    run 0 "$command --help" "$command" --help
    sed -n '/^Examples\{0,1\}:/,$p' out >example
    check "$command --help has an example" has example "sgdlab $command"
done
run 0 "help COMMAND" help run
check "is COMMAND --help" has out "--dry-run"
run 2 "no command"
check "no command prints the commands" has err "sgdlab COMMAND"
run 2 "an unknown command" rnu
check "the nearest command is named" has err "did you mean 'run'?"
if [ -w /dev/full ]; then
    status=0
    "$SGDLAB" list >/dev/full 2>err || status=$?
    check "a full disk is an error" test "$status" -eq 1
fi
finish
