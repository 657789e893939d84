#!/bin/bash
# operators - what the machine and the one who runs it may do: streams that are
# closed or full, few descriptors, a small stack, no locked memory, folders that
# are none, a lock file that is gone: a sentence and an exit code, never a crash,
# and what was written is sound.
. "$(dirname "$0")/lib.sh"

# want CODE COMMAND... wants that exit code; $dir/said holds what it said.
want() {
    local code=$1 got=0
    shift
    "$@" >"$dir/out" 2>"$dir/said" || got=$?
    [ "$got" = "$code" ] || die "$*: exit $got, not $code: $(cat "$dir/said")"
}
said() { grep -qE -- "$1" "$dir/said" || die "'$1' is not said: $(cat "$dir/said")"; }
load() { # INDEX OPTION... reads the log's folder
    local index=$1
    shift
    "$SANCT" ingest -i "$dir/$index" --log "$dir/log/log.v3.json" --progress none "$@" "$dir/log"
}
programs=$(dirname "$SANCT")
plainly() { # INDEX the same, without the shell that dispatches
    "$programs/sanct-ingest" -i "$dir/$1" --log "$dir/log/log.v3.json" --progress none --retry 1s "$dir/log"
}
whole() {
    [ "$(digest "$1")" = "$wanted" ] || die "$1: another digest"
    "$SANCT" index verify --deep -i "$dir/$1" || die "$1: verify --deep"
}

"$BUILD/testlog" write --entries 600 --fina --seed 31 "$dir/log" >/dev/null
load index
wanted=$(digest index)
cp -r "$dir/index" "$dir/copy"

# Nobody reads what is said: the work is done, and none of it goes into a file
# that has the number of a stream.
for way in '>&-' '2>&-' '>&- 2>&-' '<&- >&- 2>&-' '2>/dev/full'; do
    rm -rf "$dir/deaf"
    (eval "load deaf --json $way" >/dev/null) || true
    whole deaf
    [ ! -s "$dir/deaf/lock" ] || ! grep -q '"logs"' "$dir/deaf/lock" || die "$way: the summary is in the lock file"
done
# What should have been printed is missed.
for way in '>/dev/full' '>&-'; do
    rm -rf "$dir/deaf"
    code=0
    eval "load deaf --json $way" 2>"$dir/said" || code=$?
    [ $code = 6 ] || die "ingest --json $way: exit $code"
    said 'the summary: '
    whole deaf
    for command in "query -i $dir/index --json 1.1.1.1" "query -i $dir/index 1.1.1.1" "index stat -i $dir/index" \
        "index export --format ndjson -i $dir/index"; do
        code=0
        eval "$SANCT $command $way" 2>"$dir/said" || code=$?
        [ $code = 6 ] || die "$command $way: exit $code: $(cat "$dir/said")"
        said 'output|answer'
    done
done
# A reader that has seen enough.
"$SANCT" query -i "$dir/index" --json --subdomains com 2>"$dir/said" | head -c 10 >/dev/null || true
[ ! -s "$dir/said" ] || said 'Broken pipe|output'

# A small stack, no locked memory, few descriptors.
for limit in "-s 256" "-l 0"; do
    rm -rf "$dir/small"
    (eval "ulimit $limit"; load small) 2>"$dir/said" || die "ulimit $limit: $(cat "$dir/said")"
    whole small
done
for num in 5 6 7 8 9 10 11 12 13 14 16; do
    rm -rf "$dir/few"
    code=0
    (ulimit -n $num; plainly few) >/dev/null 2>"$dir/said" || code=$?
    case $code in
    0) whole few ;;
    2 | 4 | 6) said 'Too many open files' ;;
    *) die "ulimit -n $num: exit $code: $(cat "$dir/said")" ;;
    esac
    # What is left of it is gone on with.
    load few 2>"$dir/said" || die "after ulimit -n $num: $(cat "$dir/said")"
    whole few
done

# Folders that are none.
: >"$dir/file"
want 6 load file
said 'Not a directory'
want 6 load no/such/folder
said 'No such file'
[ ! -e "$dir/no" ] || die "a folder was made beside the index"
for command in "query 1.1.1.1" "index stat" "serve --socket $dir/socket"; do
    want 6 "$SANCT" $command -i "$dir/nothing"
    said 'no index here'
done
mkdir "$dir/other"
echo text >"$dir/other/data.mdb"
want 6 "$SANCT" query 1.1.1.1 -i "$dir/other"
if [ "$(id -u)" != 0 ]; then
    chmod -R a-w "$dir/copy"
    want 6 load copy
    want 0 "$SANCT" query 1.1.1.1 -i "$dir/copy"
    chmod -R u+w "$dir/copy"
fi

# Locks that are gone, or lie there from a process that is not.
find "$dir/copy" -name 'lock*' -delete
want 0 "$SANCT" query --count 1.1.1.1 -i "$dir/copy"
[ "$(cat "$dir/out")" = "$("$SANCT" query --count 1.1.1.1 -i "$dir/index")" ] || die "another answer without the locks"
whole copy
load copy
# A copy is an index; half a copy is none.
cp -r "$dir/index" "$dir/half"
find "$dir/half" -name data.mdb -exec truncate -s 20000 {} +
want 6 "$SANCT" query 1.1.1.1 -i "$dir/half"
want 6 "$SANCT" index verify -i "$dir/half"
want 6 load half
echo "streams, limits, folders and locks: no crash, and the index is whole"
