#!/bin/sh
# Downloads one of the larger LIBSVM data sets, checks it and leaves it as FOLDER/NAME.gz. See --help.
set -u

base=${SGDLAB_DATA_URL:-https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary}

usage() {
    cat <<EOF
Usage: fetch.sh NAME... [--into FOLDER] [--force]
Downloads data sets in LIBSVM format from
  $base
into FOLDER (default: the folder of this script), as NAME.gz. One that is there already is left alone, unless --force is given.
  w8a         49749 x 300       5 MB of text   web pages (Platt 1998)
  a9a         32561 x 123       2 MB           adult census
  rcv1        20242 x 47236    36 MB           Reuters news, training part
  covtype    581012 x 54       66 MB           forest cover, features scaled to [0, 1]
  real-sim    72309 x 20958    87 MB           newsgroups
  news20      19996 x 1355191 134 MB           newsgroups
SGDLAB_DATA_URL names a mirror. Needs curl or wget, bzip2, gzip, awk and sha256sum.
Example: experiments/data/fetch.sh a9a && sgdlab data a9a
EOF
}

fail() {
    echo "fetch.sh: $*" >&2
    exit 1
}

# describe NAME: sets file, rows, cols, sum (SHA-256 of the unpacked text, where known); false for an unknown name.
describe() {
    sum=
    case $1 in
    w8a) file=w8a rows=49749 cols=300 sum=6a9fa8fd5f524303240a5db07d4b3d4a51e8b7b4b20a914105d8e3e8c81640f2 ;;
    a9a) file=a9a rows=32561 cols=123 ;;
    rcv1) file=rcv1_train.binary.bz2 rows=20242 cols=47236 ;;
    covtype) file=covtype.libsvm.binary.scale.bz2 rows=581012 cols=54 ;;
    real-sim) file=real-sim.bz2 rows=72309 cols=20958 ;;
    news20) file=news20.binary.bz2 rows=19996 cols=1355191 ;;
    *) return 1 ;;
    esac
}

# download URL FILE
download() {
    if command -v curl >/dev/null; then
        curl --fail --silent --show-error --location --connect-timeout 20 --retry 2 --output "$2" "$1"
    else
        wget --quiet --timeout=20 --tries=3 --output-document="$2" "$1"
    fi
}

# check NAME TEXT: shape, labels and, where known, the checksum.
check() {
    found=$(LC_ALL=C awk '
        { label[$1]++; if (NF > 1) { split($NF, pair, ":"); if (pair[1] + 0 > most) most = pair[1] + 0 } }
        END { for (l in label) classes++; print NR, most + 0, classes + 0 }' "$2") || return 1
    # shellcheck disable=SC2086
    set -- "$1" "$2" $found
    if [ "$3" -ne "$rows" ] || [ "$4" -gt "$cols" ] || [ "$5" -ne 2 ]; then
        echo "fetch.sh: $1 has $3 samples, largest index $4 and $5 labels; expected $rows, at most $cols and 2" >&2
        return 1
    fi
    [ -z "$sum" ] && return 0
    if [ "$(sha256sum <"$2" | cut -d ' ' -f 1)" != "$sum" ]; then
        echo "fetch.sh: $1 does not have the expected SHA-256 $sum" >&2
        return 1
    fi
}

# fetch NAME: in a subshell, so that its temporary folder goes with it.
fetch() (
    describe "$1"
    work=$(mktemp -d "$folder/$1.XXXXXX.download") || fail "cannot write into $folder"
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
    echo "fetching $base/$file"
    download "$base/$file" "$work/$file" ||
        fail "cannot download $base/$file: is there a network? Nothing was changed."
    case $file in
    *.bz2) bzip2 -dc "$work/$file" >"$work/text" || fail "$file is damaged" ;;
    *) mv "$work/$file" "$work/text" ;;
    esac
    check "$1" "$work/text" || fail "$1 as downloaded is not the data set it should be. Nothing was changed."
    gzip -nc "$work/text" >"$work/packed" && mv "$work/packed" "$folder/$1.gz" || fail "cannot write $folder/$1.gz"
    echo "$folder/$1.gz: $rows samples, SHA-256 of the text $(sha256sum <"$work/text" | cut -d ' ' -f 1)"
)

folder=$(dirname "$0") names='' force=no
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    --force) force=yes ;;
    --into)
        [ $# -ge 2 ] || fail "--into needs a folder"
        folder=$2
        shift
        ;;
    -*) usage >&2 && exit 2 ;;
    *)
        describe "$1" || {
            echo "fetch.sh: unknown data set '$1'; valid: w8a a9a rcv1 covtype real-sim news20" >&2
            exit 2
        }
        names="$names $1"
        ;;
    esac
    shift
done
[ -n "$names" ] || {
    usage >&2
    exit 2
}
command -v curl >/dev/null || command -v wget >/dev/null || fail "neither curl nor wget is installed (apt install curl)"
for tool in awk gzip sha256sum; do
    command -v "$tool" >/dev/null || fail "$tool is not installed"
done
mkdir -p "$folder" || fail "cannot make $folder"
for name in $names; do
    describe "$name"
    case $file in
    *.bz2) command -v bzip2 >/dev/null || fail "bzip2 is not installed (apt install bzip2)" ;;
    esac
    if [ -e "$folder/$name.gz" ] && [ "$force" = no ]; then
        echo "$folder/$name.gz is there already (--force fetches it again)"
    else
        fetch "$name" || exit $?
    fi
done
