#!/bin/bash
# hostile - hundreds of clients that never read, never finish, only come and go:
# others get all their answers meanwhile, memory stays within its bound, and in
# the end no descriptor is left over.
. "$(dirname "$0")/lib.sh"
SANCT=$BUILD/sanct # sanitizers would measure themselves

"$BUILD/testlog" write --entries 3000 --seed 41 --name all.example "$dir/log" >/dev/null
"$SANCT" ingest -i "$dir/index" --log "$dir/log/log.v3.json" --progress none "$dir/log" 2>/dev/null
"$SANCT" serve -i "$dir/index" --socket "$dir/sock" --threads 2 2>"$dir/serve.txt" &
children+=($!)
for _ in $(seq 200); do
    [ -S "$dir/sock" ] && break
    sleep 0.1
done
python3 - "$dir/sock" $! <<'P' || die "the server said: $(cat "$dir/serve.txt")"
import os, re, socket, sys, threading, time

path, pid = sys.argv[1], int(sys.argv[2])
DEAF, UNFINISHED, IDLE, STORM, GOOD = 200, 100, 100, 2000, 4
KIB_EACH = 1024  # what waits for a client, a question under way, and what the kernel has not taken
LONG = b"GET /v1/certs?q=all.example HTTP/1.1\r\nHost: x\r\n\r\n"
BEGUN = [b"", b"G", b"GET /v1/certs?q=a HTTP/1.1\r\nHo", b"*2\r\n$5\r\nCOUNT\r\n$9\r\nall.ex", b"COUNT all.exa",
         b"POST /v1/certs HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nall.ex"]


def memory():
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1])


def descriptors():
    return len(os.listdir(f"/proc/{pid}/fd"))


def dial(first=b""):
    wire = socket.socket(socket.AF_UNIX)
    wire.connect(path)
    wire.settimeout(60)
    wire.sendall(first)
    return wire


def whole(wire):
    out = b""
    while piece := wire.recv(1 << 16):
        out += piece
    return out


def without_clients(before):
    """Waits until the server has let go of everybody; how many descriptors it then has."""
    for _ in range(300):
        if descriptors() <= before:
            break
        time.sleep(0.1)
    return descriptors()


COUNT = int(whole(dial(b"COUNT all.example\r\nQUIT\r\n")).split(b"\r\n")[0][1:])
wanted = whole(dial(LONG.replace(b"1.1\r\n", b"1.0\r\n"))).partition(b"\r\n\r\n")[2]
# What it holds open from now on: the files of the index.
for _ in range(3):
    whole(dial(b"COUNT all.example\r\nQUIT\r\n"))
time.sleep(0.5)
before, base = descriptors(), memory()
stop, wrong, num_good = threading.Event(), [], [0] * GOOD


def good(which):
    try:
        while not stop.is_set():
            with dial(b"COUNT all.example\r\nCERTS all.example COUNT 3\r\nQUIT\r\n") as wire:
                got = whole(wire)
            if not got.startswith(b":%d\r\n*3\r\n" % COUNT) or not got.endswith(b"+OK\r\n"):
                wrong.append(got[:200])
            num_good[which] += 1
    except OSError as error:
        wrong.append(error)


threads = [threading.Thread(target=good, args=(i,), daemon=True) for i in range(GOOD)]
for thread in threads:
    thread.start()
deaf = [dial(LONG * 3) for _ in range(DEAF)]
unfinished = [dial(BEGUN[i % len(BEGUN)]) for i in range(UNFINISHED)]
idle = [dial() for _ in range(IDLE)]
peak = 0
for i in range(STORM):
    wire = dial(LONG if i % 20 == 0 else BEGUN[i % len(BEGUN)])
    wire.close()
    if i % 50 == 0:
        peak = max(peak, memory())
# Deadlines of ten seconds: who does not read, and who does not finish a head or a
# command, is closed; who says nothing, or has a body to come, may stay.
stays = 2 * (UNFINISHED // len(BEGUN) + 1)
end = time.time() + 60
while descriptors() > before + IDLE + stays + 2 * GOOD and time.time() < end:
    peak = max(peak, memory())
    time.sleep(0.1)
left = descriptors()
cut = sum(1 for wire in deaf if len(whole(wire)) < len(wanted) * 3)
stop.set()
for thread in threads:
    thread.join()
for wire in deaf + unfinished + idle:
    wire.close()
after = without_clients(before)
print(f"{sum(num_good)} good answers among {DEAF + UNFINISHED + IDLE} that wait and {STORM} that come and go; "
      f"{peak} KiB at most, {base} before, {memory()} after; {left} descriptors, then {after}, {before} before")
assert COUNT > 1000, COUNT
assert not wrong, wrong[:3]
assert min(num_good) > 0, num_good
assert cut == DEAF, f"{cut} of {DEAF} that do not read were let go"
assert peak <= base + (DEAF + UNFINISHED + IDLE) * KIB_EACH, peak
assert after <= before, (after, before)
assert whole(dial(LONG.replace(b"1.1\r\n", b"1.0\r\n"))).partition(b"\r\n\r\n")[2] == wanted
P
