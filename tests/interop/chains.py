#!/usr/bin/env python3
"""chains - certificates for log servers, and the truth about them.

  authority DIR                 a root, intermediates, a precertificate signer
  log DIR ...                   a log's key, its description, its configuration
  tls DIR                       the server's own certificate
  key                           the public key of nobody
  submit DIR URL --first A --count N
                                certificates A to A + N - 1 go into the log;
                                with --step 8 each is one entry
  ask DIR INDEX --sanct PATH    every name finds exactly what was submitted
  spotted DIR OUTPUT            certspotter saw what was submitted
  hog URL --seconds S           a stranger who uses up the rate for strangers
  names DIR                     every name of the truth, a line each

DIR/truth.ndjson has a line for each accepted certificate: its SHA-256, its
kind, the names that it must be found by, and what the SCT says.
"""
import argparse
import base64
import concurrent.futures
import datetime
import hashlib
import http.client
import ipaddress
import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.parse

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

POISON = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.3")
SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
PRECERT_SIGNING = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.4")
NOW = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0, tzinfo=None)
DAY = datetime.timedelta(days=1)
NUM_INTERMEDIATES = 3


# ---------------------------------------------------------------- authority

def name(text):
    if text is None:
        return x509.Name([])
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def der(certificate):
    return certificate.public_bytes(serialization.Encoding.DER)


def make_ca(subject, issuer, issuer_key, eku=None):
    key = ec.generate_private_key(ec.SECP256R1())
    builder = (x509.CertificateBuilder().subject_name(name(subject))
               .issuer_name(issuer.subject if issuer else name(subject))
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(NOW - 30 * DAY).not_valid_after(NOW + 3650 * DAY)
               .add_extension(x509.BasicConstraints(True, None), critical=True)
               .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False))
    if issuer:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
    if eku:
        builder = builder.add_extension(x509.ExtendedKeyUsage([eku]), False)
    return builder.sign(issuer_key or key, hashes.SHA256()), key


def write_pair(path, pair):
    certificate, key = pair
    with open(path, "wb") as out:
        out.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                    serialization.NoEncryption()))
        out.write(certificate.public_bytes(serialization.Encoding.PEM))


def read_pair(path):
    pem = open(path, "rb").read()
    return (x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE"):]),
            serialization.load_pem_private_key(pem, None))


def make_authority(folder):
    os.makedirs(folder, exist_ok=True)
    root = make_ca("Interop Root", None, None)
    write_pair(f"{folder}/root.pem", root)
    with open(f"{folder}/roots.pem", "wb") as out:
        out.write(root[0].public_bytes(serialization.Encoding.PEM))
    for i in range(NUM_INTERMEDIATES):
        intermediate = make_ca(f"Interop CA {i}", *root)
        write_pair(f"{folder}/intermediate-{i}.pem", intermediate)
    write_pair(f"{folder}/signer.pem", make_ca("Interop Precertificate Signer", *intermediate,
                                               PRECERT_SIGNING))


