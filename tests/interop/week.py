#!/usr/bin/env python3
"""week.py - a week's worth of limits and failures in some minutes.

  week.py week BUILD     every usable and read-only log of the newest log list,
                         each served by a test log behind its real host's limits,
                         growing by several steps a day while it is read and
                         followed; one freezes, one becomes read-only
  week.py twenty BUILD   20 logs, one dead, one slow, one of 1 request a second

The front stands between ingest and the test logs, counts, limits and fails.
"""
import asyncio, base64, collections, email.utils, glob, json, math, os, re, shutil, signal, subprocess, sys, tempfile, time

processes = []
LISTS = "../shared/data/loglist/*/*.json"
HEAD = re.compile(rb"content-length: *(\d+)", re.I)
DAY, DAYS, STEPS = 13, 7, 3  # seconds, days, steps a day by which a log grows
POLL, PARTIAL_AFTER = 3, 5
SHARE_AT_FIRST = 0.85


class Limit:
    """A bucket of tokens, as hosts have them; `tells` how a refusal says when to come back."""

    def __init__(self, rate, burst, tells):
        self.rate, self.burst, self.tells = rate, burst, tells
        self.tokens, self.at, self.refused_at = burst, time.monotonic(), None
        self.num_refused = self.num_twice = self.num = 0

    def admits(self):
        now = time.monotonic()
        self.num += 1
        self.tokens = min(self.burst, self.tokens + self.rate * (now - self.at))
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
            self.refused_at = None
            return True
        self.num_refused += 1
        # What was under way with the first refusal is not a second one.
        if self.refused_at is not None and now - self.refused_at > 0.5:
            self.num_twice += 1
        self.refused_at = now
        return False

    def fields(self):
        wait = math.ceil((1 - self.tokens) / self.rate)
        if self.tells == "seconds":
            return f"Retry-After: {wait}\r\n"
        if self.tells == "date":
            return f"Retry-After: {email.utils.formatdate(time.time() + wait + 1, usegmt=True)}\r\n"
        if self.tells == "odd date":  # as Skylight writes it, CT-PROTOCOLS section 9
            return "Retry-After: " + time.strftime("%a, %d %b %Y %H:%M:%S UTC\r\n", time.gmtime(time.time() + wait + 1))
        return ""


class Log:
    def __init__(self, name, api, entries, cap, host):
        self.name, self.api, self.entries, self.cap, self.host = name, api, entries, cap, host
        self.limit = None
        self.paths = collections.Counter()
        self.statuses = collections.Counter()
        self.faults = {}  # number of the request: what happens then
        self.delay = 0.0
        self.connections = []
        self.size = entries  # of the tree now
        self.lag = 0.0  # seconds for which a head is served that is not the newest
        self.stale = 0  # every so many heads, one that was served before
        self.heads = []  # as served, newest last: (size, root, whole answer)
        self.sizes = []  # of the heads that were told of
        self.final = None  # final_tree_head
        self.grows = False

    def allowed(self):
        """Requests that are needed: entries by the cap, each proof once, each poll.

        What a head adds ends inside of a page, which is asked for again when the
        next has more of it; of tiles only those that do not fill."""
        kinds = collections.Counter()
        for path, num in self.paths.items():
            if "get-entries?" in path or "/tile/data/" in path:
                continue
            poll = path.endswith("get-sth") or path.endswith("/checkpoint")
            kinds["polls" if poll else "proofs"] += num if poll else 1
        return self.pages() + kinds["proofs"] + kinds["polls"]

    def pages(self):
        if self.api != "rfc6962":
            partial = {p for p in self.paths if "/tile/data/" in p and ".p/" in p}
            # One that was served before is compared on the way, inside of a tile.
            stale = sum(a > b for a, b in zip(self.sizes, self.sizes[1:]))
            return self.size // self.cap + len(partial) + stale
        num = held = 0
        for size in self.sizes:
            if size > held:
                num += math.ceil(size / self.cap) - held // self.cap
                held = size
        return num


