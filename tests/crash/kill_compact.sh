#!/bin/bash
# kill_compact - SIGKILL at random moments of a bulk load, of one in small sets,
# of the merges that this begins, and of sanct index compact, which SIGTERM ends
# too: the content stays, and nothing is left behind.
#
# ENTRIES (60,000), KILLS (10) of each kind: KILLS=25 makes it a hundred.
. "$(dirname "$0")/../e2e/lib.sh"
entries=${ENTRIES:-60000} kills=${KILLS:-10}
RANDOM=${SEED:-7}

# Files that the catalogue does not name would be more than it counts.
files() { find "$dir/cut/segments" "$dir/cut/runs" -type f | wc -l; }
named() {
    "$SANCT" index stat --json -i "$dir/cut" |
        sed 's/.*"segments":\([0-9]*\),"runs":\([0-9]*\).*/\1 + \2/' |
        { read -r sum && echo $((sum)); }
}

wait_any() { sleep "0.$(printf %03d $((RANDOM % 1000)))"; }
wait_merge() { await_merge "$1" && sleep "0.0$(printf %02d $((RANDOM % 30)))"; }

# load_killed WHAT MEMORY MOMENT: loads, killed at such moments, begun anew when
# done.
load_killed() {
    local killed=0 pid got
    rm -rf "$dir/cut"
    while [ "$killed" -lt "$kills" ]; do
        start_ingest cut log static --memory "$2" 2>/dev/null
        pid=$!
        "$3" "$pid" && kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null && got=0 || got=$?
        case $got in
        0) rm -rf "$dir/cut" ;; # it was done: begin again
        137) killed=$((killed + 1)) ;;
        *) die "$1 ended with $got" ;;
        esac
    done
    ingest cut log static --memory "$2" 2>/dev/null || die "$1: the last run"
    [ "$(digest cut)" = "$want" ] || die "the digest differs after kills in $1"
    "$SANCT" index verify -i "$dir/cut" || die "verify after kills in $1"
}

start_log log --entries "$entries" --seed 12
ingest whole log static --memory 200M 2>/dev/null || die "the undisturbed run"
want=$(digest whole)
load_killed "a load" 200M wait_any
load_killed "a load in small sets" 16M wait_any
load_killed "a merge" 16M wait_merge

for i in $(seq $((2 * kills))); do
    "$SANCT" index compact -i "$dir/cut" &
    pid=$!
    sleep "0.$(printf %03d $((RANDOM % 400)))"
    if [ $((i % 2)) = 0 ]; then signal=KILL code=137; else signal=TERM code=143; fi
    kill -$signal "$pid" 2>/dev/null || true
    wait "$pid" && got=0 || got=$?
    [ "$got" = 0 ] || [ "$got" = "$code" ] || die "SIG$signal: exit code $got"
    if [ $signal = TERM ] && [ "$got" != 0 ]; then
        [ "$(files)" = "$(named)" ] || die "a stopped compact left a file behind"
    fi
    [ "$(digest cut)" = "$want" ] || die "the digest differs after a kill in compact"
    # Compacted: there is something to do again.
    [ "$(named)" != 2 ] || { rm -rf "$dir/cut"; ingest cut log static --memory 16M 2>/dev/null || die "a load"; }
done
"$SANCT" index compact -i "$dir/cut" || die "compact"
[ "$(digest cut)" = "$want" ] || die "the digest differs after compact"
[ "$(files)" = 2 ] && [ "$(named)" = 2 ] || die "$(files) files, $(named) named"
"$SANCT" index verify --deep -i "$dir/cut" || die "verify --deep"
echo "$entries entries, $kills kills each in a load, in one in small sets, in merges and in compact: digest $want"