def make_tls(args):
    """A certificate for the server itself."""
    root, root_key = read_pair(f"{args.folder}/root.pem")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (x509.CertificateBuilder().subject_name(name("server"))
                   .issuer_name(root.subject).serial_number(7).public_key(key.public_key())
                   .not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
                   .add_extension(x509.SubjectAlternativeName(
                       [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
                   .sign(root_key, hashes.SHA256()))
    with open(f"{args.folder}/tls.pem", "wb") as out:
        out.write(certificate.public_bytes(serialization.Encoding.PEM))
    with open(f"{args.folder}/tls-key.pem", "wb") as out:
        out.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                    serialization.NoEncryption()))


def public_der(key):
    return key.public_key().public_bytes(serialization.Encoding.DER,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


class Authority:
    def __init__(self, folder):
        self.root = read_pair(f"{folder}/root.pem")
        self.intermediates = [read_pair(f"{folder}/intermediate-{i}.pem")
                              for i in range(NUM_INTERMEDIATES)]
        self.signer = read_pair(f"{folder}/signer.pem")
        self.leaf_keys = [ec.generate_private_key(ec.SECP256R1()).public_key() for _ in range(4)]


# ------------------------------------------------------------- certificates
#
# The shapes that a log holds, one after the other.

def shape(i):
    """common name, DNS names, addresses, kind, issuer of certificate i."""
    host = f"h{i}.interop.test"
    v4 = f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}"
    v6 = str(ipaddress.IPv6Address((0x20010db8 << 96) + i * 0x10001))
    shared = [f"shared{i // 97}.interop.test", "203.0.113.%d" % (i % 16)]
    many = [f"n{k}.{host}" for k in range(28)] + [f"*.{host}", f"UPPER.{host}"]
    return [
        (host, [host], [], "final", "intermediate"),
        (host, [host, f"www.{host}"], [], "precert", "intermediate"),
        (host, [host, f"*.{host}", shared[0]], [v4], "pair", "intermediate"),
        (None, [], [v4, v6, shared[1]], "precert", "intermediate"),
        (host, [host] + many, [], "final", "intermediate"),
        (host, [host, shared[0]], [v6], "precert", "signer"),
        (host if i % 16 < 8 else v4, [], [], "final", "root"),
        (None, [f"_dmarc.{host}", f"xn--bcher-kva.{host}", f"{'l' * 63}.{host}"],
         [shared[1], v6], "pair", "root"),
    ][i % 8]


def builder_of(authority, i, issuer):
    common_name, dns_names, addresses, _, _ = shape(i)
    builder = (x509.CertificateBuilder().subject_name(name(common_name))
               .issuer_name(issuer[0].subject).serial_number(0x10000000 + i)
               .public_key(authority.leaf_keys[i % 4])
               .not_valid_before(NOW - DAY).not_valid_after(NOW + 60 * DAY)
               .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False))
    names = [x509.DNSName(text) for text in dns_names]
    names += [x509.IPAddress(ipaddress.ip_address(text)) for text in addresses]
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), common_name is None)
    return builder


def names_of(i):
    common_name, dns_names, addresses, _, _ = shape(i)
    names = [text.lower() for text in dns_names] + addresses
    return sorted(set(names + ([common_name] if common_name else [])))


def sct_list(answer):
    """The extension's value with the log's own SCT."""
    extensions = base64.b64decode(answer["extensions"])
    sct = (b"\0" + base64.b64decode(answer["id"]) + answer["timestamp"].to_bytes(8, "big") +
           len(extensions).to_bytes(2, "big") + extensions + base64.b64decode(answer["signature"]))
    body = len(sct).to_bytes(2, "big") + sct
    body = len(body).to_bytes(2, "big") + body
    size = len(body)
    return b"\x04" + (bytes([size]) if size < 128 else b"\x81" + bytes([size])) + body


def submissions_of(authority, i):
    """What certificate i puts into the log: a generator that is sent SCTs."""
    _, _, _, kind, issued_by = shape(i)
    root = authority.root
    middle = authority.intermediates[i % NUM_INTERMEDIATES]
    if issued_by == "signer":
        middle = authority.intermediates[-1] # the one behind the signer
        issuer, chain = authority.signer, [authority.signer[0], middle[0], root[0]]
    elif issued_by == "intermediate":
        issuer, chain = middle, [middle[0], root[0]]
    else:
        issuer, chain = root, [root[0]]
    if i % 3 == 0:
        chain = chain[:-1] # the root may be left out
    builder = builder_of(authority, i, issuer)
    if i % 16 >= 8: # the signer's is rewritten by the log
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer[1].public_key()), False)
    sct = None
    if kind in ("precert", "pair"):
        poisoned = builder.add_extension(x509.UnrecognizedExtension(POISON, b"\x05\0"), True)
        certificate = der(poisoned.sign(issuer[1], hashes.SHA256()))
        sct = yield "precert", certificate, [der(c) for c in chain]
    if kind in ("final", "pair"):
        if sct:
            builder = builder.add_extension(x509.UnrecognizedExtension(SCT_LIST, sct_list(sct)),
                                            False)
        yield "final", der(builder.sign(issuer[1], hashes.SHA256())), [der(c) for c in chain]


# ------------------------------------------------------------------- submit

local = threading.local()


def post(url, path, body, patience):
    """Submit until there is an answer: the server may be down for a while."""
    until = time.monotonic() + patience
    while True:
        try:
            if not hasattr(local, "connection"):
                local.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=20)
            # Sunlight routes by host without port.
            local.connection.request("POST", url.path + path, body, {
                "Host": url.hostname, "Content-Type": "application/json"})
            answer = local.connection.getresponse()
            text = answer.read()
            if answer.status == 200:
                return json.loads(text)
            if answer.status < 500 and answer.status != 429:
                raise SystemExit(f"{path}: {answer.status} {text[:200]}")
            problem = f"{answer.status} {text[:200]}"
        except (OSError, http.client.HTTPException) as error:
            local.__dict__.pop("connection", None)
            problem = repr(error)
        if time.monotonic() > until:
            raise SystemExit(f"{path}: {problem}")
        time.sleep(0.2)


