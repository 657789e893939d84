#!/bin/bash
# jump - a log that has grown 600-fold at once is caught up with, in bounded
# memory, while one beside it that grows little by little is kept up with; and a
# log whose heads have stopped is said to be stale.
. "$(dirname "$0")/lib.sh"
start_log far --entries 60000 --size 100 --seed 21
start_log near --entries 2000 --size 100 --seed 22

python3 - "$dir" <<'P'
import json, sys

logs = []
for name in "far", "near":
    log = json.load(open(f"{sys.argv[1]}/{name}/static.json"))
    log["description"] = name
    logs.append(log)
json.dump({"version": "1", "log_list_timestamp": "2026-01-01T00:00:00Z",
           "operators": [{"name": "t", "email": [], "logs": [], "tiled_logs": logs}]}, open(f"{sys.argv[1]}/list.json", "w"))
P
size() { python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' "http://127.0.0.1:$(cat "$dir/$1/ready")/control/size=$2"; }
held() {
    "$SANCT" index stat --json -i "$dir/index" 2>/dev/null |
        python3 -c 'import json, sys; print(*[log["verified"] for log in json.load(sys.stdin)["logs"] if log["name"] == sys.argv[1]])' "$1" 2>/dev/null || echo 0
}
until_held() {
    for _ in $(seq 600); do
        [ "$(held "$1")" = "$2" ] && return 0
        kill -0 $pid 2>/dev/null || die "it has ended: $(cat "$dir/out")"
        sleep 0.1
    done
    die "$1 does not come to $2: $(cat "$dir/out")"
}

"$SANCT" ingest -i "$dir/index" --log-list "$dir/list.json" --all --follow --poll 200ms --partial-after 0 \
    --rate 15 --memory 64M --json --progress none >"$dir/summary" 2>"$dir/out" &
pid=$!
children+=($pid)
until_held far 100
until_held near 100

size far 60000
meanwhile=0
for step in $(seq 1 10); do
    size near $((100 + 3 * step))
    until_held near $((100 + 3 * step))
    far=$(held far)
    [ -z "$far" ] || [ "$far" = 60000 ] || meanwhile=$step
done
[ $meanwhile -ge 5 ] || die "after $meanwhile steps of the one that grows the other was done: nothing was seen"
until_held far 60000
kill -TERM $pid
wait $pid || die "exit $?: $(cat "$dir/out")"
python3 - "$dir/summary" <<'P' || die "the summary: $(cat "$dir/summary")"
import json, sys

told = json.load(open(sys.argv[1]))
logs = {log["name"]: log for log in told["logs"]}
assert logs["far"]["verified"] == 60000 and logs["near"]["verified"] == 130, logs
assert told["peak_memory_bytes"] <= 64 << 20, told["peak_memory_bytes"]
P
"$SANCT" index verify --deep -i "$dir/index" >/dev/null || die "verify --deep"

# Two days old, and the log's MMD a minute.
start_log still --entries 300 --seed 23 --fault stale
ingest old still static 2>/dev/null || die "a log that stands still is read too"
"$SANCT" query -i "$dir/old" --strict --json --subdomains com >"$dir/answer" 2>"$dir/said" && code=0 || code=$?
[ $code = 7 ] || die "--strict: exit $code, not 7: $(cat "$dir/said")"
python3 - "$dir/answer" <<'P' || die "the answer: $(tail -c 600 "$dir/answer")"
import json, sys

answer = json.load(open(sys.argv[1]))
assert answer["coverage"] == "partial" and [log["status"] for log in answer["logs"]] == ["stale"]
assert answer["count"] > 0 and answer["logs"][0]["verified"] == 300
P
echo "a leap of 59,900 entries, a neighbour in steps of 3 meanwhile ($meanwhile of 10 before the leap was caught up with)"
