#!/bin/bash
# ctfe - Trillian's CTFE on PostgreSQL, what nearly every RFC 6962 log ever run
# is made of.  Every certificate submitted is found by each of its names and
# addresses: through growth, restarts of every server and of us, aligned
# answers, proofs from other batch sizes.  certspotter reads the same log.
#
# ENTRIES: certificates and pairs per stage (600).
. "$(dirname "$0")/servers.sh"
entries=${ENTRIES:-600}
need_servers trillian ctfe certspotter
need_postgres
feed_log() { chains submit "$dir/log" "$log_url" --connections 16 "$@"; }
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
start_sanctd grown
grow $((entries * 4))
follow=(--follow --poll 1s --rate 6)
start_reader grown rfc6962 "${follow[@]}"
for killed in "" "" ctfe "signer logserver" "" postgres "ctfe signer logserver postgres" ""; do
    sleep 0.$((RANDOM % 9 + 1))
    say "killed at $(indexed grown) of $(submitted): reader $killed"
    kill_process reader
    start_reader grown rfc6962 "${follow[@]}"
    sleep 1
    for name in $killed; do kill_process "$name"; done
    [ -z "$killed" ] || sleep 1
    # What they rest on comes first.
    for name in postgres logserver signer ctfe; do
        case " $killed " in *" $name "*) "start_$name" ;; esac
    done
done
wait $feeder || die "the feeder"
settled
wait_indexed grown "$(submitted)"
end_process reader TERM || die "--follow ended by SIGTERM: exit $?"
check_index grown
check_socket
end_process sanctd TERM || die "sanctd ended by SIGTERM: exit $?"

say "no answers: 503 without the log server, 500 without PostgreSQL"
feed 50 && settled
before=$(digest grown)
for name in logserver postgres; do
    kill_process "$name"
    status=0
    read_log grown rfc6962 --retry 2s 2>"$dir/refused.txt" || status=$?
    [ $status = 4 ] || die "$name is down: exit $status, $(cat "$dir/refused.txt")"
    "start_$name"
done
[ "$(digest grown)" = "$before" ] || die "the index is another"
wait_http "${log_url}ct/v1/get-sth"
read_log grown rfc6962 && check_index grown

say "the digest is that of an undisturbed run, and of every other way to read"
read_log fresh rfc6962 --json
same_digest fresh grown
start_tls_ctfe
check_ways rfc6962

say "a second opinion"
ask_certspotter "$(submitted)"
