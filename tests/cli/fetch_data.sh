#!/bin/bash
# experiments/data/fetch.sh without a network: clear failures, nothing left behind; and its checks, from a local mirror.
set -u
fetch=$SGDLAB_TEST_SOURCE_DIR/experiments/data/fetch.sh
command -v curl >/dev/null || { echo "SKIP: curl is not installed (the local mirror is a file:// address)"; exit 77; }

fail() { echo "FAIL: $*"; exit 1; }

# expect STATUS WORDS ARGUMENT...
expect() {
    local status=$1 words=$2 got=0
    shift 2
    "$fetch" "$@" >output 2>&1 || got=$?
    [ "$got" -eq "$status" ] || fail "fetch.sh $*: exit $got, not $status: $(cat output)"
    grep -q -e "$words" output || fail "fetch.sh $*: no '$words' in: $(cat output)"
}

export SGDLAB_DATA_URL=file://$PWD/mirror
mkdir mirror here
expect 0 'Usage' --help
expect 2 'valid: w8a a9a' w9a
expect 2 'Usage'
expect 1 'is there a network' a9a --into here
[ -z "$(ls -A here)" ] || fail "something is left in the folder: $(ls -A here)"

printf '+1 1:1\n-1 2:1\n' >mirror/a9a
expect 1 'expected 32561' a9a --into here
[ -z "$(ls -A here)" ] || fail "a wrong file is left in the folder"
awk 'BEGIN { for (i = 1; i <= 32561; i++) print (i % 2 ? "+1" : "-1") " " i % 100 + 1 ":1 123:1" }' >mirror/a9a
expect 0 '32561 samples' a9a --into here
[ "$(ls -A here)" = a9a.gz ] || fail "not just a9a.gz: $(ls -A here)"
gzip -dc here/a9a.gz | cmp - mirror/a9a || fail "the text changed on its way"
expect 0 'there already' a9a --into here

awk 'BEGIN { for (i = 1; i <= 49749; i++) print (i % 2 ? "+1" : "-1") " 300:1" }' >mirror/w8a
expect 1 'expected SHA-256' w8a --into here