def submit(args):
    authority = Authority(args.folder)
    url = urllib.parse.urlsplit(args.url.rstrip("/"))
    lock = threading.Lock()
    truth = open(f"{args.folder}/truth.ndjson", "a")
    began = time.monotonic()
    total = [0, 0]

    def send(kind, certificate, chain):
        body = json.dumps({"chain": [base64.b64encode(c).decode() for c in [certificate] + chain]})
        path = "/ct/v1/add-pre-chain" if kind == "precert" else "/ct/v1/add-chain"
        return post(url, path, body, args.patience)

    def one(i):
        steps, answer = submissions_of(authority, i), None
        while True:
            try:
                kind, certificate, chain = steps.send(answer)
            except StopIteration:
                return
            answer = send(kind, certificate, chain)
            extensions = base64.b64decode(answer["extensions"])
            line = {"i": i, "sha256": hashlib.sha256(certificate).hexdigest(), "type": kind,
                    "names": names_of(i), "timestamp": answer["timestamp"],
                    "index": int.from_bytes(extensions[3:8], "big") if extensions else None}
            with lock:
                truth.write(json.dumps(line) + "\n")
                truth.flush()
                total[0] += 1
            # Once in a while a second time: the old SCT, and no entry.
            if i % 50 == 0:
                again = send(kind, certificate, chain)
                assert again["timestamp"] == answer["timestamp"], "a duplicate has a new SCT"
                total[1] += 1

    with concurrent.futures.ThreadPoolExecutor(args.connections) as pool:
        jobs = []
        for k in range(args.count):
            if args.per_second:
                time.sleep(max(0, began + k / args.per_second - time.monotonic()))
            jobs.append(pool.submit(one, args.first + k * args.step))
        for job in jobs:
            job.result()
    print(f"submitted: {total[0]} of {args.count} certificates and pairs, {total[1]} again, "
          f"{time.monotonic() - began:.1f} s", flush=True)


# ---------------------------------------------------------------------- ask

def read_truth(folder):
    return [json.loads(line) for line in open(f"{folder}/truth.ndjson")]


def milliseconds(text):
    moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return round(moment.timestamp() * 1000)


