# lib.sh - what the end-to-end scripts share: a folder, a log, one digest.
#
# BUILD names the build folder; SANCT the programs (the sanitized ones when
# they are there).
set -euo pipefail
BUILD=${BUILD:-build}
SANCT=${SANCT:-$BUILD/sanct}
dir=$(mktemp -d "${TMPDIR:-/tmp}/sanct-e2e-XXXXXX")
children=()
finish() {
    local pid
    for pid in "${children[@]:-}"; do kill "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap finish EXIT

die() {
    echo "FAILED: $*" >&2
    exit 1
}

# start_log NAME OPTION... serves a log of our own into $dir/NAME.
start_log() {
    local name=$1
    shift
    "$BUILD/testlog" serve --dir "$dir/$name" --for 1500 "$@" >"$dir/$name.txt" 2>&1 &
    children+=($!)
    for _ in $(seq 1200); do
        [ -e "$dir/$name/ready" ] && return 0
        kill -0 $! 2>/dev/null || break
        sleep 0.1
    done
    cat "$dir/$name.txt" >&2
    die "the log $name did not start"
}

# log_url NAME API prints where it is read.
log_url() {
    sed -n 's/.*"\(monitoring_url\|url\)" *: *"\([^"]*\)".*/\2/p' "$dir/$1/$2.json" | tail -n 1
}

# ingest INDEX NAME API OPTION... reads it; start_ingest does in the background,
# and $! is the program itself.
ingest_words() {
    local index=$1 name=$2 api=$3
    shift 3
    mkdir -p "$dir/$index"
    words=("$SANCT" ingest -i "$dir/$index" --log "$dir/$name/$api.json" --progress none "$@" "$(log_url "$name" "$api")")
}
ingest() {
    local words
    ingest_words "$@"
    "${words[@]}"
}
start_ingest() {
    local words
    ingest_words "$@"
    "${words[@]}" &
}

digest() { "$SANCT" index digest -i "$dir/$1" | cut -c1-64; }

# await_merge PID returns as soon as the program's merge thread works; false: it
# has ended.
await_merge() {
    local task name stat
    while kill -0 "$1" 2>/dev/null; do
        for task in /proc/"$1"/task/*; do
            { read -r name <"$task/comm" && read -r stat <"$task/stat"; } 2>/dev/null || continue
            [ "$name" = sanct-merge ] && [[ $stat == *") "[RD]" "* ]] && return 0
        done
    done
    return 1
}
