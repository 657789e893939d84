#!/bin/bash
# long_answers - a name of more issuances than an answer is sorted by: every
# shape gives them all, each once, and the server's memory stays where it was.
#
# ENTRIES (240,000), of which 150,000 issuances; more than 192,000 are needed.
. "$(dirname "$0")/../e2e/lib.sh"
SANCT=$BUILD/sanct # sanitizers would measure themselves
entries=${ENTRIES:-240000}
log=(--entries "$entries" --seed 3 --name all.example)

"$BUILD/testlog" write "${log[@]}" "$dir/log" >/dev/null
"$BUILD/testlog" truth "${log[@]}" >"$dir/truth"
"$SANCT" ingest -i "$dir/index" --log "$dir/log/log.v3.json" --progress none "$dir/log" 2>/dev/null
rm -rf "$dir/log"
"$SANCT" serve -i "$dir/index" --socket "$dir/sock" >"$dir/serve.txt" 2>&1 &
children+=($!)
for _ in $(seq 200); do
    [ -S "$dir/sock" ] && break
    sleep 0.1
done
python3 "$(dirname "$0")/../oracle/long_answers.py" "$dir/sock" $! "$dir/truth" ||
    die "the server said: $(cat "$dir/serve.txt")"
# Straight from the index it is the same.
"$SANCT" query -i "$dir/index" --json all.example |
    python3 "$(dirname "$0")/../oracle/long_answers.py" - 0 "$dir/truth"
