#!/usr/bin/env bash
# The digest of all results is the same for any number of threads, and for a second run in the same place.
. "$(dirname -- "$0")/lib.bash"
write_experiments
run 0 "run with one thread" run small.yaml squares.yaml --threads 1 --out one
run 0 "run with two threads" run small.yaml squares.yaml --threads 2 --out two
run 0 "run with five threads" run small.yaml squares.yaml --threads 5 --out five
check "one and two threads agree bit for bit" same "$(digest one)" "$(digest two)"
check "one and five threads agree bit for bit" same "$(digest one)" "$(digest five)"
check "a digest has 64 hexadecimal digits" matches <(digest one) '^[0-9a-f]{64}$'
before=$(digest one)
run 0 "a second run" run small.yaml squares.yaml --threads 1 --out one
check "a second run computes nothing in the first experiment" has out "small: 0 to do"
check "a second run computes nothing in the second experiment" has out "squares: 0 to do"
check "a second run changes nothing" same "$before" "$(digest one)"
run 0 "run with --fresh" run small.yaml --fresh --threads 2 --out one
check "--fresh computes again" matches out 'small: [1-9][0-9]* runs done'
check "--fresh finds the same numbers" same "$before" "$(digest one)"
run 0 "another seed" run small.yaml squares.yaml --seed 8 --out other
check "another seed gives other numbers" differ "$before" "$(digest other)"
for kernel in avx2 avx512 portable; do
    SGDLAB_KERNEL=$kernel "$SGDLAB" run small.yaml squares.yaml --out "$kernel" >out 2>err || {
        echo "skipped: kernels $kernel do not run here"
        continue
    }
    check "kernels $kernel are used" has out "kernels $kernel "
    if grep -qF '(fma)' out; then
        check "kernels $kernel give the same digest" same "$before" "$(digest "$kernel")"
    else
        check "kernels without fma are kept apart" differ "$before" "$(digest "$kernel")"
    fi
done
finish