def ask(args):
    truth = read_truth(args.folder)
    by_name, by_hash = {}, {line["sha256"]: line for line in truth}
    for line in truth:
        for text in line["names"]:
            by_name.setdefault(text, set()).add(line["sha256"])
    asked = sorted(by_name)
    # Neighbours that nothing was submitted for.
    strangers = ["interop.test", "h.interop.test", "10.255.255.255", "2001:db8:ffff::1"]
    command = [args.sanct, "query", "--stdin"]
    command += ["--socket", args.socket] if args.socket else ["-i", args.index]
    run = subprocess.run(command, input="".join(f"{text}\n" for text in asked + strangers),
                         stdout=subprocess.PIPE, text=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"sanct query: exit {run.returncode}"
    assert len(answers) == len(asked) + len(strangers), (len(answers), len(asked))
    places, wrong = {}, []
    for text, answer in zip(asked + strangers, answers):
        found = {}
        for issuance in answer["issuances"]:
            for certificate in issuance["certificates"]:
                found[certificate["sha256"]] = certificate
        want = by_name.get(text, set())
        if set(found) != want or not answer["complete"]:
            wrong.append(f"{text}: {len(want - set(found))} not found, {len(set(found) - want)} too many")
        for sha256, certificate in found.items():
            line = by_hash.get(sha256)
            if line is None:
                continue
            seen = certificate["seen"]
            if certificate["type"] != line["type"] or len(seen) != 1:
                wrong.append(f"{sha256}: {certificate['type']}, seen {len(seen)} times")
            elif milliseconds(seen[0]["timestamp"]) != line["timestamp"]:
                wrong.append(f"{sha256}: at {seen[0]['timestamp']}, not as its SCT says")
            elif line["index"] is not None and seen[0]["index"] != line["index"]:
                wrong.append(f"{sha256}: index {seen[0]['index']}, the SCT says {line['index']}")
            places[sha256] = seen[0]["index"] if seen else None
    if not args.socket:
        check_bytes(args, by_name)
    # A precertificate and its final certificate are one issuance.
    pairs = check_pairs(truth, answers, asked)
    if sorted(v for v in places.values() if v is not None) != list(range(len(truth))):
        wrong.append(f"{len(truth)} entries do not lie at 0 to {len(truth) - 1}")
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    assert not wrong, f"{len(wrong)} answers are wrong"
    kinds = [line["type"] for line in truth]
    print(f"found: {kinds.count('final')} certificates and {kinds.count('precert')} "
          f"precertificates by {len(asked)} names and addresses, exactly; {pairs} pairs")


def check_bytes(args, by_name):
    """What is stored is what was submitted, byte for byte."""
    most = max(by_name, key=lambda text: len(by_name[text]))
    run = subprocess.run([args.sanct, "query", "-i", args.index, "--pem", most],
                         stdout=subprocess.PIPE, text=True, check=True)
    have = set()
    for block in run.stdout.split("-----BEGIN CERTIFICATE-----")[1:]:
        body = base64.b64decode(block.split("-----END")[0])
        have.add(hashlib.sha256(body).hexdigest())
    assert have == by_name[most], f"{most}: {len(have ^ by_name[most])} differ in bytes"


def check_pairs(truth, answers, asked):
    together = {}
    for line in truth:
        together.setdefault(line["i"], set()).add(line["sha256"])
    want = {frozenset(pair) for pair in together.values() if len(pair) == 2}
    have = {frozenset(c["sha256"] for c in issuance["certificates"])
            for answer in answers for issuance in answer["issuances"]}
    assert want <= have, f"{len(want - have)} pairs are not one issuance"
    return len(want)


# -------------------------------------------------------------------- peers

def spotted(args):
    """What certspotter printed, against the truth (and so against us)."""
    found, current = {}, None
    for line in open(args.output):
        if not line.startswith("\t"):
            text = line.strip().rstrip(":")
            if len(text) == 64 and line.rstrip().endswith(":"):
                current = found.setdefault(text, {"names": set(), "places": set()})
            continue
        if current is None:
            continue
        label, _, value = line.strip().partition(" = ")
        if label in ("DNS Name", "IP Address"):
            current["names"].add(value)
        elif label == "Log Entry":
            current["places"].add(int(value.split(" ")[0]))
    wrong, quiet, seen = [], 0, set()
    for line in read_truth(args.folder):
        spotted_one = found.pop(line["sha256"], None)
        if spotted_one is None:
            # A watch for every name passes over those with addresses only.
            if any(is_address(text) is False for text in line["names"]):
                wrong.append(f"{line['sha256']}: certspotter has not seen it")
            quiet += 1
            continue
        if spotted_one["names"] != set(line["names"]):
            wrong.append(f"{line['sha256']}: {sorted(spotted_one['names'] ^ set(line['names']))}")
        if line["index"] is not None and spotted_one["places"] != {line["index"]}:
            wrong.append(f"{line['sha256']}: at {spotted_one['places']}")
        seen |= spotted_one["places"]
    wrong += [f"{sha256}: certspotter alone has seen it" for sha256 in found]
    for line in wrong[:20]:
        print(line, file=sys.stderr)
    assert not wrong, f"certspotter differs in {len(wrong)}"
    print(f"certspotter saw the same: {len(seen)} entries, and {quiet} with addresses only unseen")


def is_address(text):
    try:
        ipaddress.ip_address(text)
        return True
    except ValueError:
        return False


# ---------------------------------------------------------------------- log

def escaped(data):
    return "".join(f"\\x{byte:02x}" for byte in data)


def make_ctfe(args):
    """The key, ct_server's configuration, the log as in a log list."""
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                                serialization.NoEncryption())
    public = public_der(key)
    with open(f"{args.folder}/ctfe.cfg", "w") as out:
        out.write(f"""config {{
  log_id: {args.tree}
  prefix: "one"
  roots_pem_file: "{args.folder}/roots.pem"
  public_key: {{ der: "{escaped(public)}" }}
  private_key: {{ [type.googleapis.com/keyspb.PrivateKey] {{ der: "{escaped(private)}" }} }}
  max_merge_delay_sec: 86400
  expected_merge_delay_sec: 120
}}
""")
    write_description(args.folder, "rfc6962", public, {"url": args.url})


