#!/bin/bash
# contract - options, members and metrics by name, as CLI.md and API.md promise
# them; where these two lie beside the tree.
. "$(dirname "$0")/lib.sh"
contract=$(dirname "$0")/../../../shared
[ -e "$contract/CLI.md" ] || { echo "skipped: no CLI.md and API.md beside the tree"; exit 0; }

"$BUILD/testlog" write --entries 300 --fina "$dir/log" >/dev/null
"$SANCT" ingest -i "$dir/index" --log "$dir/log/log.v3.json" --progress none --json "$dir/log" >"$dir/summary.json"
start_log odd --entries 20 --fault unknown-type=5
ingest unparsed odd rfc6962
"$SANCT" index unparsed --json -i "$dir/unparsed" >"$dir/unparsed.json"
"$SANCT" serve -i "$dir/index" --socket "$dir/sock" 2>"$dir/serve.txt" &
children+=($!)
for _ in $(seq 200); do
    [ -S "$dir/sock" ] && break
    sleep 0.1
done
python3 - "$dir/sock" <<'P' >"$dir/metrics.txt"
import socket, sys

for target in "/v1/count?q=1.1.1.1", "/metrics":
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(sys.argv[1])
        wire.sendall(f"GET {target} HTTP/1.0\r\n\r\n".encode())
        text = wire.makefile("rb").read().partition(b"\r\n\r\n")[2].decode()
print(text)
P
python3 "$(dirname "$0")/../oracle/contract.py" "$contract" "$BUILD" "$dir"

# README names no option that there is not, but for those of other programs.
for program in sanct-ingest sanct-query sanct-index sanctd testlog; do "$BUILD/$program" --help; done >"$dir/help" 2>&1
sed '/curl \|systemctl /d' README.md | grep -oE -- '(^|[^a-z-])--[a-z][a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u >"$dir/named"
while read -r option; do
    grep -qE -- "$option([^a-z-]|\$)" "$dir/help" || die "README names $option"
done <"$dir/named"
echo "the contract's names are there: $(wc -l <"$dir/named") options of README too"
