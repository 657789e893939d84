"""oracle - random questions to a server, and a naive reader's answers beside its own.

    oracle.py SOCKET QUESTIONS SEED NAME=FOLDER...

Every NAME is a log as the index calls it, FOLDER its tiles.  Asked are names, wildcards, subtrees, covering names,
addresses in every spelling, prefixes and hashes, with filters, whole, counted and page by page, in the native form and
as crt.sh and SSLMate answer, over one connection, pipelined.  The first answer that differs is printed and is the end.
"""
import base64
import calendar
import ipaddress
import json
import random
import socket
import sys
import time
import urllib.parse

import entries as E

DEPTH = 32  # requests on their way


class Issuance:
    def __init__(self, members, issuer_keys):
        self.members = sorted(members, key=lambda e: (e.sha256, e.log_id, e.index))
        finals = [e for e in self.members if not e.precert]
        self.shown = finals[0] if finals else self.members[0]
        self.cert = E.Certificate(self.shown.tbs)
        self.tbs_sha256 = self.shown.tbs_sha256
        self.spki_sha256 = E.sha256(self.cert.spki)
        self.issuer = E.rfc4514(self.cert.issuer)
        keys = [e.issuer_key for e in self.members if e.precert]
        self.proven_key = keys[0] if keys else None
        self.key = self.proven_key or next((issuer_keys.get(e.chain[0]) for e in self.members if e.chain), None)
        self.names = {}  # what it is found by -> {(shown, via)}
        for name in self.cert.dns:
            self.add(name, "san-dns")
        for address in self.cert.ip:
            self.add(str(address), "san-ip")
        for name in self.cert.common_names:
            self.add(name, "cn")

    def add(self, text, via):
        text = text.lower().rstrip(".")
        try:
            address = str(ipaddress.ip_address(text))
        except ValueError:
            if " " not in text:
                self.names.setdefault(text, set()).add((text, via))
            return
        found = self.names.setdefault(address, set())
        found.add((address, via))
        if via == "san-dns":
            found.add((address, "derived"))


class Model:
    """All issuances of the logs, found by looking at each where it is not worth a dictionary."""

    def __init__(self, logs, log_ids):
        groups, issuer_keys = {}, {}
        for name, folder in logs:
            issuer_keys.update(E.read_issuer_keys(folder))
            for entry in E.read_tiles(name, folder):
                entry.log_id = log_ids[name]
                groups.setdefault(entry.tbs_sha256, []).append(entry)
        self.logs = [name for name, _ in logs]
        self.all = [Issuance(members, issuer_keys) for members in groups.values()]
        self.by_name, self.below, self.by_hash, self.addresses, self.unreadable = {}, {}, {}, [], {}
        for issuance in self.all:
            for name in issuance.names:
                self.by_name.setdefault(name, []).append(issuance)
                labels = name.split(".")
                for i in range(len(labels)):
                    self.below.setdefault(".".join(labels[i:]), set()).add(issuance)
                    if labels[i].startswith("xn--"):
                        self.unreadable.setdefault(".".join(labels[i + 1:]), set()).add(issuance)
            for key in issuance_hashes(issuance):
                self.by_hash.setdefault(key, set()).add(issuance)
            self.addresses += [(ipaddress.ip_address(n), issuance) for n in issuance.names if is_address(n)]
        self.names = sorted(n for n in self.by_name if not is_address(n))
        self.ips = sorted(n for n in self.by_name if is_address(n))


def issuance_hashes(issuance):
    out = {"tbs:" + issuance.tbs_sha256, "spki:" + issuance.spki_sha256,
           "serial:" + (issuance.cert.serial.lstrip("0") or "0")}
    out |= {"sha256:" + e.sha256 for e in issuance.members}
    if issuance.proven_key:
        out.add("issuer:" + issuance.proven_key)
    return out


def is_address(text):
    try:
        return ipaddress.ip_address(text) is not None
    except ValueError:
        return False


def rfc3339(moment):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


# ---------------------------------------------------------------- the wire


