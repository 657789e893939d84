#!/bin/bash
# unauthenticated - bits flipped in what the tree does not cover (extra_data,
# pre_certificate, chains): nothing that the tree authenticates changes, and the
# precertificate's flips are found by the cross-check with the leaf.
. "$(dirname "$0")/lib.sh"

# A precertificate entry: its extra_data begins with the precertificate.
entry=102
start_log honest --entries 300 --seed 5 --fina --same-key
ingest want honest rfc6962 2>/dev/null
want=$(digest want)
all=$("$SANCT" index digest --all -i "$dir/want")
flagged=0 differing=0 flips=0
for api in rfc6962 static; do
    for bit in 3 40 900 1777 2501 3333 4100 5003 6006 7100 7999; do
        log=$api$bit
        start_log "$log" --entries 300 --seed 5 --fina --same-key --fault "flip-extra=$entry:$bit"
        status=0
        ingest "$log" "$log" "$api" --retry 0 2>"$dir/err" || status=$?
        kill "${children[-1]}" 2>/dev/null || true
        flips=$((flips + 1))
        # A length that is wrong in a tile leaves no entries to read: no answer.
        if [ "$status" = 4 ]; then continue; fi
        [ "$status" = 0 ] || die "$api, bit $bit: exit $status: $(cat "$dir/err")"
        [ "$(digest "$log")" = "$want" ] || die "$api, bit $bit: the authenticated digest changed"
        [ "$("$SANCT" index digest --all -i "$dir/$log")" = "$all" ] || differing=$((differing + 1))
        "$SANCT" index verify --deep -i "$dir/$log" >/dev/null || die "$api, bit $bit: verify --deep"
        sha256=$("$SANCT" index export -i "$dir/$log" --format ndjson |
            sed -n "$((entry + 1))s/.*\"sha256\":\"\([0-9a-f]*\)\".*/\1/p")
        if "$SANCT" query -i "$dir/$log" --json "sha256:$sha256" |
            grep -qE '"flags":\[[^]]*"(precert-mismatch|chain-unreadable)"'; then
            flagged=$((flagged + 1))
        fi
    done
done
echo "$flips flips: the authenticated digest never changed; $differing differ in what is not authenticated, $flagged flagged"
[ "$flagged" -gt 0 ] && [ "$differing" -gt 0 ] || die "no flip was noticed"