class Host:
    def __init__(self, name):
        self.name, self.logs, self.limit, self.dead_until, self.num_dead, self.port = name, {}, None, 0, 0, 0


class Front:
    """One port for each host; /NUMBER/... is the log of that number."""

    def __init__(self, hosts):
        self.hosts = hosts

    async def start(self):
        for host in self.hosts:
            server = await asyncio.start_server(lambda r, w, host=host: self.serve(host, r, w), "127.0.0.1", 0, backlog=512)
            host.port = server.sockets[0].getsockname()[1]

    async def upstream(self, log, target):
        reader = writer = None
        try:
            reader, writer = log.connections.pop() if log.connections else await asyncio.open_connection("127.0.0.1", log.port)
            writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(int(HEAD.search(head)[1]))
        except BaseException:
            if writer:
                writer.close()
            raise
        log.connections.append((reader, writer))
        return int(head.split(b" ", 2)[1]), head + body, body

    async def head_of(self, log, target):
        """A head; now and then not the newest, as caches and balancers have it."""
        told = len(log.sizes)
        if log.heads and time.monotonic() < log.heads[-1][3] + log.lag:
            head = log.heads[-1]
        elif len(log.heads) > 1 and log.stale and told % log.stale == 0:
            head = log.heads[-2]
        else:
            status, whole, body = await self.upstream(log, target)
            if log.api == "rfc6962":
                told = json.loads(body)
                head = (told["tree_size"], told["sha256_root_hash"], whole, time.monotonic())
            else:
                lines = body.decode().split("\n")
                head = (int(lines[1]), lines[2], whole, time.monotonic())
            log.heads.append(head)
        log.sizes.append(head[0])
        return 200, head[2], b""

    async def answer(self, host, target):
        """What is sent, None: nothing, the connection is reset."""
        if time.monotonic() < host.dead_until:
            host.num_dead += 1
            return None
        number, rest = target[1:].split("/", 1)
        log = host.logs[number]
        for limit in (host.limit, log.limit):
            if limit and not limit.admits():
                log.paths["/" + rest] += 1
                log.statuses[429] += 1
                return f"HTTP/1.1 429 Too Many Requests\r\n{limit.fields()}Content-Length: 0\r\n\r\n".encode()
        log.paths["/" + rest] += 1
        fault = log.faults.pop(sum(log.paths.values()), None)
        if log.delay:
            await asyncio.sleep(log.delay)
        if fault == "reset":
            log.statuses["reset"] += 1
            return None
        if fault == "html":
            log.statuses["html"] += 1
            return b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>...</html>"[:-1]
        if fault:
            log.statuses[fault] += 1
            return f"HTTP/1.1 {fault} Trouble\r\nContent-Length: 0\r\n\r\n".encode()
        ask = self.head_of if rest.endswith("get-sth") or rest == "checkpoint" else self.upstream
        status, whole, _ = await ask(log, f"/{'rfc6962' if log.api == 'rfc6962' else 'static'}/{rest}")
        log.statuses[status] += 1
        return whole

    async def serve(self, host, reader, writer):
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                whole = await self.answer(host, head.split(b" ", 2)[1].decode())
                if whole is None:
                    writer.transport.abort()
                    return
                writer.write(whole)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


def start_log(build, folder, log, seed):
    """A test log in a process of its own."""
    command = [f"{build}/testlog", "serve", "--dir", folder, "--entries", str(log.entries), "--size", str(log.size), "--seed", str(seed), "--for", "900", "--memory", "512"]
    if log.api == "rfc6962":
        command += ["--batch", str(log.cap)]
    log.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    processes.append(log.process)


def wait_for_logs(folder, logs):
    for i, log in enumerate(logs):
        while not os.path.exists(f"{folder}/{i}/ready"):
            if log.process.poll() is not None:
                sys.exit(f"the log {log.name} did not start")
            time.sleep(0.05)
        log.port = int(open(f"{folder}/{i}/ready").read())


