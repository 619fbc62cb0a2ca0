#!/usr/bin/env bash
# Shards, run apart and merged in any order, hold exactly what one run of the whole holds.
. "$(dirname -- "$0")/lib.bash"
write_experiments
run 0 "the whole" run small.yaml squares.yaml --out whole
for i in 1 2 3; do
    run 0 "shard $i/3" run small.yaml squares.yaml --shard "$i/3" --out "part$i"
done
check "a shard is not the whole" differ "$(digest part1)" "$(digest whole)"
check "two shards differ" differ "$(digest part1)" "$(digest part2)"
run 0 "merge" merge joined part1 part2 part3
check "the merged shards equal the whole" same "$(digest joined)" "$(digest whole)"
run 0 "merge in another order, one of them twice" merge again part3 part1 part1 part2
check "order and repetition do not matter" same "$(digest again)" "$(digest whole)"
run 0 "run the whole in the merged directory" run small.yaml squares.yaml --out joined
check "nothing is left to do in small" has out "small: 0 to do"
check "nothing is left to do in squares" has out "squares: 0 to do"
run 0 "status of one shard" status part1
check "status of one shard shows what is left" matches out 'small +[0-9]+ +[0-9]+ +[0-9]+ +0 +[1-9]'
run 2 "merge from a directory that is not there" merge joined nowhere
check "the message names it" has err nowhere
run 2 "merge into itself" merge joined joined
run 2 "merge without a source" merge joined
run 2 "shard 0/3" run small.yaml --shard 0/3 --out x
run 2 "shard 4/3" run small.yaml --shard 4/3 --out x
run 2 "shard 1" run small.yaml --shard 1 --out x
check "nothing was written by wrong usage" test ! -e x
finish
