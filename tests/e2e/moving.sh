#!/bin/bash
# moving - entries are added and files merged while a server is asked without a
# pause: no request fails, and every answer is of a moment, never of an earlier
# one than the answer before.
. "$(dirname "$0")/lib.sh"

archive() { "$BUILD/testlog" write-archive --fina --entries "$2" --seed "$1" "$dir/zips$1"; }
add() { "$SANCT" ingest -i "$dir/index" --log "$dir/zips$1/000.zip" --progress none "$dir/zips$1/000.zip" >/dev/null 2>"$dir/why" || die "$(cat "$dir/why")"; }
count() { "$SANCT" query -i "$dir/index" --count --subdomains example; }

for seed in 1 2 3 4 5; do archive $seed 1500; done
add 1
count >"$dir/states"
"$SANCT" serve -i "$dir/index" --socket "$dir/socket" 2>"$dir/out" &
server=$!
children+=($server)
for _ in $(seq 100); do [ -S "$dir/socket" ] && break; sleep 0.1; done

# Asks until $dir/stop is there; prints each count that it met, once.
python3 - "$dir" <<'P' >"$dir/met" 2>"$dir/python" &
import http.client, json, os, socket, sys, threading

dir = sys.argv[1]
met = []
lock = threading.Lock()


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(dir + "/socket")


def get(connection, target):
    connection.request("GET", target)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, (answer.status, body)
    return json.loads(body)


def stopped():
    return os.path.exists(dir + "/stop")


def note(count):
    with lock:
        if count not in met:
            met.append(count)


def counts():
    connection, last, num = Connection("sanct", timeout=30), 0, 0
    while not stopped():
        count = get(connection, "/v1/count?q=example&subdomains=1")["count"]
        assert count >= last, (count, last)
        note(count)
        last, num = count, num + 1
    assert num > 100, num


def wholes():
    connection, last = Connection("sanct", timeout=30), set()
    while not stopped():
        answer = get(connection, "/v1/certs?q=example&subdomains=1&fields=id")
        ids = {issuance["id"] for issuance in answer["issuances"]}
        assert answer["complete"] and len(ids) == answer["count"] == len(answer["issuances"])
        assert last <= ids, sorted(last - ids)
        note(len(ids))
        last = ids


def commands():
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(dir + "/socket")
    file = connection.makefile("rb")
    last = 0
    while not stopped():
        connection.sendall(b"COUNT 1.1.1.1\r\n" * 200)
        for _ in range(200):
            line = file.readline()
            assert line[:1] == b":", line
            assert int(line[1:]) >= last, line
            last = int(line[1:])


def run(work):
    try:
        work()
    except BaseException:
        sys.excepthook(*sys.exc_info())
        os._exit(1)


threads = [threading.Thread(target=run, args=(work,)) for work in (counts, wholes, commands)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("\n".join(map(str, met)))
P
asker=$!
children+=($asker)
going() { kill -0 $asker 2>/dev/null || die "asking ended: $(cat "$dir/python")"; }

for seed in 2 3; do add $seed; going; count >>"$dir/states"; done
"$SANCT" index compact -i "$dir/index" >/dev/null || die "compact"
going
for seed in 4 5; do add $seed; going; count >>"$dir/states"; done
"$SANCT" index compact -i "$dir/index" >/dev/null || die "compact"
sleep 0.5
going
touch "$dir/stop"
wait $asker || die "$(cat "$dir/python")"
# Each log came at one moment: there is nothing between.
while read -r number; do
    grep -qx "$number" "$dir/states" || die "an answer of no moment: $number is none of $(tr '\n' ' ' <"$dir/states")"
done <"$dir/met"
[ "$(tail -n 1 "$dir/met")" = "$(tail -n 1 "$dir/states")" ] || die "the last answer is not of the last moment"
[ "$(sort -un "$dir/states" | wc -l)" = 5 ] || die "the logs add nothing"
[ "$(wc -l <"$dir/met")" -gt 1 ] || die "nothing moved while it was asked"
kill -0 $server || die "the server has ended: $(cat "$dir/out")"