def description(folder, i, log, state):
    told = json.load(open(f"{folder}/{i}/{log.api}.json"))
    url = f"http://127.0.0.1:{log.host.port}/{i}/"
    told["description"] = log.name
    told["state"] = {state: {"timestamp": "2026-01-01T00:00:00Z"}}
    if log.final:
        told["state"] = {"readonly": {"timestamp": "2026-01-01T00:00:00Z", "final_tree_head": log.final}}
    if log.api == "rfc6962":
        told["url"] = url
    else:
        told["monitoring_url"] = url
    return told


def write_list(path, folder, logs, states):
    told = [description(folder, i, log, states[i]) for i, log in enumerate(logs)]
    with open(path + "~", "w") as out:
        json.dump({"version": "1", "log_list_timestamp": "2026-01-01T00:00:00Z",
                   "operators": [{"name": "all", "email": [],
                                  "logs": [t for t, log in zip(told, logs) if log.api == "rfc6962"],
                                  "tiled_logs": [t for t, log in zip(told, logs) if log.api != "rfc6962"]}]}, out)
    os.rename(path + "~", path)


# What the hosts of the list do, after CT-PROTOCOLS sections 5 and 9, but faster:
# (part of the host's name, cap, limit of the host, limit of each log, entries)
BEHAVIOUR = [
    ("googleapis.com", 32, lambda: Limit(60, 30, "seconds"), None, 6400),
    ("cloudflare.com", 1024, None, None, 30000),
    ("digicert.com", 256, None, lambda: Limit(8, 8, None), 25600),
    ("sectigo.com", 256, None, None, 12800),
    ("trustasia", 256, lambda: Limit(10, 10, "date"), None, 25600),
    ("tuscolo", 256, lambda: Limit(20, 10, "odd date"), None, 40000),
    ("", 256, None, None, 10240),
]


