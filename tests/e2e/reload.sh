#!/bin/bash
# reload - a signed log list that changes while its logs are followed.
. "$(dirname "$0")/lib.sh"

start_log one --entries 3000 --size 700 --seed 1
start_log two --entries 300 --seed 2

command -v openssl >/dev/null || { echo "skipped: no openssl to sign a list with"; exit 0; }
mkdir "$dir/served" "$dir/index"
openssl genrsa -out "$dir/key.pem" 2048 2>/dev/null
openssl rsa -in "$dir/key.pem" -pubout -out "$dir/public.pem" 2>/dev/null

# list AGE NAME=STATE... writes and signs a list of static logs.
list() {
    python3 - "$dir" "$@" <<'P'
import json, os, subprocess, sys

dir, age, logs = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
tiled = []
for part in logs:
    name, state = part.split("=")
    log = json.load(open(f"{dir}/{name}/static.json"))
    log["description"] = name
    inside = {"timestamp": "2024-01-01T00:00:00Z"}
    final = log.pop("final_tree_head", None)
    if state == "readonly":
        inside["final_tree_head"] = json.load(open(f"{dir}/final.json"))
    log["state"] = {state: inside}
    tiled.append(log)
text = json.dumps({"version": "1", "log_list_timestamp": f"2026-01-01T00:{age:02}:00Z",
                   "operators": [{"name": "t", "email": [], "logs": [], "tiled_logs": tiled}]})
open(f"{dir}/new.json", "w").write(text)
subprocess.run(["openssl", "dgst", "-sha256", "-sign", f"{dir}/key.pem", "-out", f"{dir}/new.sig", f"{dir}/new.json"], check=True)
# The two do not change at one moment: what is read between does not fit.
os.replace(f"{dir}/new.sig", f"{dir}/served/list.sig")
os.replace(f"{dir}/new.json", f"{dir}/served/list.json")
P
}
list 1 one=usable

python3 - "$dir" <<'P' &
import functools, http.server, sys

class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments): pass

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=f"{sys.argv[1]}/served"))
open(f"{sys.argv[1]}/port", "w").write(f"{server.server_port}\n")
server.serve_forever()
P
children+=($!)
for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
list_url=http://127.0.0.1:$(cat "$dir/port")/list.json

"$SANCT" ingest -i "$dir/index" --log-list "$list_url" --log-list-key "$dir/public.pem" --all --follow \
    --poll 200ms --partial-after 0 --reload 300ms --json >"$dir/summary" 2>"$dir/out" &
pid=$!
children+=($pid)

# until_held LOG N waits until the index holds so many entries of it.
until_held() {
    for _ in $(seq 300); do
        "$SANCT" index stat --json -i "$dir/index" 2>/dev/null |
            python3 -c 'import json, sys; sys.exit(not any(log["name"] == sys.argv[1] and log["verified"] == int(sys.argv[2]) for log in json.load(sys.stdin)["logs"]))' "$1" "$2" 2>/dev/null && return 0
        kill -0 $pid 2>/dev/null || die "it has ended: $(cat "$dir/out")"
        sleep 0.1
    done
    die "$1 does not come to $2: $(cat "$dir/out")"
}
until_said() {
    for _ in $(seq 300); do
        grep -qF -- "$1" "$dir/out" && return 0
        kill -0 $pid 2>/dev/null || die "it has ended: $(cat "$dir/out")"
        sleep 0.1
    done
    die "'$1' is not said: $(cat "$dir/out")"
}

# grow N has the first log grow.
grow() { python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' "http://127.0.0.1:$(cat "$dir/one/ready")/control/size=$1"; }

until_held one 700

# A list that is not signed for, or is older, changes nothing.
list 2 one=usable two=usable
echo >>"$dir/served/list.json"
until_said "the list from before stands"
list 0 one=usable two=usable
until_said "older than the one of"
grep -q "two: new in the list" "$dir/out" && die "a list that cannot be trusted was taken"

# A good one: the new log is read to its end, the old one goes on.
list 3 one=usable two=usable
until_said "two: new in the list"
until_held two 300
grow 1000
until_held one 1000

# It becomes read-only; what it then has beyond its final tree is wrong.
"$SANCT" index head --json -i "$dir/index" >"$dir/heads"
"$SANCT" index stat --json -i "$dir/index" | python3 -c '
import json, sys
for log in json.load(sys.stdin)["logs"]:
    if log["name"] == "one":
        print(json.dumps({"tree_size": log["tree_size"], "sha256_root_hash": log["root_hash"]}))' >"$dir/final.json"
list 4 one=readonly two=usable
until_said "one: readonly, with a final tree head"
grow 1100

# A log that leaves the list keeps its data.
list 5 one=readonly
until_said "two: has left the list; its data stays"

kill -TERM $pid
code=0
wait $pid || code=$?
[ $code = 0 ] || [ $code = 5 ] || die "exit $code: $(cat "$dir/out")"
python3 - "$dir/summary" <<'P' || die "the summary is not what it should be: $(cat "$dir/summary")"
import json, sys

logs = {log["name"]: log for log in json.load(open(sys.argv[1]))["logs"]}
assert set(logs) == {"one", "two"}
assert logs["one"]["indexed"] == 1000, logs["one"]
assert logs["two"]["status"] == "complete" and logs["two"]["indexed"] == 300
P
# The next run sees it at once: one has signed more than its final tree.
code=0
"$SANCT" ingest -i "$dir/index" --log-list "$list_url" --log-list-key "$dir/public.pem" --all >"$dir/out" 2>&1 || code=$?
[ $code = 5 ] || die "exit $code, not 5: $(cat "$dir/out")"
echo "a list read again: new logs are begun, ended ones have a ceiling, a bad list changes nothing"
