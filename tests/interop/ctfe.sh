#!/bin/bash
# ctfe - Trillian's CTFE on PostgreSQL, what nearly every RFC 6962 log ever run
# is made of.  Every certificate submitted is found by each of its names and
# addresses: through growth, restarts of every server and of us, aligned
# answers, proofs from other batch sizes.  certspotter reads the same log.
#
# ENTRIES: certificates and pairs per stage (600).
. "$(dirname "$0")/servers.sh"
entries=${ENTRIES:-600}
need_servers trillian ctfe
need_postgres
next=0
feed() { # COUNT: submits so many more
    chains submit "$dir/log" "$log_url" --first "$next" --count "$1" --connections 16
    next=$((next + $1))
}
settled() { wait_size rfc6962 "$(submitted)"; }

make_ctfe_log
say "an empty log, then one that grows"
read_log grown rfc6962 || die "an empty log"
feed 1 && settled && read_log grown rfc6962 && check_index grown
feed "$entries" && settled && read_log grown rfc6962 && check_index grown
for count in 1 90 7 300; do
    feed $count && settled
    read_log grown rfc6962 || die "at $(submitted) entries"
done
check_index grown

say "growth while we follow; we and the servers are killed"
feed $((entries * 4)) &
feeder=$!
next=$((next + entries * 4))
follow=(--follow --poll 1s --rate 3)
start_reader grown rfc6962 "${follow[@]}"
sleep 1
for killed in "" ctfe "logserver signer" "ctfe signer logserver postgres"; do
    say "killed at $(indexed grown) of $(submitted): reader $killed"
    kill_process reader
    start_reader grown rfc6962 "${follow[@]}"
    sleep 0.7
    for name in $killed; do kill_process "$name"; done
    sleep 1
    case $killed in
    ctfe) start_ctfe ;;
    logserver*) start_logserver; start_signer ;;
    *postgres) restart_ctfe ;;
    esac
    sleep 0.5
done
wait $feeder || die "the feeder"
settled
wait_indexed grown "$(submitted)"
end_process reader TERM || die "--follow ended by SIGTERM: exit $?"
check_index grown

say "the digest is that of an undisturbed run"
read_log fresh rfc6962 --json
[ "$(digest fresh)" = "$(digest grown)" ] || die "the digests differ"
