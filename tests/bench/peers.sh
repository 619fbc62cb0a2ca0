#!/bin/sh
# sgdlab beside other programs on the same data, in turn, one thread each: scikit-learn's SGDClassifier on linear models (digits,
# and w8a where it is found), and PyTorch on a 64-32-10 network (digits; 16 lanes of sgdlab, one network at a time of PyTorch).
# Usage: peers.sh SGDLAB [W8A] [--repetitions R] [--seconds S] [--steps T] [--only linear|network]
# Example: peers.sh build/sgdlab w8a.gz
# Needs Debian's python3-sklearn and python3-torch, and leaves out what is not there; W8A defaults to $SGDLAB_EXTRA_DATA/w8a.gz.
set -eu
[ $# -ge 1 ] || {
    sed -n '2,6s/^# //p' "$0" >&2
    exit 2
}
python=/usr/bin/python3
[ -x "$python" ] || python=python3
if ! "$python" -c 'import numpy' 2>/dev/null; then
    echo "SKIP: NumPy is not installed (Debian: python3-numpy)"
    exit 77
fi
export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
exec "$python" "$(dirname -- "$0")/peers.py" "$@"
