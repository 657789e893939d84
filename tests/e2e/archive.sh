#!/bin/bash
# archive - a log read from zips, whole, split, damaged and with holes: one
# digest with the network; what is wrong is found, and the zip named.
. "$(dirname "$0")/lib.sh"
entries=${ENTRIES:-5000} # in five zips, the first of them Zip64

start_log log --entries "$entries" --same-key --time 1700000000000
"$BUILD/testlog" write-archive --entries "$entries" --same-key --time 1700000000000 --per-zip 1024 "$dir/zips"
ingest network log static
python3 - "$dir" <<'P'
import sys, zipfile

dir = sys.argv[1]
with zipfile.ZipFile(f"{dir}/zips/000.zip") as zip:
    open(f"{dir}/log.json", "wb").write(zip.read("log.v3.json"))
P

# read CODE INDEX OPTION-OR-SOURCE... reads zips and wants that exit code.
read_zips() {
    local want=$1 index=$2 code=0
    shift 2
    mkdir -p "$dir/$index"
    "$SANCT" ingest -i "$dir/$index" --progress none "$@" >"$dir/out" 2>&1 || code=$?
    [ $code = "$want" ] || die "$index: exit $code, not $want: $(cat "$dir/out")"
}
says() { grep -qF -- "$1" "$dir/out" || die "'$1' is not said: $(cat "$dir/out")"; }

# Every source of the key; any order; a checked archive; one digest.
key=$(sed -n 's/.*"key" *: *"\([^"]*\)".*/\1/p' "$dir/log.json")
origin=$(python3 -c 'import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).read("checkpoint").decode().split("\n")[0])' "$dir/zips/000.zip")
python3 - "$dir" <<'P'
import json, sys

dir = sys.argv[1]
log = json.load(open(f"{dir}/log.json"))
log["state"] = {"retired": {"timestamp": "2024-01-01T00:00:00Z"}}
list = {"version": "1.0", "log_list_timestamp": "2024-01-01T00:00:00Z",
        "operators": [{"name": "t", "email": ["t@example.org"], "logs": [], "tiled_logs": [log]}]}