def make_sunlight(args):
    """Seed and configurations of Sunlight and Skylight."""
    folder = args.folder
    with open(f"{folder}/one.seed", "wb") as out:
        out.write(os.urandom(32))
    database = sqlite3.connect(f"{folder}/checkpoints.db")
    database.execute("CREATE TABLE checkpoints (logID BLOB PRIMARY KEY, body BLOB NOT NULL) STRICT")
    database.close()
    os.makedirs(f"{folder}/one", exist_ok=True)
    start, end = NOW - 30 * DAY, NOW + 365 * DAY
    with open(f"{folder}/sunlight.yaml", "w") as out:
        json.dump({"listen": [f"127.0.0.1:{args.port}"], "checkpoints": f"{folder}/checkpoints.db",
                   "logs": [{"shortname": "one", "inception": time.strftime("%Y-%m-%d"),
                             "submissionprefix": "https://127.0.0.1/one",
                             "monitoringprefix": args.url.rstrip("/"),
                             "roots": f"{folder}/roots.pem", "secret": f"{folder}/one.seed",
                             "cache": f"{folder}/one-cache.db", "poolsize": 20000, "period": 200,
                             "localdirectory": f"{folder}/one",
                             "notafterstart": start.strftime("%Y-%m-%dT00:00:00Z"),
                             "notafterlimit": end.strftime("%Y-%m-%dT00:00:00Z")}]}, out)
    port = urllib.parse.urlsplit(args.url).port
    with open(f"{folder}/skylight.yaml", "w") as out:
        json.dump({"listen": [f"127.0.0.1:{port}"],
                   "logs": [{"shortname": "one", "monitoringprefix": "https://127.0.0.1/one",
                             "localdirectory": f"{folder}/one"}]}, out)


def write_description(folder, api, public, urls):
    log_id = base64.b64encode(hashlib.sha256(public).digest()).decode()
    entry = {"description": "Interop one", "log_id": log_id,
             "key": base64.b64encode(public).decode(), "mmd": 86400,
             "state": {"usable": {"timestamp": "2026-01-01T00:00:00Z"}}, **urls}
    with open(f"{folder}/{api}.json", "w") as out:
        json.dump(entry, out)
    # A list of one log, for those who only read lists.
    kind = "tiled_logs" if "monitoring_url" in urls else "logs"
    operator = {"name": "Interop", "email": ["interop@interop.test"], "logs": [], "tiled_logs": []}
    operator[kind] = [entry]
    with open(f"{folder}/list.json", "w") as out:
        json.dump({"version": "1.0", "log_list_timestamp": "2026-01-01T00:00:00Z",
                   "operators": [operator]}, out)


def make_description(args):
    write_description(args.folder, "static", base64.b64decode(args.key),
                      {"submission_url": "https://127.0.0.1/one/", "monitoring_url": args.url})


# ---------------------------------------------------------------------- hog

def hog(args):
    """Ask without an address until the server has enough of strangers."""
    url = urllib.parse.urlsplit(args.url)
    counts, until = {}, time.monotonic() + args.seconds
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=5)
    while time.monotonic() < until:
        connection.request("GET", url.path + "checkpoint", headers={"User-Agent": "stranger"})
        answer = connection.getresponse()
        answer.read()
        counts[answer.status] = counts.get(answer.status, 0) + 1
        time.sleep(0.004)
    print(" ".join(f"{status}: {count}" for status, count in sorted(counts.items())))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for command, run, *arguments in (
            ("authority", lambda args: make_authority(args.folder), "folder"),
            ("ctfe", make_ctfe, "folder", "url", "tree"),
            ("sunlight", make_sunlight, "folder", "url", "port"),
            ("description", make_description, "folder", "url", "key"),
            ("tls", make_tls, "folder"),
            ("key", lambda args: print(base64.b64encode(public_der(
                ec.generate_private_key(ec.SECP256R1()))).decode())),
            ("submit", submit, "folder", "url"),
            ("ask", ask, "folder", "index"),
            ("spotted", spotted, "folder", "output"),
            ("hog", hog, "url"),
            ("names", lambda args: print("\n".join(sorted(
                {text for line in read_truth(args.folder) for text in line["names"]}))), "folder")):
        sub = commands.add_parser(command)
        sub.set_defaults(run=run)
        for argument in arguments:
            sub.add_argument(argument)
        if command == "submit":
            sub.add_argument("--first", type=int, default=0)
            sub.add_argument("--count", type=int, required=True)
            sub.add_argument("--step", type=int, default=1)
            sub.add_argument("--per-second", type=float)
            sub.add_argument("--connections", type=int, default=128)
            sub.add_argument("--patience", type=float, default=60)
        if command == "ask":
            sub.add_argument("--sanct", required=True)
            sub.add_argument("--socket")
        if command == "hog":
            sub.add_argument("--seconds", type=float, default=5)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
