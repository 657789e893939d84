#!/bin/bash
# damaged - a bit of a segment is flipped and a run is cut short under a server
# that has answered from both: questions that need them get an error that names
# the file, all others the answers that they got before, and the server lives.
. "$(dirname "$0")/lib.sh"

"$BUILD/testlog" write-archive --entries 3000 "$dir/zips"
"$SANCT" ingest -i "$dir/index" --log "$dir/zips/000.zip" --progress none "$dir/zips/000.zip" >/dev/null
"$SANCT" index compact -i "$dir/index" >/dev/null
"$SANCT" serve -i "$dir/index" --socket "$dir/socket" 2>"$dir/out" &
server=$!
children+=($server)
for _ in $(seq 100); do [ -S "$dir/socket" ] && break; sleep 0.1; done

python3 - "$dir" <<'P' || die "see above"
import glob, http.client, json, os, socket, sys, time

dir = sys.argv[1]


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(dir + "/socket")


connection = Connection("sanct", timeout=60)


def get(target):
    connection.request("GET", target)
    answer = connection.getresponse()
    return answer.status, answer.read()


def only(kind):
    files = [path for path in glob.glob(f"{dir}/index/{kind}/*") if not path.endswith("-lock")]
    assert len(files) == 1, files
    return files[0]


# ask asks everything again: how many questions fail; the others are answered as
# they were.
def ask(why=None):
    failed = 0
    for name in names:
        status, body = get(f"/v1/certs?q={name}")
        if status == 200:
            assert json.loads(body)["issuances"] == good[name], name
            continue
        failed += 1
        error = json.loads(body)
        assert status == 500 and why in error["message"], (status, error, why)
    assert get("/healthz")[0] == 200
    return failed


status, body = get("/v1/certs?q=example&subdomains=1")
assert status == 200, body
names = sorted({name for issuance in json.loads(body)["issuances"] for name in issuance["dns_names"]})
names = [name for name in names if name.isascii() and name[0].isalnum() and "/" not in name][:400]
good = {}
for name in names:
    status, body = get(f"/v1/certs?q={name}")
    assert status == 200, (name, body)
    good[name] = json.loads(body)["issuances"]
assert len(names) > 100 and ask() == 0

segment = only("segments")


# flip changes a bit in each of these pages, or changes it back; the server looks
# at the file's time once a tick.
def flip(*pages):
    with open(segment, "r+b", buffering=0) as file:
        for page in pages:
            file.seek(page * 4096 + 2000)
            byte = file.read(1)[0]
            file.seek(page * 4096 + 2000)
            file.write(bytes([byte ^ 0x10]))
    time.sleep(0.1)


# Within what is in memory and was just found sound.
flip(5, 9, 13)
failed = ask(segment)
assert 0 < failed < len(names), failed
flip(5, 9, 13)
assert ask() == 0

run = only("runs")
os.truncate(run, os.path.getsize(run) // 8192 * 4096)
assert 0 < ask(run) <= len(names)
P
kill -0 $server || die "the server has ended: $(cat "$dir/out")"
