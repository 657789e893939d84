#!/bin/bash
# compact - killed and stopped loads and compactions, a short round of
# tests/crash/kill_compact.sh; then files that may not grow: exit 6, and the
# index is whole.
. "$(dirname "$0")/lib.sh"
ENTRIES=24000 KILLS=2 "$(dirname "$0")/../crash/kill_compact.sh" 2>/dev/null ||
    die "kill_compact"

start_log log --entries 24000 --seed 13
ingest whole log static --memory 200M 2>/dev/null || die "the undisturbed run"
want=$(digest whole)
(ulimit -f 2000 && ingest full log static --memory 200M 2>"$dir/why") && got=0 || got=$?
[ "$got" = 6 ] || die "a load whose files may not grow: exit $got: $(cat "$dir/why")"
"$SANCT" index verify -i "$dir/full" || die "verify after a load that failed"
ingest full log static --memory 200M 2>/dev/null || die "the load goes on"
[ "$(digest full)" = "$want" ] || die "the digest differs after a load that failed"
ls "$dir"/full/segments "$dir"/full/runs >"$dir/before"
(ulimit -f 500 && "$SANCT" index compact -i "$dir/full" 2>"$dir/why") && got=0 || got=$?
[ "$got" = 6 ] || die "a compact whose files may not grow: exit $got: $(cat "$dir/why")"
ls "$dir"/full/segments "$dir"/full/runs | cmp - "$dir/before" || die "a compact that failed left files behind"
[ "$(digest full)" = "$want" ] || die "the digest differs after a compact that failed"
"$SANCT" index compact -i "$dir/full" || die "compact"
"$SANCT" index verify --deep -i "$dir/full" || die "verify --deep"
[ "$(digest full)" = "$want" ] || die "the digest differs after compact"
