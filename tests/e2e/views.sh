#!/bin/bash
# views - one log seen from several places: it moves, it shows somebody another
# tree, it is gone, its final tree is known; and a key that is not its own.
. "$(dirname "$0")/lib.sh"

# want CODE COMMAND... wants that exit code; $dir/said holds what it said.
want() {
    local code=$1 got=0
    shift
    "$@" >"$dir/out" 2>"$dir/said" || got=$?
    [ "$got" = "$code" ] || die "$*: exit $got, not $code: $(cat "$dir/said")"
}
said() { grep -qF -- "$1" "$dir/said" || die "'$1' is not said: $(cat "$dir/said")"; }
# holds INDEX N: so many entries, all of them proven.
holds() {
    "$SANCT" index stat --json -i "$dir/$1" | python3 -c '
import json, sys
log = json.load(sys.stdin)["logs"][0]
assert log["verified"] == log["indexed"] == int(sys.argv[1]), log' "$2" || die "$1 does not hold $2"
}
control() { python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' "http://127.0.0.1:$(cat "$dir/$1/ready")/control/$2"; }

tree=(--entries 3000 --seed 5)
start_log here "${tree[@]}" --size 1000
start_log there "${tree[@]}" --size 1300
start_log split "${tree[@]}" --size 1300 --fault fork

for api in rfc6962 static; do
    # At another URL, of another origin, it is the same log.
    want 0 ingest "moved-$api" here "$api"
    want 0 ingest "moved-$api" there "$api"
    said "$(log_url there "$api"), before from $(log_url here "$api")"
    holds "moved-$api" 1300
    want 0 "$SANCT" index verify --deep -i "$dir/moved-$api"
    want 0 ingest "moved-$api" here "$api" # which is behind
    holds "moved-$api" 1300

    # What somebody else is shown does not fit; both heads prove it.
    before=$(digest "moved-$api")
    want 5 ingest "moved-$api" split "$api"
    said "with different roots"
    want 5 ingest "moved-$api" there "$api" # until it is cleared
    [ "$(digest "moved-$api")" = "$before" ] || die "$api: the other view changed something"
    want 0 "$SANCT" index evidence check -i "$dir/moved-$api"
    grep -q "proven: two heads of 1300 entries" "$dir/out" || die "$api: $(cat "$dir/out")"
    want 0 "$SANCT" index evidence clear -i "$dir/moved-$api" "sanct test log, $api"
    want 0 ingest "moved-$api" there "$api"
    want 0 "$SANCT" index verify --deep -i "$dir/moved-$api"
done

# A partial tile is held, and the full one has another entry there: what is held
# was proven and stands, what is new is proven with it.
control here size=1000
want 0 ingest grown here static
control here size=1024
want 0 ingest clean here static
control here faults=flip-entry=900:77
want 0 ingest grown here static
want 5 ingest anew here static
said "entry 900 "
[ "$(digest grown)" = "$(digest clean)" ] || die "an entry that was proven has changed"
want 0 "$SANCT" index verify --deep -i "$dir/grown"

# Gone: what it gave stays, and it is not asked without a pause.
kill "${children[0]}"
before=$(digest grown)
want 4 ingest grown here static --retry 3s
[ "$(digest grown)" = "$before" ] || die "a log that is gone took something along"
python3 - "$dir" <<'P' &
import socket, sys, threading

listener = socket.create_server(("127.0.0.1", 0))
open(sys.argv[1] + "/port", "w").write(f"{listener.getsockname()[1]}\n")
num = 0
while True:
    client, _ = listener.accept()
    num += 1
    open(sys.argv[1] + "/asked", "w").write(f"{num}\n")
    client.recv(4096)
    client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    client.close()
P
children+=($!)
for _ in $(seq 100); do [ -s "$dir/port" ] && break; sleep 0.1; done
want 4 "$SANCT" ingest -i "$dir/grown" --log "$dir/here/static.json" --retry 4s --progress none "http://127.0.0.1:$(cat "$dir/port")/static/"
[ "$(cat "$dir/asked")" -le 40 ] || die "asked $(cat "$dir/asked") times in four seconds"
[ "$(digest grown)" = "$before" ] || die "a log that is gone took something along"
"$SANCT" query -i "$dir/grown" --count --subdomains com >"$dir/out" || die "what is held is not found"

# final DIR LOG SIZE [ROOT] gives its description the final tree of the size.
final() {
    python3 - "$dir/there/static.json" "$2" "$3" <<'P' >"$dir/$1.json"
import json, sys

log = json.load(open(sys.argv[1]))
log["state"] = {"readonly": {"timestamp": "2024-01-01T00:00:00Z",
                             "final_tree_head": {"tree_size": int(sys.argv[2]), "sha256_root_hash": sys.argv[3]}}}
print(json.dumps(log))
P
}
root_at() { # INDEX
    "$SANCT" index stat --json -i "$dir/$1" | python3 -c 'import json, sys; print(json.load(sys.stdin)["logs"][0]["root_hash"])'
}
ended() { # CODE INDEX DESCRIPTION
    want "$1" "$SANCT" ingest -i "$dir/$2" --log "$dir/$3.json" --retry 2s --progress none "$(log_url there static)"
}
root=$(root_at moved-static)
other=$(root_at grown)
final exact 1300 "$root"
final beyond 1200 "$other"
final another 1300 "$other"
final later 1500 "$other"
ended 0 exact exact
holds exact 1300
ended 5 beyond beyond
ended 5 another another
for index in beyond another; do
    "$SANCT" index evidence check -i "$dir/$index" >"$dir/out" || die "$index: $(cat "$dir/out")"
    grep -q -- "-final: proven" "$dir/out" || die "$index: $(cat "$dir/out")"
done
ended 4 later later
holds later 1300

# The description of a log and the key of another: nothing is written.
python3 - "$dir" <<'P'
import json, sys

log = json.load(open(sys.argv[1] + "/there/static.json"))
log["key"] = json.load(open(sys.argv[1] + "/there/rfc6962.json"))["key"]
json.dump(log, open(sys.argv[1] + "/key.json", "w"))
P
ended 3 none key
[ -e "$dir/none" ] && die "a key that does not fit has left $(ls "$dir/none")"
echo "one log from everywhere: what moves, splits, ends and is gone"
