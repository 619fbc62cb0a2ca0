#!/usr/bin/env bash
# From a fresh clone to figures and verdicts: installs what is missing, builds, runs every experiment, exports, draws,
# verifies. Every step picks up where an earlier run stopped, so a second run does nothing twice.
set -euo pipefail
unset CDPATH
exec </dev/null # nothing here asks questions; sudo asks for its password on the terminal itself
here=$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")
cd -- "$here"

# What is needed, once, for people and for CI: Debian's package | how to see that it is there without dpkg | what for.
# command NAME, library PKG-CONFIG-NAME, header FILE; packages below "tests:" are needed by the tests only.
packages='
gcc              | command cc                     | C compiler, with OpenMP
libc6-dev        | header  stdio.h                | C library headers
cmake            | command cmake                  | build system, 3.25 or later
ninja-build      | command ninja                  | build system
pkg-config       | command pkg-config             | finds the libraries
libgsl-dev       | library gsl                    | GNU Scientific Library
librandom123-dev | header  Random123/philox.h     | counter-based random numbers
libsqlite3-dev   | library sqlite3                | store of results
libyaml-dev      | library yaml-0.1               | experiment files
nettle-dev       | library nettle                 | SHA-256
zlib1g-dev       | library zlib                   | compressed data
gnuplot-nox      | command gnuplot                | figures
tests:
libcriterion-dev | library criterion              | test framework
'

usage() {
    cat <<'TEXT'
Usage: ./run_all.sh [--full | build | test | packages | --help]

  (nothing)   install what is missing, build, run every experiment in its quick profile, export tables, draw figures,
              and print the verdict on every law
  --full      the same with the full profile: many replicates, for a night
  build       only install what is missing and build ./build/sgdlab
  test        install what is missing, build in build-test/ and run the tests (up to 10 minutes)
  packages    only print the Debian packages that the program and its tests need

An interrupted run goes on where it stopped when called again; results are in results/.

Exit status: 0 fine, 1 the build, a run or a test failed, 2 wrong usage or something needed is missing,
             3 a law's verdict is other than its experiment expects, 130 interrupted
Example:     ./run_all.sh && ls results/*/*.pdf
TEXT
}

say() { printf '%s\n' "$*"; }
fail() { # STATUS MESSAGE...
    local status=$1
    shift
    printf 'run_all.sh: %s\n' "$*" >&2
    exit "$status"
}

# Lines "package|probe|purpose" without padding: all of them for the tests, those above "tests:" otherwise.
wanted() {
    local last='^tests:'
    [ "$1" = test ] && last='^$'
    sed -e '/^$/d' <<<"$packages" | sed -e "/$last/,\$d" -e '/^tests:/d' -e 's/ *| */|/g' -e 's/  */ /g'
}

is_there() { # PROBE
    local kind=${1%% *} what=${1#* }
    case $kind in
    command) command -v "$what" >/dev/null ;;
    library) pkg-config --exists "$what" 2>/dev/null ;;
    header) "${CC:-cc}" -E -include "$what" -x c /dev/null >/dev/null 2>&1 ;;
    esac
}

# Sets missing[] to the lines of wanted packages that neither dpkg nor their probe knows.
find_missing() { # WHAT
    local installed="" line
    if command -v dpkg-query >/dev/null; then
        # shellcheck disable=SC2046 # one word per package is meant; dpkg-query fails when it does not know one of them
        installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' $(wanted "$1" | cut -d'|' -f1) 2>/dev/null || true)
    fi
    missing=()
    while IFS= read -r line; do
        grep -qx "${line%%|*} installed" <<<"$installed" || is_there "$(cut -d'|' -f2 <<<"$line")" || missing+=("$line")
    done < <(wanted "$1")
}

show_missing() {
    local line
    for line in "${missing[@]}"; do
        printf '  %-18s %s\n' "${line%%|*}" "${line##*|}"
    done
}

