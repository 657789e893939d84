#!/bin/bash
# oracle - random questions over the socket against a naive reader of the tiles
# that went in (tests/oracle): before and after a compaction under the server.
# And the JSON of every endpoint against its schema (tests/schema).
#
# QUESTIONS says how many; SEED which.
. "$(dirname "$0")/lib.sh"
questions=${QUESTIONS:-4000}
seed=${SEED:-1}

# Two logs that share issuances, the second a part of the first.
"$BUILD/testlog" write --entries 3000 --seed "$seed" --fina "$dir/first" >/dev/null
"$BUILD/testlog" write --entries 3000 --seed "$seed" --fina --size 2000 --rsa "$dir/second" >/dev/null
for log in first second; do
    sed -i "s/\"description\": \".*\"/\"description\": \"$log log\"/" "$dir/$log/log.v3.json"
    "$SANCT" ingest -i "$dir/index" --log "$dir/$log/log.v3.json" --progress none "$dir/$log" >/dev/null
done

"$SANCT" serve -i "$dir/index" --socket "$dir/sock" >"$dir/serve.txt" 2>&1 &
children+=($!)
for _ in $(seq 200); do
    [ -S "$dir/sock" ] && break
    sleep 0.1
done
ask() {
    python3 "$(dirname "$0")/../oracle/oracle.py" "$dir/sock" "$1" "$2" \
        "first log=$dir/first" "second log=$dir/second"
}
ask $((questions / 2)) "$seed"
python3 "$(dirname "$0")/../oracle/schemas.py" "$dir/sock"
"$SANCT" index compact -i "$dir/index" --progress none >/dev/null
ask $((questions - questions / 2)) $((seed + 1))