json.dump(list, open(f"{dir}/list.json", "w"))
P
read_zips 0 by_log --log "$dir/log.json" "$dir"/zips/*.zip
read_zips 0 by_zip --log "$dir/zips/001.zip" --check-archive "$dir"/zips/*.zip
read_zips 0 by_list --log-list "$dir/list.json" "$dir"/zips/00[43210].zip
read_zips 0 by_key --key "$key" --origin "$origin" "$dir"/zips/*.zip
for index in by_log by_zip by_list by_key; do
    [ "$(digest $index)" = "$(digest network)" ] || die "$index differs from the network in digest"
done
# One that cannot be opened, among those of a list: named, and the rest is read.
head -c 5000 "$dir/zips/004.zip" >"$dir/cut.zip"
read_zips 5 with_cut --log-list "$dir/list.json" "$dir"/zips/00[43210].zip "$dir/cut.zip"
says cut.zip
[ "$(digest with_cut)" = "$(digest network)" ] || die "a zip that cannot be opened cost more than itself"
read_zips 5 only_cut --log-list "$dir/list.json" "$dir/cut.zip"
says cut.zip
read_zips 2 no_origin --key "$key" "$dir"/zips/*.zip
says --origin
read_zips 3 no_key "$dir"/zips/*.zip
[ ! -e "$dir/no_key/data.mdb" ] || die "something was written without a key"

# A zip is missing: all the others have is read, and later the rest.
read_zips 4 hole --log "$dir/log.json" "$dir"/zips/00[0134].zip
says "entries 2048..3071"
"$SANCT" index verify --deep -i "$dir/hole"
read_zips 0 hole --log "$dir/log.json" "$dir"/zips/*.zip
[ "$(digest hole)" = "$(digest network)" ] || die "a filled hole differs in digest"

# Zips and a folder are one log.
mkdir "$dir/folder"
(cd "$dir/folder" && python3 -m zipfile -e ../zips/003.zip .)
read_zips 0 mixed --log "$dir/log.json" "$dir"/zips/00[0124].zip "$dir/folder"
[ "$(digest mixed)" = "$(digest network)" ] || die "zips and a folder differ in digest"

# Missing issuers are no error, and little memory is enough.
mkdir "$dir/bare"
python3 - "$dir" <<'P'
import sys, zipfile

dir = sys.argv[1]
for name in ("000", "001", "003", "004"):
    with zipfile.ZipFile(f"{dir}/zips/{name}.zip") as zip, zipfile.ZipFile(f"{dir}/bare/{name}.zip", "w") as out:
        for info in zip.infolist():
            if not info.filename.startswith("issuer/"):
                out.writestr(info.filename, zip.read(info), info.compress_type)
P
read_zips 4 bare --log "$dir/log.json" --memory 64M --threads 1 "$dir"/bare/*.zip
says "entries 2048..3071"
read_zips 0 bare --log "$dir/log.json" --memory 64M "$dir/zips/002.zip" "$dir"/bare/*.zip

# Not a zip; cut off; of another log.
echo nothing >"$dir/none.zip"
read_zips 5 none --log "$dir/log.json" "$dir/zips/000.zip" "$dir/none.zip"
says none.zip
head -c 400000 "$dir/zips/001.zip" >"$dir/cut.zip"
read_zips 5 cut --log "$dir/log.json" "$dir/zips/000.zip" "$dir/cut.zip"
says cut.zip
"$BUILD/testlog" write-archive --entries 300 --seed 2 "$dir/other"
read_zips 3 other --log "$dir/log.json" "$dir/zips/000.zip" "$dir/other/000.zip"
says other/000.zip

# One flipped byte in each kind of member, its CRC-32 as it was and made to fit.
cat >"$dir/flip.py" <<'P'
import os, sys, zipfile, zlib

source, to, name, fix = sys.argv[1:]
with zipfile.ZipFile(source) as zip, zipfile.ZipFile(to, "w") as out:
    place = None
    for info in zip.infolist():
        data = zip.read(info)
        if info.filename == name and fix == "fix":
            data = data[:40] + bytes([data[40] ^ 1]) + data[41:]
        if info.filename == name:
            place = out.fp.tell()
        out.writestr(info.filename, data, info.compress_type)
    info = out.getinfo(name)
if fix != "fix":
    with open(to, "r+b") as file:
        at = place + 30 + len(name) + info.compress_size // 2
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))
P
for member in checkpoint tile/data/013 tile/1/000.p/19; do
    for fix in raw fix; do
        mkdir "$dir/bad"
        cp "$dir"/zips/00[024].zip "$dir/zips/001.zip" "$dir/bad"
        python3 "$dir/flip.py" "$dir/zips/003.zip" "$dir/bad/003.zip" $member $fix
        read_zips 5 "flip-$fix-${member//\//-}" --log "$dir/log.json" "$dir"/bad/*.zip
        says 003.zip
        rm -r "$dir/bad"
    done
done

# Any member at all is found when all are checked.
issuer=$(python3 -c 'import sys, zipfile; print([n for n in zipfile.ZipFile(sys.argv[1]).namelist() if n.startswith("issuer/")][0])' "$dir/zips/003.zip")
for member in README.txt "$issuer" tile/0/013 tile/0/019.p/136 tile/data/019.p/136; do
    for fix in raw fix; do
        [ "$fix $member" != "fix README.txt" ] || continue
        mkdir "$dir/bad"
        cp "$dir"/zips/00[0124].zip "$dir/bad"
        python3 "$dir/flip.py" "$dir/zips/003.zip" "$dir/bad/003.zip" "$member" $fix
        read_zips 5 "check-$fix-${member//\//-}" --log "$dir/log.json" --check-archive "$dir"/bad/*.zip
        says 003.zip
        rm -r "$dir/bad"
    done
done
echo "five zips: one digest with the network, every flipped byte found"
