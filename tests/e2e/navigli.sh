#!/bin/bash
# navigli - 512 real entries through static CT, RFC 6962 and a directory: the
# given root at every size, one digest, and every name that the log itself says.
. "$(dirname "$0")/lib.sh"
data=${SANCT_TEST_DATA:-../shared/data}/static/navigli2025h2
if [ ! -r "$data/derived/roots-size-1-to-512.txt" ]; then
    [ -z "${CI-}" ] || die "no test data: $data"
    echo "skipped: no real data at $data (SANCT_TEST_DATA names its folder)"
    exit 0
fi

for size in 1 2 3 255 256 257 300 511 512; do
    want=$(awk -v n="$size" '$1 == n { print $2 }' "$data/derived/roots-size-1-to-512.txt")
    start_log "log$size" --read "$data" --size "$size" --same-key
    "$BUILD/testlog" write "$dir/tiles$size" --read "$data" --size "$size" >/dev/null
    for api in static rfc6962 directory; do
        mkdir -p "$dir/$api$size"
        if [ $api = directory ]; then
            "$SANCT" ingest -i "$dir/$api$size" --log "$dir/tiles$size/log.v3.json" \
                --progress none --json "$dir/tiles$size" >"$dir/out.json"
        else
            ingest "$api$size" "log$size" "$api" --json >"$dir/out.json"
        fi
        grep -q "\"root_hash\":\"$want\"" "$dir/out.json" ||
            die "$api at $size: the root is not $want: $(cat "$dir/out.json")"
    done
done
[ "$(digest static512)" = "$(digest rfc6962512)" ] || die "static and RFC 6962 differ in digest"
"$SANCT" index verify --deep -i "$dir/directory512"
[ "$("$SANCT" index digest -i "$dir/static512" | wc -c)" -gt 64 ] || die "no digest"

python3 - "$SANCT" "$dir/static512" "$data" <<'P'
import json, subprocess, sys

sanct, index, data = sys.argv[1:]
want = {}
entries = [json.loads(line) for tile in ("000", "001") for line in open(f"{data}/tile/names/{tile}")]
for i, entry in enumerate(entries):
    for name in entry.get("DNS", []) + entry.get("IP", []):
        want.setdefault(name.lower(), set()).add(i)
names = list(want)
run = subprocess.run([sanct, "query", "-i", index, "--stdin"], input="\n".join(names) + "\n",
                     capture_output=True, text=True, check=True)
answers = [json.loads(line) for line in run.stdout.splitlines()]
assert len(answers) == len(names), (len(answers), len(names))
for name, answer in zip(names, answers):
    seen = {s["index"] for i in answer["issuances"] for c in i["certificates"] for s in c["seen"]}
    assert seen == want[name], (name, sorted(seen ^ want[name]))
print(f"{len(names)} names of {len(entries)} entries: each finds exactly its entries")
P
