#!/bin/bash
# disk_full - a small file system fills up in a load, in the merges that one in
# small sets begins, and in sanct index compact: exit 6 with a sentence, a sound
# index, and with more room the work goes on to the same digest.
#
# ENTRIES (40,000), STEPS (6) sizes of the disk.  Needs root, to mount a tmpfs.
. "$(dirname "$0")/../e2e/lib.sh"
entries=${ENTRIES:-40000} steps=${STEPS:-6}
RANDOM=${SEED:-7}

small=$dir/small
mkdir "$small"
finish_mount() {
    umount "$small" 2>/dev/null || umount -l "$small" 2>/dev/null || true
    finish
}
if ! mount -t tmpfs -o size=1G tmpfs "$small" 2>/dev/null; then
    [ -z "${CI:-}" ] || [ "$(id -u)" != 0 ] || die "root cannot mount a tmpfs"
    echo "no tmpfs may be mounted: skipped"
    exit 0
fi
trap finish_mount EXIT
resize() { mount -o "remount,size=$1" "$small" || die "remount"; }
used_kib() { df --output=used -k "$small" | tail -n 1; }

# Runs a command that may find the disk full: exit 0 or 6, and 6 with a word of
# the disk.
full=0
may_fill() {
    local got=0
    "$@" 2>"$dir/why" || got=$?
    [ "$got" = 0 ] && return 0
    [ "$got" = 6 ] || die "$1: exit $got: $(cat "$dir/why")"
    grep -qE 'disk full|may be needed|No space' "$dir/why" || die "$1: exit 6: $(cat "$dir/why")"
    full=$((full + 1))
    return 6
}
check_sound() {
    [ -e "$small/index/tail" ] || return 0
    "$SANCT" index verify -i "$small/index" >"$dir/why" 2>&1 || die "$1: verify: $(cat "$dir/why")"
}
load() { ingest small/index log static --memory 64M "$@"; }

start_log log --entries "$entries" --seed 17
load 2>/dev/null || die "the undisturbed run"
want=$(digest small/index)
# What the whole takes before it is compacted.
whole=$(used_kib)

for i in $(seq "$steps"); do
    rm -rf "$small/index"
    resize "$((whole * i / steps + RANDOM % 512))k"
    if ! may_fill load; then
        check_sound "a load on a disk of $i/$steps"
        resize 1G
        load 2>/dev/null || die "the load that goes on"
    fi
    [ "$(digest small/index)" = "$want" ] || die "the digest differs after a full disk in a load"
done
[ "$full" -ge $((steps / 2)) ] || die "the disk was full only $full times"
loads=$full

# A merge has begun, and then something else takes all room there is.
fill_in_merge() {
    await_merge "$1" || return 0
    kill -STOP "$1"
    head -c 2G /dev/zero >"$small/other" 2>/dev/null || true
    kill -CONT "$1"
}
merge_on_full() {
    local pid
    start_ingest small/index log static --memory 16M
    pid=$!
    fill_in_merge "$pid"
    wait "$pid"
}
for i in $(seq "$steps"); do
    resize 1G
    rm -rf "$small/index" "$small/other"
    if ! may_fill merge_on_full; then
        check_sound "a merge on a full disk"
        rm -f "$small/other"
        load 2>/dev/null || die "the load that goes on after a merge"
    fi
    [ "$(digest small/index)" = "$want" ] || die "the digest differs after a full disk in a merge"
done
merges=$((full - loads))
[ "$merges" -ge $((steps / 2)) ] || die "the disk was full in only $merges merges"

# Room is looked for beforehand; so something else takes it meanwhile.
for i in $(seq "$steps"); do
    resize 1G
    rm -rf "$small/index" "$small/other"
    load 2>/dev/null || die "a load"
    find "$small/index/segments" "$small/index/runs" -type f | sort >"$dir/before"
    resize "$(($(used_kib) + 60000 + RANDOM))k"
    { sleep "0.0$((RANDOM % 100))" && head -c 1G /dev/zero >"$small/other"; } 2>/dev/null &
    if ! may_fill "$SANCT" index compact -i "$small/index"; then
        wait $! || true
        check_sound "a compaction on a full disk"
        [ "$(digest small/index)" = "$want" ] || die "the digest differs after a full disk in compact"
        rm -f "$small/other"
        resize 1G
        "$SANCT" index compact -i "$small/index" || die "compact with room"
    fi
    wait $! 2>/dev/null || true
    [ "$(digest small/index)" = "$want" ] || die "the digest differs after compact"
    [ "$(find "$small/index/segments" "$small/index/runs" -type f | wc -l)" = 2 ] || die "files are left behind"
done
"$SANCT" index verify --deep -i "$small/index" || die "verify --deep"
echo "$entries entries, $loads loads, $merges merges and $((full - loads - merges)) compactions on a full disk: digest $want"
