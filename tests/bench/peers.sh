#!/bin/sh
# sgdlab beside scikit-learn's SGDClassifier on the same data, in turn: digits, and w8a where it is found.
# Usage: peers.sh SGDLAB [W8A] [--repetitions R] [--seconds S]     Example: peers.sh build/sgdlab w8a.gz
# Needs Debian's python3-sklearn; W8A defaults to $SGDLAB_EXTRA_DATA/w8a.gz. One thread each.
set -eu
[ $# -ge 1 ] || {
    sed -n '2,4s/^# //p' "$0" >&2
    exit 2
}
python=/usr/bin/python3
[ -x "$python" ] || python=python3
if ! "$python" -c 'import sklearn' 2>/dev/null; then
    echo "SKIP: scikit-learn is not installed (Debian: python3-sklearn)"
    exit 77
fi
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
exec "$python" "$(dirname -- "$0")/peers.py" "$@"