install_missing() { # WHAT
    find_missing "$1"
    [ ${#missing[@]} -gt 0 ] || return 0
    local names=("${missing[@]%%|*}") as_root=()
    if ! command -v apt-get >/dev/null; then
        say "Missing (names as in Debian; your system's package manager may call them otherwise):" >&2
        show_missing >&2
        fail 2 "please install these and call me again"
    fi
    say "Missing Debian packages:"
    show_missing
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || { [ ! -t 2 ] && ! sudo -n true 2>/dev/null; }; then
            fail 2 "neither root nor sudo here. As root: apt-get install --no-install-recommends ${names[*]}"
        fi
        as_root=(sudo)
    fi
    as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y)
    mkdir -p build
    say "Installing them: ${as_root[*]} install --no-install-recommends ${names[*]}"
    "${as_root[@]}" update >build/apt.log 2>&1 || say "  apt-get update failed (build/apt.log); trying with the lists at hand"
    if ! "${as_root[@]}" install --no-install-recommends "${names[@]}" >>build/apt.log 2>&1; then
        tail -n 20 build/apt.log >&2
        fail 2 "apt-get could not install them (build/apt.log has everything)"
    fi
    find_missing "$1"
    [ ${#missing[@]} -eq 0 ] || fail 2 "still missing after installing: ${missing[*]%%|*}"
}

logged() { # LOG COMMAND...: quiet unless it fails
    local log=$1 status=0
    shift
    "$@" >>"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then
        tail -n 40 "$log" >&2
        fail 1 "failed: $* ($log has everything)"
    fi
}

build() { # PRESET DIRECTORY
    local cache=$2/CMakeCache.txt log=$2/run_all.log started=$SECONDS
    mkdir -p "$2"
    : >"$log"
    # Configured once; ninja itself sees changed CMake files. A tree that was moved or half configured starts afresh (ninja's
    # own log would still name the old place).
    if [ ! -f "$2/build.ninja" ] || ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$here" "$cache"; then
        say "Configuring $2/"
        rm -f -- "$2/.ninja_deps" "$2/.ninja_log"
        logged "$log" cmake --fresh --preset "$1"
    fi
    say "Building $2/ ($(nproc) jobs)"
    logged "$log" cmake --build "$2" -j "$(nproc)"
    say "Built in $((SECONDS - started)) s"
}

run_experiments() { # PROFILE
    local started=$SECONDS status=0
    ./build/sgdlab run experiments/*.yaml --profile "$1" --out results || status=$?
    case $status in
    0) ;;
    1) say "Some runs failed (./build/sgdlab status results); the others are exported and drawn." ;;
    130) fail 130 "interrupted; call me again to go on" ;;
    *) fail "$status" "sgdlab run stopped with exit status $status" ;;
    esac
    ./build/sgdlab export results
    ./build/sgdlab plot results
    local verdict=0
    say ""
    say "Theory against measurement (every check: ./build/sgdlab verify results --verbose):"
    ./build/sgdlab verify results || verdict=$?
    say ""
    say "Done in $SECONDS s, of which $((SECONDS - started)) s for the experiments. Where to look:"
    say "  figures  results/<experiment>/*.pdf and *.svg; each .gp beside them redraws its figure alone"
    say "  tables   results/<experiment>/*.csv (results/README.md says what each column means)"
    say "  verdicts results/laws.csv; results/<experiment>/law_*.pdf, results/laws_qq.pdf"
    say "  more     ./build/sgdlab --help"
    [ "$status" -ne 0 ] || status=$verdict
    return "$status"
}

# ctest's own output, except that the reasons of skipped tests come before its summary, which stays last.
run_tests() {
    local line summary="" status=0
    ctest --test-dir build-test --output-on-failure -j "$(nproc)" | {
        while IFS= read -r line; do
            if [ -n "$summary" ] || [[ $line == *'% tests passed'* ]]; then
                summary+=$line$'\n'
            else
                printf '%s\n' "$line"
            fi
        done
        grep -aE '^SKIP:|^\[SKIP\]' build-test/Testing/Temporary/LastTest.log | sort -u || true
        printf '\n%s' "$summary"
    } || status=$?
    return "$status"
}

[ $# -le 1 ] || { usage >&2; exit 2; }
case ${1-} in
"" | --full)
    install_missing build
    build release build
    run_experiments "$([ "${1-}" = --full ] && echo full || echo quick)"
    ;;
build)
    install_missing build
    build release build
    ;;
test)
    install_missing test
    build test build-test
    run_tests
    ;;
packages) wanted test | cut -d'|' -f1 ;;
-h | --help) usage ;;
*)
    usage >&2
    fail 2 "unknown argument '$1'"
    ;;
esac
