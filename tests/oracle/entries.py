"""entries - a naive reader of a log's data tiles: DER by hand, one entry at a time.

Shares nothing with the program under test.  It reads well-formed certificates; what else there is it leaves to the
tests of names and certificates.
"""
import calendar
import glob
import gzip
import hashlib
import ipaddress
import os
import re

SHORT = {"2.5.4.3": "CN", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.6": "C",
         "2.5.4.9": "STREET", "0.9.2342.19200300.100.1.25": "DC", "0.9.2342.19200300.100.1.1": "UID"}
SAN, POISON, SCT_LIST = "2.5.29.17", "1.3.6.1.4.1.11129.2.4.3", "1.3.6.1.4.1.11129.2.4.2"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def tlv(data, at=0):
    """(tag, content, where the next one begins)"""
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7f
        length, start = int.from_bytes(data[start:start + size], "big"), start + size
    assert start + length <= len(data), "DER runs out"
    return tag, data[start:start + length], start + length


def parts(content):
    """[(tag, content, whole)] of what stands in a constructed value"""
    out, at = [], 0
    while at < len(content):
        tag, inner, end = tlv(content, at)
        out.append((tag, inner, content[at:end]))
        at = end
    return out


def wrap(tag, content):
    size = len(content)
    if size < 128:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def dotted(oid):
    numbers, value = [], 0
    for octet in oid:
        value = value << 7 | octet & 0x7f
        if not octet & 0x80:
            numbers.append(value)
            value = 0
    first = min(numbers[0] // 40, 2)
    return ".".join(map(str, [first, numbers[0] - 40 * first] + numbers[1:]))


def seconds(tag, content):
    text = content.decode()
    if tag == 0x17:
        text = ("19" if text[0] >= "5" else "20") + text
    y, mo, d, h, mi, s = (int(x) for x in re.fullmatch(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z", text).groups())
    return calendar.timegm((y, mo, d, h, mi, s))


def attributes(name):
    """[[(word, text)]], an element for each RDN"""
    out = []
    for _, rdn, _ in parts(name):
        out.append([])
        for _, attribute, _ in parts(rdn):
            (_, oid, _), (_, value, _) = parts(attribute)
            out[-1].append((SHORT.get(dotted(oid), dotted(oid)), value.decode()))
    return out


def rfc4514(name):
    def escape(text):
        text = re.sub(r'([",+;<>\\])', r"\\\1", text)
        return "\\" + text if text[:1] in ("#", " ") else text
    return ",".join("+".join(f"{word}={escape(text)}" for word, text in rdn) for rdn in reversed(attributes(name)))


def plain(name):
    def quote(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"' if re.search(r'[,+"<>;\\]', text) else text
    return ", ".join(" + ".join(f"{word}={quote(text)}" for word, text in rdn) for rdn in attributes(name))


def first(name, word):
    return next((text for rdn in attributes(name) for w, text in rdn if w == word), None)


class Certificate:
    """What a TBSCertificate says."""

    def __init__(self, tbs):
        fields = parts(tlv(tbs)[1])
        if fields[0][0] == 0xa0:
            del fields[0]
        self.serial = fields[0][1].hex()
        self.issuer, self.subject, self.spki = fields[2][1], fields[4][1], fields[5][2]
        self.not_before, self.not_after = (seconds(tag, content) for tag, content, _ in parts(fields[3][1]))
        self.dns, self.ip = [], []
        self.common_names = [text for rdn in attributes(self.subject) for word, text in rdn if word == "CN"]
        for tag, content, _ in fields[6:]:
            if tag != 0xa3:
                continue
            for _, extension, _ in parts(tlv(content)[1]):
                inner = parts(extension)
                if dotted(inner[0][1]) != SAN:
                    continue
                for kind, value, _ in parts(tlv(inner[-1][1])[1]):
                    if kind == 0x82:
                        self.dns.append(value.decode())
                    elif kind == 0x87:
                        self.ip.append(ipaddress.ip_address(value))


def log_form(certificate):
    """The TBSCertificate without the poison and the list of SCTs."""
    tbs = parts(tlv(certificate)[1])[0][1]
    out = b""
    for tag, content, whole in parts(tbs):
        if tag == 0xa3:
            kept = b"".join(extension for _, inner, extension in parts(tlv(content)[1])
                            if dotted(parts(inner)[0][1]) not in (POISON, SCT_LIST))
            whole = wrap(0xa3, wrap(0x30, kept)) if kept else b""
        out += whole
    return wrap(0x30, out)


class Entry:
    """One entry of a log; `tbs_sha256` is what joins it with others."""

    def __init__(self, log, index, timestamp, precert, issuer_key_hash, certificate, submitted, chain):
        self.log, self.index, self.timestamp, self.precert = log, index, timestamp, precert
        self.tbs = certificate if precert else log_form(certificate)
        self.tbs_sha256 = sha256(self.tbs)
        self.der = submitted if precert else certificate
        self.sha256 = sha256(self.der)
        self.issuer_key = issuer_key_hash
        self.chain = chain


def take(data, at, size):
    length = int.from_bytes(data[at:at + size], "big")
    return data[at + size:at + size + length], at + size + length


def read_tiles(log, folder):
    """The entries of a folder of tiles (C2SP static-ct-api), whole tiles and the last partial one."""
    out, paths = [], {}
    for path in glob.glob(f"{folder}/tile/data/**", recursive=True):
        found = re.search(r"/tile/data/((?:x\d{3}/)*\d{3})(?:\.p/(\d+))?$", path)
        if found and os.path.isfile(path):
            number = int(found[1].replace("x", "").replace("/", ""))
            paths[number, int(found[2] or 256)] = path
    last = {}
    for number, width in paths:
        last[number] = max(width, last.get(number, 0))
    for number in sorted(last):
        data, at = open(paths[number, last[number]], "rb").read(), 0
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        while at < len(data):
            timestamp, kind = int.from_bytes(data[at:at + 8], "big"), int.from_bytes(data[at + 8:at + 10], "big")
            at += 10
            key_hash = submitted = None
            if kind == 1:
                key_hash, at = data[at:at + 32].hex(), at + 32
            certificate, at = take(data, at, 3)
            _, at = take(data, at, 2)
            if kind == 1:
                submitted, at = take(data, at, 3)
            chain, at = take(data, at, 2)
            out.append(Entry(log, len(out), timestamp, kind == 1, key_hash, certificate, submitted,
                             [chain[i:i + 32].hex() for i in range(0, len(chain), 32)]))
    return out


def read_issuer_keys(folder):
    """Each issuer's fingerprint -> SHA-256 of its public key."""
    out = {}
    for path in glob.glob(f"{folder}/issuer/*"):
        der = open(path, "rb").read()
        out[sha256(der)] = sha256(Certificate(parts(tlv(der)[1])[0][2]).spki)
    return out
