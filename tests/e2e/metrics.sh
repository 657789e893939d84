#!/bin/bash
# metrics - what a run tells Prometheus while it follows a log that limits it.
. "$(dirname "$0")/lib.sh"

start_log log --entries 3000 --same-key --size 2000 --fault http-429-every=5
mkdir "$dir/index"
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$dir/socket" # a dead one
"$SANCT" ingest -i "$dir/index" --log "$dir/log/static.json" --progress none --follow --poll 1s \
    --metrics "$dir/socket" "$(log_url log static)" 2>"$dir/out" &
pid=$!
children+=($pid)

# get PATH asks for it.
get() {
    python3 - "$dir/socket" "$1" <<'P'
import http.client, socket, sys

class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])

connection = Connection("localhost", timeout=20)
connection.request("GET", sys.argv[2])
answer = connection.getresponse()
body = answer.read().decode()
if answer.status != 200:
    sys.exit(f"{answer.status}")
print(body, end="")
P
}
# value METRIC prints the value of one that there is once.
value() { awk -v name="$1" '$0 ~ "^"name"[{ ]" { print $NF }' "$dir/metrics"; }

for i in $(seq 300); do
    get /metrics >"$dir/metrics" 2>"$dir/why" && [ "$(value sanct_ingest_held_entries)" = 2000 ] && break
    kill -0 $pid || die "it has ended: $(cat "$dir/out")"
    sleep 0.2
done
[ "$(value sanct_ingest_held_entries)" = 2000 ] || die "not all is held: $(cat "$dir/why" "$dir/metrics")"
[ "$(value sanct_ingest_entries_total)" = 2000 ] || die "not all was added"
[ "$(value sanct_ingest_lag_entries)" = 0 ] || die "it lags"
awk '/^sanct_ingest_responses_total.*status="429"/ { if ($NF > 0) found = 1 } END { exit !found }' "$dir/metrics" || die "no 429 is counted"
python3 - "$dir/metrics" <<'P' || die "figures do not agree"
import re, sys

text = open(sys.argv[1]).read()
samples = {}
for line in text.splitlines():
    if line.startswith("#"):
        assert re.fullmatch(r"# (HELP|TYPE) [a-z_]+ .+", line), line
        continue
    match = re.fullmatch(r'([a-z_]+)((?:\{[a-z_]+="(?:[^"\\]|\\.)*"(?:,[a-z_]+="(?:[^"\\]|\\.)*")*\})?) (-?[0-9.e+]+)', line)
    assert match, line
    samples.setdefault(match[1], {})[match[2]] = float(match[3])
for name in samples:
    assert f"# TYPE {name} " in text, name
    assert name.endswith("_total") == (f"# TYPE {name} counter" in text), name
answers = sum(samples["sanct_ingest_responses_total"].values())
requests = sum(samples["sanct_ingest_requests_total"].values())
assert answers <= requests <= answers + 16, (answers, requests)
assert sum(samples["sanct_ingest_state"].values()) == 1
assert samples["sanct_ingest_memory_bytes"][""] > 1e6
P
command -v promtool >/dev/null && promtool check metrics <"$dir/metrics"
get /other 2>/dev/null && die "something else is served"

# Another run cannot take its place, and says so before it writes anything.
code=0
"$SANCT" ingest -i "$dir/other" --log "$dir/log/static.json" --metrics "$dir/socket" "$(log_url log static)" 2>"$dir/why" || code=$?
[ $code = 2 ] && [ ! -e "$dir/other" ] || die "exit $code: $(cat "$dir/why")"
kill -TERM $pid
wait $pid || die "exit $? at the end: $(cat "$dir/out")"
[ ! -e "$dir/socket" ] || die "the socket is still there"
echo "metrics of a log that limits, over a socket that is gone at the end"
