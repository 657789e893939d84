#!/bin/bash
# sunlight - Sunlight and Skylight, as several of today's static logs run them.
# Every certificate submitted is found by each of its names and addresses:
# through partial tiles, growth, restarts of the servers and of us, closed
# connections and rate limits.  certspotter and fsck read the same log.
#
# ENTRIES: certificates and pairs per stage (600).
. "$(dirname "$0")/servers.sh"
entries=${ENTRIES:-600}
need_servers sunlight certspotter fsck
feed_log() { chains submit "$dir/log" "$submit_url" "$@"; }
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
start_sanctd grown
grow $((entries * 4))
follow=(--follow --poll 1s --partial-after 2s --rate 6)
start_reader grown static "${follow[@]}"
for killed in "" "" skylight sunlight "" "skylight sunlight" "" ""; do
    sleep 0.$((RANDOM % 9 + 1))
    say "killed at $(indexed grown) of $(submitted): reader $killed"
    kill_process reader
    start_reader grown static "${follow[@]}"
    sleep 1
    for name in $killed; do kill_process "$name"; done
    [ -z "$killed" ] || sleep 1
    for name in $killed; do "start_$name"; done
done
end_process sunlight INT || true # its exit code is always 1
start_sunlight
wait $feeder || die "the feeder"
settled
wait_indexed grown "$(submitted)"
end_process reader TERM || die "--follow ended by SIGTERM: exit $?"
check_index grown
check_socket
end_process sanctd TERM || die "sanctd ended by SIGTERM: exit $?"

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
read_log unknown static --contact "" || die "a stranger is not served"
read_log unknown2 static --contact "" --connections 32 || die "a stranger is not served"
wait $hog
to_hog=$(sed -n 's/.*429: \([0-9]*\).*/\1/p' "$dir/hog.txt")
all=$(refused)
say "429: $to_hog for the hog, $((all - to_hog)) for us"
[ "$all" -gt "$to_hog" ] || die "no 429 for us"
check_index unknown

say "the digest is that of an undisturbed run, and of every other way to read"
read_log fresh static --json
same_digest fresh grown
same_digest fresh unknown
start_tls_skylight
check_ways static

say "second opinions (certspotter leaves a partial tile alone)"
chains submit "$dir/log" "$submit_url" --first 8000000 --step 8 --count $((256 - $(submitted) % 256))
settled
read_log grown static && check_index grown
ask_fsck grown
ask_certspotter "$(submitted)"
