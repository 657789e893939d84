#!/bin/bash
# sunlight - Sunlight and Skylight, as several of today's static logs run them.
# Every certificate submitted is found by each of its names and addresses:
# through partial tiles, growth, restarts of the servers and of us, closed
# connections and rate limits.  certspotter and fsck read the same log.
#
# ENTRIES: certificates and pairs per stage (600).
. "$(dirname "$0")/servers.sh"
entries=${ENTRIES:-600}
need_servers sunlight
next=0
feed() { # COUNT: submits so many more
    chains submit "$dir/log" "$submit_url" --first "$next" --count "$1"
    next=$((next + $1))
}
settled() { wait_size static "$(submitted)"; }

make_sunlight_log
say "an empty log, then one that grows: partial tiles of many widths"
read_log grown static || die "an empty log"
feed 1 && settled && read_log grown static && check_index grown
feed "$entries" && settled && read_log grown static && check_index grown
for count in 1 90 7 200; do
    feed $count && settled && read_log grown static
done
check_index grown

say "growth while we follow; we and the servers are killed"
feed $((entries * 4)) &
feeder=$!
next=$((next + entries * 4))
start_reader grown static --follow --poll 1s --partial-after 2s --rate 6
sleep 2
for round in 1 2 3 4; do
    kill_process reader
    start_reader grown static --follow --poll 1s --partial-after 2s --rate 6
    sleep 1.5
    case $round in
    2) kill_process skylight; sleep 2; start_skylight ;;
    3) kill_process sunlight; sleep 1; start_sunlight ;;
    4) end_process sunlight INT || true; start_sunlight ;;
    esac
done
wait $feeder || die "the feeder"
settled
wait_indexed grown "$(submitted)"
end_process reader TERM || die "--follow ended by SIGTERM: exit $?"
check_index grown

say "connections that idle for longer than the server's 5 s"
start_reader grown static --follow --poll 7s --partial-after 1s --connections 1
for _ in 1 2; do
    feed 20 && settled
    wait_indexed grown "$(submitted)"
done
end_process reader TERM || die "--follow ended by SIGTERM: exit $?"
check_index grown

say "a stranger's rate: 429, Retry-After in a form of its own"
refused() {
    curl -fsS "${log_url%one/}metrics" | sed -n 's/^skylight_http_requests_total{.*code="429".* \([0-9]*\)$/\1/p' |
        awk '{ n += $1 } END { print n + 0 }'
}
chains hog "$log_url" --seconds 6 >"$dir/hog.txt" &
hog=$!
sleep 0.5
read_log stranger static --contact "" || die "a stranger is not served"
read_log stranger2 static --contact "" --connections 32 || die "a stranger is not served"
wait $hog
say "the hog saw $(cat "$dir/hog.txt"); 429 in all: $(refused)"
check_index stranger

say "the digest is that of an undisturbed run"
read_log fresh static --json
[ "$(digest fresh)" = "$(digest grown)" ] || die "the digests differ"
[ "$(digest fresh)" = "$(digest stranger)" ] || die "the digests differ"
