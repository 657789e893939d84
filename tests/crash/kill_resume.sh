#!/bin/bash
# kill_resume - SIGKILL at random moments, resumed: the digest is that of an
# undisturbed run, and every root can be rebuilt from the disk.
#
# ENTRIES (20,000), KILLS (12) for each protocol, RATE requests a second.
. "$(dirname "$0")/../e2e/lib.sh"
entries=${ENTRIES:-20000} kills=${KILLS:-12} rate=${RATE:-8}
RANDOM=${SEED:-7}

start_log log --entries "$entries" --seed 11
for api in rfc6962 static; do
    ingest whole log "$api" 2>/dev/null || die "$api: the undisturbed run"
    want=$(digest whole)
    killed=0 flying=0
    while [ "$killed" -lt "$kills" ]; do
        start_ingest cut log "$api" --rate "$rate" 2>/dev/null
        pid=$!
        sleep "$((RANDOM % 2)).$(printf %03d $((RANDOM % 1000)))"
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null && got=0 || got=$?
        case $got in
        0) rm -rf "$dir/cut" ;; # it was done: begin again
        137) flying=$((flying + 1)) ;;
        *) die "$api: ended with $got" ;;
        esac
        killed=$((killed + 1))
    done
    ingest cut log "$api" 2>/dev/null || die "$api: the last run"
    [ "$(digest cut)" = "$want" ] || die "$api: the digest differs after $kills kills"
    "$SANCT" index verify --deep -i "$dir/cut" || die "$api: verify --deep"
    echo "$api: $entries entries, $kills kills, $flying with chunks in flight: digest $want"
    rm -rf "$dir/whole" "$dir/cut"
done