def behave(logs, hosts):
    for host in hosts.values():
        _, _, limit, _, _ = next(b for b in BEHAVIOUR if b[0] in host.name)
        host.limit = limit() if limit else None
    for i, log in enumerate(logs):
        _, _, _, limit, _ = next(b for b in BEHAVIOUR if b[0] in log.host.name)
        log.limit = limit() if limit else None
        log.delay = (0, 0.005, 0.03)[i % 3]
        log.lag = (0, 2, 4)[i // 3 % 3]
        log.stale = (0, 3)[i // 9 % 2]
        if log.entries // log.cap >= 40:  # one failure of each kind by turn
            log.faults = {11 + i % 5: (500, 502, 503, 504, "reset", "html", 403)[i % 7]}


def newest_list():
    lists = [json.load(open(path)) for path in glob.glob(LISTS)]
    newest = max((l for l in lists if "operators" in l), key=lambda l: l["log_list_timestamp"])
    for operator in newest["operators"]:
        for kind in ("logs", "tiled_logs"):
            for log in operator.get(kind, []):
                state = next(iter(log.get("state", {"none": 0})))
                if state in ("usable", "readonly"):
                    yield log, kind, state


async def ingest(build, folder, list_path, *options):
    os.makedirs(f"{folder}/index", exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        f"{build}/sanct", "ingest", "-i", f"{folder}/index", "--log-list", list_path, "--all", "--json", "--contact", "week@test",
        "--progress", "log", *options, stdout=subprocess.PIPE)
    return process


def check_week(logs, hosts, summary):
    problems = []
    told = {log["name"]: log for log in summary["logs"]}
    for log in logs:
        requests, allowed = sum(log.paths.values()), log.allowed()
        ratio = requests / allowed
        print(f"{log.name:42.42s} {log.host.name:34.34s} {log.api:8s} entries {log.size:6d} heads {len(set(log.sizes)):2d} requests {requests:5d} needed {allowed:5d} "
              f"ratio {ratio:.3f} " + " ".join(f"{k}:{v}" for k, v in sorted(log.statuses.items(), key=str)))
        if told[log.name]["status"] != "complete" or told[log.name]["indexed"] != log.size or told[log.name]["tree_size"] != log.size:
            problems.append(f"{log.name} is {told[log.name]['status']} with {told[log.name]['indexed']} of {log.size}: {told[log.name]['error']}")
        if len(set(log.sizes)) < 3 and log.grows:
            problems.append(f"{log.name} was not seen to grow")
        if ratio > 1.05:
            problems.append(f"{log.name}: {requests} requests where {allowed} are needed")
    limits = [(h.name, h.limit) for h in hosts.values() if h.limit] + [(l.name, l.limit) for l in logs if l.limit]
    for name, limit in limits:
        print(f"limit of {name:42.42s} {limit.rate}/s: {limit.num} requests, {limit.num_refused} refused, {limit.num_twice} twice in a row")
        if limit.num_twice:
            problems.append(f"{name}: its limit was exceeded twice in a row {limit.num_twice} times")
    return problems


async def grow(front, logs, frozen, ended, list_changed):
    """A week; then each log is at its last head."""
    growing = [log for log in logs if log.grows]
    first = {log: log.size for log in growing}
    for step in range(1, DAYS * STEPS + 1):
        await asyncio.sleep(DAY / STEPS)
        for log in growing:
            if log is frozen and step > 3 * STEPS or log is ended and step > 5 * STEPS:
                continue
            size = first[log] + (log.entries - first[log]) * step // (DAYS * STEPS)
            status, _, _ = await front.upstream(log, f"/control/size={size}")
            assert status == 200
            log.size = size
        if step == 5 * STEPS + 1:
            _, _, body = await front.upstream(ended, "/rfc6962/ct/v1/get-sth")
            told = json.loads(body)
            ended.final = {"tree_size": told["tree_size"], "sha256_root_hash": told["sha256_root_hash"]}
            list_changed()


async def held(path):
    """What ingest holds of each log and how large the log is, by its metrics."""
    reader, writer = await asyncio.open_unix_connection(path)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    return {m[1]: int(float(m[2])) for m in re.finditer(r'^sanct_ingest_held_entries\{log="(.*)"\} (\S+)$', text, re.M)}


async def wait_until_held(process, path, logs, seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.returncode is None:
        there = await held(path)
        if all(there.get(log.name) == log.size for log in logs):
            return
        await asyncio.sleep(0.5)


async def week(build, folder):
    hosts, logs, states = {}, [], []
    for told, kind, state in newest_list():
        url = told["url" if kind == "logs" else "monitoring_url"]
        name = url.split("/")[2]
        host = hosts.setdefault(name, Host(name))
        _, cap, _, _, entries = next(b for b in BEHAVIOUR if b[0] in name)
        log = Log(told["description"], "rfc6962" if kind == "logs" else "static", entries + 7 * len(logs), cap if kind == "logs" else 256, host)
        log.grows = state != "readonly"
        if log.grows:
            log.size = int(log.entries * SHARE_AT_FIRST)
        host.logs[str(len(logs))] = log
        logs.append(log)
        states.append(state)
    for i, log in enumerate(logs):
        start_log(build, f"{folder}/{i}", log, i + 1)
    wait_for_logs(folder, logs)
    behave(logs, hosts)
    front = Front(list(hosts.values()))
    await front.start()
    last = logs[-1].host
    last.dead_until = time.monotonic() + 10  # and then it comes back
    frozen = next(log for log in logs if log.grows and log.api == "static")
    ended = next(log for log in logs if log.grows and log.api == "rfc6962" and not log.host.limit and not log.limit)

    def tell():
        write_list(f"{folder}/list.json", folder, logs, states)

    tell()
    begun = time.monotonic()
    process = await ingest(build, folder, f"{folder}/list.json", "--connections", "4", "--follow", "--poll", f"{POLL}s", "--partial-after",
                           f"{PARTIAL_AFTER}s", "--reload", "2s", "--metrics", f"{folder}/socket",
                           "--memory", "7G")  # so that answers of 1,024 entries fit for each of 52
    reading = asyncio.create_task(process.communicate())
    await grow(front, logs, frozen, ended, tell)
    polls = len(ended.sizes)
    await wait_until_held(process, f"{folder}/socket", logs, 60)
    if process.returncode is None:
        process.send_signal(signal.SIGTERM)
    out, _ = await reading
    print(f"{len(logs)} logs on {len(hosts)} hosts, a week in {time.monotonic() - begun:.0f} s, exit {process.returncode}")
    print(f"frozen: {frozen.name} at {frozen.size}; read-only: {ended.name} at {ended.size}")
    if process.returncode != 0:
        return [f"exit {process.returncode}"]
    problems = check_week(logs, hosts, json.loads(out))
    if len(ended.sizes) > polls:
        problems.append(f"{ended.name} has ended and is polled all the same")
    return problems


async def twenty(build, folder):
    """Requests of 17 plain logs in a span of time, alone and beside three bad ones."""
    hosts = [Host(f"host {i}") for i in range(20)]
    logs = [Log(f"log {i}", "rfc6962", 20000, 64, hosts[i]) for i in range(20)]
    for i, log in enumerate(logs):
        log.delay = 0.1  # so that a log's rate is its own and not this machine's
        hosts[i].logs[str(i)] = log
        start_log(build, f"{folder}/{i}", log, i + 1)
    wait_for_logs(folder, logs)
    front = Front(hosts)
    await front.start()
    hosts[17].dead_until = time.monotonic() + 3600
    logs[18].delay = 20
    logs[19].limit = Limit(1, 1, "seconds")
    counts = []
    for num in (17, 20, 17, 20):
        shutil.rmtree(f"{folder}/index", ignore_errors=True)
        write_list(f"{folder}/list.json", folder, logs[:num], ["usable"] * num)
        process = await ingest(build, folder, f"{folder}/list.json", "--connections", "2", "--follow")
        before, waited = sum(sum(l.paths.values()) for l in logs[:17]), 0
        while before == sum(sum(l.paths.values()) for l in logs[:17]) and waited < 300:
            await asyncio.sleep(0.1)
            waited += 1
        await asyncio.sleep(2)
        before = sum(sum(l.paths.values()) for l in logs[:17])
        await asyncio.sleep(12)
        counts.append(sum(sum(l.paths.values()) for l in logs[:17]) - before)
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    alone, beside = max(counts[0], counts[2]), max(counts[1], counts[3])
    print(f"17 logs: {alone} requests alone, {beside} beside a dead, a slow and a limited one, ratio {beside / alone:.3f} (goal 0.95)")
    limited = logs[19]
    print(f"the limited one: {limited.limit.num} requests, {limited.limit.num_refused} refused, {limited.limit.num_twice} twice in a row")
    problems = [] if limited.limit.num_twice == 0 else ["the limit was exceeded twice in a row"]
    if not limited.limit.num or not hosts[17].num_dead:
        problems.append("the bad logs were not asked")
    return problems if beside * 2 > alone else problems + ["three bad logs hold up the others"]


def main():
    kind, build = sys.argv[1:3]
    if kind == "week" and not glob.glob(LISTS):
        print("skipped: there is no log list at", LISTS)
        return
    folder = tempfile.mkdtemp(prefix="sanct-week-")
    problems = ["it did not end"]
    try:
        problems = asyncio.run({"week": week, "twenty": twenty}[kind](build, folder))
    finally:
        for process in processes:
            process.terminate()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    for problem in problems:
        print("FAILED:", problem)
    sys.exit(bool(problems))


main()
