"""long_answers - answers of more than 100,000 issuances, against what was planted, and the server's memory meanwhile.

    long_answers.py SOCKET PID TRUTH     asks in every shape
    long_answers.py - 0 TRUTH            reads one answer from standard input

TRUTH is what `testlog truth` prints.  An answer is read as a client has to read one that is longer than memory: a piece
at a time.
"""
import json
import re
import socket
import sys

NAME = "all.example"
SORTED_MAX = 100000
MEMORY_KIB = 32 << 10  # of the server, beside 300 MB of answer


def planted(path):
    """The entries of each issuance, and the names of each entry."""
    groups, names = {}, {}
    with open(path) as file:
        for line in file:
            entry = json.loads(line)
            groups.setdefault(entry["issuance"], set()).add(entry["index"])
            names[entry["index"]] = entry["dns"]
    return {frozenset(group) for group in groups.values()}, names


class Text:
    """A stream, of which only what is being looked at is held."""

    def __init__(self, file, pid):
        self.file, self.pid, self.text, self.peak, self.len = file, pid, "", 0, 0
        self.decoder = json.JSONDecoder()

    def more(self):
        piece = self.file.read1(1 << 20)
        self.len += len(piece)
        self.text += piece.decode("ascii")  # what is not is escaped in none of the names here
        if self.pid and piece:
            self.peak = max(self.peak, memory(self.pid))
        return bool(piece)

    def until(self, word):
        while word not in self.text:
            if not self.more():
                sys.exit(f"the answer ends before {word!r}: {self.text[-200:]!r}")
        before, _, self.text = self.text.partition(word)
        return before

    def objects(self):
        """The elements of an array that has begun, up to its end."""
        while True:
            self.text = self.text.lstrip(", \n")
            if self.text.startswith("]"):
                self.text = self.text[1:]
                return
            try:
                value, end = self.decoder.raw_decode(self.text)
            except json.JSONDecodeError:
                if not self.more():
                    sys.exit(f"the answer ends in the middle: {self.text[-200:]!r}")
                continue
            self.text = self.text[end:]
            yield value

    def rest(self):
        while self.more():
            pass
        return self.text


def memory(pid):
    with open(f"/proc/{pid}/status") as file:
        return int(re.search(r"RssAnon:\s+(\d+)", file.read())[1])


class Given:
    """Issuances as they come: each once, in rising order of discovery, with the names that it has."""

    def __init__(self, what, truth):
        self.what, (self.groups, self.names) = what, truth
        self.seen, self.last = set(), 0

    def take(self, issuance):
        entries = frozenset(seen["index"] for c in issuance["certificates"] for seen in c["seen"])
        if entries not in self.groups or entries in self.seen:
            sys.exit(f"{self.what}: {sorted(entries)} is no issuance, or came twice")
        if issuance["dns_names"] != self.names[min(entries)]:
            sys.exit(f"{self.what}: {issuance['dns_names']} are not the names of {sorted(entries)}")
        if int(issuance["id"]) <= self.last:
            sys.exit(f"{self.what}: {issuance['id']} comes after {self.last}")
        self.seen.add(entries)
        self.last = int(issuance["id"])

    def end(self):
        if self.seen != self.groups:
            sys.exit(f"{self.what}: {len(self.seen)} issuances, not {len(self.groups)}")


def native(text, given, want_order=True):
    text.until('"issuances":[')
    for issuance in text.objects():
        given.take(issuance)
    members = json.loads("{" + text.rest().lstrip(","))
    if want_order and members.get("order") != "found":
        sys.exit(f"{given.what}: does not say that it comes in the order found")
    return members


def expect(what, got, wanted):
    if got != wanted:
        sys.exit(f"{what}: {got}, not {wanted}")


class Server:
    def __init__(self, path, pid):
        self.path, self.pid, self.peak, self.len = path, pid, 0, 0

    def ask(self, request):
        wire = socket.socket(socket.AF_UNIX)
        wire.connect(self.path)
        wire.sendall(request.encode())
        wire.shutdown(socket.SHUT_WR)
        return Text(wire.makefile("rb"), self.pid)

    def get(self, target):
        text = self.ask(f"GET {target} HTTP/1.0\r\n\r\n")  # not in chunks
        head = text.until("\r\n\r\n")
        expect(target, head.split()[1], "200")
        return text

    def note(self, text):
        self.peak, self.len = max(self.peak, text.peak), self.len + text.len


def elements(text, given, num):
    """Bulk strings of an array."""
    for _ in range(num):
        text.until("$")
        size = int(text.until("\r\n"))
        while len(text.text) < size + 2:
            if not text.more():
                sys.exit(f"{given.what}: an array ends early")
        given.take(json.loads(text.text[:size]))
        text.text = text.text[size + 2:]
    expect(f"{given.what}: behind the array", text.rest(), "")


def ask_all(server, truth):
    num = len(truth[0])
    expect("/v1/count", json.loads(server.get(f"/v1/count?q={NAME}").rest())["count"], num)
    expect("COUNT", server.ask(f"COUNT {NAME}\r\n").rest(), f":{num}\r\n")

    given = Given("the whole answer", truth)
    text = server.get(f"/v1/certs?q={NAME}")
    members = native(text, given)
    given.end()
    server.note(text)
    expect("the whole answer", (members["count"], members["complete"], members["cursor"]), (num, True, None))

    given, after = Given("pages", truth), ""
    while after is not None:
        text = server.get(f"/v1/certs?q={NAME}&limit={SORTED_MAX + 20000}{after}")
        members = native(text, given, False)
        server.note(text)
        after = members["cursor"] and f"&after={members['cursor']}"
        expect("a page", (members["complete"], members["count"]), (after is None, None))
    given.end()

    given, after, each = Given("CERTS", truth), "", SORTED_MAX + 1
    for want in (each, num - each):
        text = server.ask(f"CERTS {NAME} COUNT {each}{after}\r\n")
        expect("CERTS", text.until("\r\n"), f"*{want}")
        elements(text, given, want)
        server.note(text)
        after = f" AFTER {given.last}"
    given.end()

    text = server.get(f"/?q={NAME}&output=json")
    text.until("[")
    rows = [(row["id"], row["name_value"]) for row in text.objects()]
    server.note(text)
    expect("rows as crt.sh has them", (len(set(rows)), len(rows)), (len(truth[1]),) * 2)
    expect("their names", {name for _, name in rows}, {NAME})


def main():
    path, pid, truth = sys.argv[1], int(sys.argv[2]), planted(sys.argv[3])
    if len(truth[0]) <= SORTED_MAX + 20000:
        sys.exit(f"{len(truth[0])} issuances are too few to see anything")
    if path == "-":
        given = Given("sanct query", truth)
        members = native(Text(sys.stdin.buffer, 0), given)
        given.end()
        expect("sanct query", (members["count"], members["complete"]), (len(truth[0]), True))
        return
    server = Server(path, pid)
    ask_all(server, truth)
    print(f"{len(truth[0])} issuances of one name in every shape, {server.len >> 20} MiB; the server had {server.peak} KiB")
    if server.peak > MEMORY_KIB:
        sys.exit(f"the server grew to {server.peak} KiB")


if __name__ == "__main__":
    main()