class Wire:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def ask(self, targets):
        """Sends them all, then gives (status, headers, body) of each."""
        self.socket.sendall(b"".join(b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n" % t.encode() for t in targets))
        return [self.receive() for _ in targets]

    def receive(self):
        status, headers = int(self.file.readline().split()[1]), {}
        while (line := self.file.readline().strip()):
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        if headers.get("transfer-encoding") != "chunked":
            return status, headers, self.file.read(int(headers.get("content-length", 0)))
        body = b""
        while (size := int(self.file.readline(), 16)):
            body += self.file.read(size)
            self.file.readline()
        self.file.readline()
        return status, headers, body


def url(path, pairs):
    return path + "?" + urllib.parse.urlencode(pairs)


# ---------------------------------------------------------------- what is asked


class Differs(Exception):
    pass


def expect(what, got, want):
    if got != want:
        raise Differs(f"{what}: got {got!r}\n   wanted {want!r}")


class Asker:
    def __init__(self, model, seed):
        self.model, self.random = model, random.Random(seed)
        self.now = time.time()

    # -- WHAT: its text, its parameters, and what it finds: {issuance: {(name, via)}}, None where that is not known

    def exact(self, name):
        return {i: set(i.names[name]) for i in self.model.by_name.get(name, [])}

    def spell(self, name):
        r = self.random
        name = "".join(c.upper() if r.random() < 0.1 else c for c in name)
        return name + "." if r.random() < 0.1 and not name.startswith("*") else name

    def what_name(self):
        name = self.random.choice(self.model.names)
        if self.random.random() < 0.1:
            name = self.random.choice(["no", "www", "*", "xn--80ak6aa92e"]) + "." + name
        return self.spell(name), {}, self.exact(name)

    def what_subtree(self):
        name = self.random.choice(self.model.names)
        labels = name.split(".")
        base = ".".join(labels[self.random.randrange(max(1, len(labels) - 1)):]) if len(labels) > 1 else name
        base = base[2:] if base.startswith("*.") else base
        self_too = self.random.random() < 0.7
        found = {}
        for i in self.model.below.get(base, ()):
            matched = {pair for n, pairs in i.names.items() if not is_address(n) and
                       ((self_too and n == base) or n.endswith("." + base)) for pair in pairs}
            if matched:
                found[i] = matched
        return self.spell(base) if self_too else "*." + base, {"subdomains": "1"}, found

    def what_covering(self):
        name = self.random.choice(self.model.names)
        if self.random.random() < 0.5:
            name = "www." + name.replace("*.", "")
        found = self.exact(name)
        parent = name.partition(".")[2]
        if parent and not name.startswith("*."):
            for i, pairs in self.exact("*." + parent).items():
                found.setdefault(i, set()).update(pairs | {("*." + parent, "wildcard")})
        # What an A-label that cannot be read may stand for is not this oracle's business.
        while parent:
            for i in self.model.unreadable.get(parent, ()):
                found[i] = None
            parent = parent.partition(".")[2]
        return self.spell(name), {"covering": "1"}, found

    def spell_address(self, address):
        r = self.random
        if address.version == 4:
            mapped = ipaddress.ip_address(b"\0" * 10 + b"\xff\xff" + address.packed)
            return r.choice([str(address)] * 3 + [f"::ffff:{address}", f"[::FFFF:{address}]", mapped.exploded])
        groups = address.exploded.split(":")
        return r.choice([str(address), address.exploded, address.exploded.upper(), f"[{address}]", str(address).upper(),
                         ":".join(g.lstrip("0") or "0" for g in groups)])

    def what_address(self):
        address = ipaddress.ip_address(self.random.choice(self.model.ips))
        if self.random.random() < 0.1:
            address += 1
        return self.spell_address(address), {}, self.exact(str(address))

    def what_prefix(self):
        address = ipaddress.ip_address(self.random.choice(self.model.ips))
        bits = self.random.randrange(1, address.max_prefixlen + 1)
        network = ipaddress.ip_network((address, bits), strict=False)
        found = {}
        for other, i in self.model.addresses:
            if other.version == network.version and other in network:
                found.setdefault(i, set()).update(i.names[str(other)])
        return f"{address}/{bits}", {}, found

    def what_hash(self):
        key = self.random.choice(sorted(issuance_hashes(self.random.choice(self.model.all))))
        found = {i: set() for i in self.model.by_hash[key]}
        kind, _, digits = key.partition(":")
        # A final certificate alone is found where its issuer's was held before it came.
        if kind == "issuer":
            found.update({i: None for i in self.model.all if not i.proven_key and i.key == digits})
        if kind == "serial" and self.random.random() < 0.5:
            digits = "00" + digits.zfill(len(digits) + len(digits) % 2)
            digits = ":".join(digits[i:i + 2] for i in range(0, len(digits), 2))
        if self.random.random() < 0.2:
            digits = digits.upper()
        return f"{kind}:{digits}", {}, found

    # -- filters

    def date(self):
        cert = self.random.choice(self.model.all).cert
        return self.random.choice([cert.not_before, cert.not_after]) + self.random.choice([-1, 0, 0, 1, 4000000])

    def filters(self):
        """[(name, value, passes(issuance))]"""
        r, out = self.random, []
        if r.random() < 0.4:
            return out
        for name in r.sample(["since", "until", "valid_at", "unexpired", "seen_since", "log", "type", "issuer",
                              "not_issuer", "issuer_key", "not_issuer_key"], r.choice([1, 1, 2, 3])):
            out.append((name, *getattr(self, "filter_" + name)()))
        return out

    def filter_since(self):
        t = self.date()
        return rfc3339(t), lambda i, e: i.cert.not_before >= t

    def filter_until(self):
        t = self.date()
        return rfc3339(t), lambda i, e: i.cert.not_before <= t

    def filter_valid_at(self):
        t = self.date()
        return rfc3339(t), lambda i, e: i.cert.not_before <= t <= i.cert.not_after

    def filter_unexpired(self):
        return "1", lambda i, e: i.cert.not_after >= self.now

    def filter_seen_since(self):
        t = self.random.choice(self.random.choice(self.model.all).members).timestamp // 1000
        return rfc3339(t), lambda i, e: e.timestamp // 1000 >= t

    def filter_log(self):
        name = self.random.choice(self.model.logs)
        return name, lambda i, e: e.log == name

    def filter_type(self):
        word = self.random.choice(["precert", "final"])
        return word, lambda i, e: e.precert == (word == "precert")

    def an_issuer(self):
        issuer = self.random.choice(self.model.all).issuer
        if self.random.random() < 0.3:
            return "=" + issuer, lambda i: i.issuer.lower() == issuer.lower()
        start = self.random.randrange(len(issuer))
        part = issuer[start:start + self.random.randrange(1, 8)]
        if part.startswith("="):
            part = "N" + part
        part = part.swapcase()
        return part, lambda i: part.lower() in i.issuer.lower()

    def filter_issuer(self):
        text, has = self.an_issuer()
        return text, lambda i, e: has(i)

    def filter_not_issuer(self):
        text, has = self.an_issuer()
        return text, lambda i, e: not has(i)

    def a_key(self):
        return next(i.proven_key for i in iter(lambda: self.random.choice(self.model.all), None) if i.proven_key)

    # Where no precertificate proves the key a signature decides: not this oracle's business.
    def filter_issuer_key(self):
        key = self.a_key()
        return key, lambda i, e: None if i.proven_key is None else i.proven_key == key

    def filter_not_issuer_key(self):
        key = self.a_key()
        return key, lambda i, e: None if i.proven_key is None else i.proven_key != key

    @staticmethod
    def passes(issuance, filters):
        """Some sighting passes all; None: not known."""
        results = []
        for entry in issuance.members:
            each = [test(issuance, entry) for _, _, test in filters]
            results.append(False if False in each else None if None in each else True)
        return True if True in results else None if None in results else False

    def question(self):
        r = self.random
        kind = r.choices([self.what_name, self.what_subtree, self.what_covering, self.what_address, self.what_prefix,
                          self.what_hash], [5, 2, 2, 2, 1, 2])[0]
        what, params, found = kind()
        filters = self.filters()
        keep = {i: (matched, None if matched is None else self.passes(i, filters)) for i, matched in found.items()}
        want = {i: matched for i, (matched, passed) in keep.items() if passed}
        unsure = {i for i, (_, passed) in keep.items() if passed is None}
        pairs = [("q", what), *params.items(), *((name, value) for name, value, _ in filters)]
        return pairs, want, unsure


# ---------------------------------------------------------------- native


def check_issuance(got, issuance, matched):
    cert = issuance.cert
    expect("serial", got["serial"], cert.serial)
    expect("dates", (got["not_before"], got["not_after"]), (rfc3339(cert.not_before), rfc3339(cert.not_after)))
    expect("dns_names", got["dns_names"], cert.dns)
    expect("ip_addresses", got["ip_addresses"], [str(a) for a in cert.ip])
    expect("common_names", got["common_names"], cert.common_names)
    expect("issuer", got["issuer"]["name"], issuance.issuer)
    expect("subject", got["subject"], E.rfc4514(cert.subject))
    expect("issuer's key", got["issuer"]["key_sha256"], issuance.key)
    expect("issuers", got["issuer"]["certificates_sha256"], sorted({e.chain[0] for e in issuance.members if e.chain}))
    expect("spki_sha256", got["spki_sha256"], issuance.spki_sha256)
    expect("matched", [(m["name"], m["via"]) for m in got["matched"]], sorted(matched))
    want = {}
    for e in issuance.members:
        one = want.setdefault(e.sha256, ("precert" if e.precert else "final", e.chain, []))
        one[2].append((e.log, e.index, e.timestamp))
    expect("certificates", [(c["sha256"], c["type"], c["chain"], [(s["log"], s["index"]) for s in c["seen"]])
                            for c in got["certificates"]],
           [(h, t, chain, [(log, index) for log, index, _ in seen]) for h, (t, chain, seen) in want.items()])
    for c in got["certificates"]:
        for s, (_, _, ms) in zip(c["seen"], want[c["sha256"]][2]):
            expect("timestamp", s["timestamp"], f"{rfc3339(ms // 1000)[:-1]}.{ms % 1000:03d}Z")


def check_found(got, want, unsure):
    by_tbs = {i.tbs_sha256: i for i in list(want) + list(unsure)}
    expect("each once", len({g["tbs_sha256"] for g in got}), len(got))
    surely = {i.tbs_sha256 for i in want}
    expect("found", sorted({g["tbs_sha256"] for g in got} - {i.tbs_sha256 for i in unsure}), sorted(surely))
    for g in got:
        issuance = by_tbs[g["tbs_sha256"]]
        if issuance in want:
            check_issuance(g, issuance, want[issuance])


def ask_whole(asker):
    pairs, want, unsure = asker.question()

    def check(status, headers, body):
        expect("status", status, 200)
        got = json.loads(body)
        check_found(got["issuances"], want, unsure)
        expect("order", [(g["not_before"], g["tbs_sha256"]) for g in got["issuances"]],
               sorted((g["not_before"], g["tbs_sha256"]) for g in got["issuances"]))
        expect("count", (got["count"], got["complete"], got["cursor"]), (len(got["issuances"]), True, None))
        expect("coverage", headers["sanct-coverage"], got["coverage"])
    yield url("/v1/certs", pairs), check


def ask_count(asker):
    pairs, want, unsure = asker.question()

    def check(status, headers, body):
        expect("status", status, 200)
        if not unsure:
            expect("count", json.loads(body)["count"], len(want))
    yield url("/v1/count", pairs), check


def ask_pages(asker):
    """Page after page: each issuance once, in one order, the last page says so."""
    pairs, want, unsure = asker.question()
    limit = asker.random.randrange(1, 6)
    got, state = [], {"cursor": None}

    def check(status, headers, body):
        expect("status", status, 200)
        page = json.loads(body)
        got.extend(page["issuances"])
        state["cursor"] = page["cursor"]
        expect("complete", page["complete"], page["cursor"] is None)
        if page["cursor"] is not None:
            expect("a full page", len(page["issuances"]), limit)
    for _ in range(40):
        after = [("after", state["cursor"])] if state["cursor"] else []
        yield url("/v1/certs", pairs + [("limit", limit)] + after), check
        if state["cursor"] is None:
            check_found(got, want, unsure)
            return


# ---------------------------------------------------------------- crt.sh, SSLMate


def ask_crtsh(asker):
    r, model = asker.random, asker.model
    below = r.random() < 0.4
    if below or r.random() < 0.6:
        name = r.choice(model.names)
        if below and name.count(".") > 1:
            name = name.partition(".")[2]
        name = name.replace("*.", "")
        pairs = [("q", ("%." if below else "") + name)]
        exactly = not below and r.random() < 0.4

        def is_asked(n):
            return (not below and n == name) or (not exactly and n.endswith("." + name))
        if exactly:
            pairs.append(("match", r.choice(["=", "="])))
    else:
        address = ipaddress.ip_address(r.choice(model.ips))
        spelt = asker.spell_address(address)
        if address.version == 6 and r.random() < 0.3:
            spelt = ":" + ":".join(g.lstrip("0") or "0" for g in address.exploded.split(":"))
        pairs = [(r.choice(["q", "iPAddress", "IP", "identity"]), spelt)]

        def is_asked(n):
            return n == str(address)
    unexpired, dedup = r.random() < 0.2, r.random() < 0.2
    if unexpired:
        pairs.append(("exclude", "expired"))
    if dedup:
        pairs.append(("deduplicate", "Y"))
    day = time.gmtime(asker.date()) if r.random() < 0.2 else None
    if day:
        pairs.append(("minNotBefore", time.strftime("%Y-%m-%d", day)))
    want = []
    candidates = {i for n in ({n for n in model.names + model.ips if is_asked(n)}) for i in model.by_name[n]}
    for i in candidates:
        if (unexpired and i.cert.not_after < asker.now) or \
                (day and i.cert.not_before < calendar.timegm(day[:3] + (0, 0, 0))):
            continue
        names = tuple(sorted(n for n in i.names if is_asked(n)))
        kinds = 1 if dedup else len({e.sha256 for e in i.members})
        want += [(i.cert.serial, names, E.plain(i.cert.issuer), i.cert.not_before)] * kinds

    def check(status, headers, body):
        expect("status", status, 200)
        got = json.loads(body)
        expect("rows", sorted((g["serial_number"], tuple(sorted(g["name_value"].split("\n"))), g["issuer_name"],
                               calendar.timegm(time.strptime(g["not_before"], "%Y-%m-%dT%H:%M:%S"))) for g in got),
               sorted(want))
        expect("newest first", [g["entry_timestamp"] for g in got],
               sorted((g["entry_timestamp"] for g in got), reverse=True))
        expect("ids", len({g["id"] for g in got}), len(got))
    yield url("/json" if r.random() < 0.5 else "/", pairs + [("output", "json")]), check


def ask_sslmate(asker):
    r, model = asker.random, asker.model
    name = r.choice(model.names)
    if r.random() < 0.5 and name.count(".") > 1:
        name = name.partition(".")[2]
    name = name.replace("*.", "")
    below, wild, expired = r.random() < 0.5, r.random() < 0.3, r.random() < 0.7
    pairs = [("domain", asker.spell(name)), ("expand", "dns_names"), ("expand", "issuer"), ("limit", r.choice([1, 2, 50]))]
    pairs += [("include_subdomains", "true")] * below + [("match_wildcards", "true")] * wild
    pairs += [("include_expired", "true")] * expired
    parent = "*." + name.partition(".")[2]

    def is_asked(n):
        return n == name or (below and n.endswith("." + name)) or (wild and n == parent)
    want = {i for n in model.names if is_asked(n) for i in model.by_name[n]
            if expired or i.cert.not_after >= asker.now}
    by_tbs, got = {i.tbs_sha256: i for i in want}, []

    def check(status, headers, body):
        expect("status", status, 200)
        page = json.loads(body)
        got.extend(page)
        state["page"] = page
        expect("no more than asked", len(page) <= pairs[3][1], True)
        for g in page:
            i = by_tbs.get(g["tbs_sha256"])
            expect("wanted", i is not None, True)
            expect("cert_sha256", g["cert_sha256"], i.shown.sha256)
            expect("dns_names", set(g["dns_names"]), {n for n in i.names if not is_address(n)})
            expect("pubkey", (g["pubkey_sha256"], g["issuer"]["pubkey_sha256"]), (i.spki_sha256, i.key))
            expect("issuer", g["issuer"]["name"], E.plain(i.cert.issuer))
            expect("dates", (g["not_before"], g["not_after"]), (rfc3339(i.cert.not_before), rfc3339(i.cert.not_after)))
    state = {"page": None}
    for _ in range(60):
        after = [("after", got[-1]["id"])] if got else []
        yield url("/v1/issuances", pairs + after), check
        if not state["page"]:
            expect("found", sorted(g["tbs_sha256"] for g in got), sorted(by_tbs))
            expect("order", [int(g["id"]) for g in got], sorted({int(g["id"]) for g in got}))
            return


# ---------------------------------------------------------------- all together


def run(wire, asker, questions):
    kinds = [ask_whole, ask_count, ask_pages, ask_crtsh, ask_sslmate]
    counts, asked, requests, flows = dict.fromkeys(kinds, 0), 0, 0, []
    while asked < questions or flows:
        while len(flows) < DEPTH and asked < questions:
            kind = asker.random.choices(kinds, [6, 2, 2, 2, 1])[0]
            flow = kind(asker)
            flows.append((flow, next(flow)))
            counts[kind] += 1
            asked += 1
        answers = wire.ask([target for _, (target, _) in flows])
        requests += len(flows)
        following = []
        for (flow, (target, check)), answer in zip(flows, answers):
            try:
                check(*answer)
                following.append((flow, next(flow)))
            except StopIteration:
                pass
            except Differs as why:
                sys.exit(f"GET {target}\n{why}\nthe answer: {answer[0]} {answer[2][:3000]!r}")
        flows = following
    print(f"{asked} questions in {requests} requests answered as the naive reader does: " +
          ", ".join(f"{n} {k.__name__[4:]}" for k, n in counts.items()))


def main():
    path, questions, seed, *logs = sys.argv[1:]
    wire = Wire(path)
    status, _, body = wire.ask(["/v1/logs"])[0]
    expect("status", status, 200)
    log_ids = {log["name"]: base64.b64decode(log["log_id"]) for log in json.loads(body)["logs"]}
    model = Model([log.split("=", 1) for log in logs], log_ids)
    run(wire, Asker(model, int(seed)), int(questions))


if __name__ == "__main__":
    main()
