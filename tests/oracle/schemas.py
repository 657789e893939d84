"""schemas - the JSON of every endpoint against its schema in tests/schema.

    schemas.py SOCKET

A few words of JSON Schema are enough for that: type, properties, required, additionalProperties, items, enum, anyOf,
pattern, minimum, $ref (another file there).
"""
import base64
import json
import os
import re
import socket
import sys

from oracle import Wire

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "schema")
TYPES = {"object": dict, "array": list, "string": str, "null": type(None), "boolean": bool, "integer": int}


def load(name):
    with open(f"{FOLDER}/{name}.json") as file:
        return json.load(file)


def faults(schema, value, path="$"):
    """What is wrong, a sentence each."""
    if "$ref" in schema:
        return faults(load(schema["$ref"]), value, path)
    if "anyOf" in schema:
        each = [faults(s, value, path) for s in schema["anyOf"]]
        return [] if [] in each else min(each, key=len)
    if "enum" in schema:
        return [] if any(value is w or value == w and type(value) is type(w) for w in schema["enum"]) else \
            [f"{path}: {value!r} is none of {schema['enum']}"]
    if "type" in schema and type(value) is not TYPES[schema["type"]]:
        return [f"{path}: {value!r} is no {schema['type']}"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        return [f"{path}: {value!r} is not like {schema['pattern']}"]
    if "minimum" in schema and value < schema["minimum"]:
        return [f"{path}: {value} is below {schema['minimum']}"]
    out = []
    if isinstance(value, list):
        for i, item in enumerate(value):
            out += faults(schema["items"], item, f"{path}[{i}]")
    if isinstance(value, dict):
        out += [f"{path}: has no {name}" for name in schema["required"] if name not in value]
        for name, item in value.items():
            known = schema["properties"].get(name)
            out += faults(known, item, f"{path}.{name}") if known else [f"{path}: {name} is not in its schema"]
    return out


def check(target, schema, status, want_status, body):
    found = [] if status == want_status else [f"status {status}, not {want_status}"]
    found += faults(load(schema), json.loads(body))
    if found:
        sys.exit(f"{target}: not as tests/schema/{schema}.json says\n" + "\n".join(found[:10]))


def post(path, lines):
    with socket.socket(socket.AF_UNIX) as wire:
        wire.connect(path)
        body = "".join(line + "\n" for line in lines).encode()
        wire.sendall(b"POST /v1/certs HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return wire.makefile("rb").read().partition(b"\r\n\r\n")[2].splitlines()


def main():
    path = sys.argv[1]
    wire = Wire(path)
    logs = json.loads(wire.ask(["/v1/logs"])[0][2])["logs"]
    log = base64.b64decode(logs[0]["log_id"]).hex()
    some = json.loads(wire.ask(["/v1/certs?q=1.1.1.1"])[0][2])["issuances"]
    sha256 = some[0]["certificates"][0]["sha256"]
    expand = "".join(f"&expand={w}" for w in ("dns_names", "issuer", "revocation", "problem_reporting", "cert_der"))
    targets = [
        ("/v1/certs?q=1.1.1.1", "answer", 200), ("/v1/certs?q=hr&subdomains=1&limit=3", "answer", 200),
        ("/v1/certs?q=nothing.invalid", "answer", 200), ("/v1/certs?q=::/0", "answer", 200),
        ("/v1/certs?q=com&subdomains=1", "answer", 200), ("/v1/count?q=1.1.1.1", "count", 200),
        ("/v1/certs", "error", 400), ("/v1/certs?q=a&limit=0", "error", 400), ("/v1/nothing", "error", 404),
        (f"/v1/cert/{sha256}", "issuance", 200), ("/v1/cert/" + 64 * "0", "error", 404), ("/v1/cert/0", "error", 400),
        (f"/v1/proof/{log}/7", "proof", 200), (f"/v1/proof/{log}/99999999", "error", 404),
        ("/v1/logs", "logs", 200), ("/v1/stat", "stat", 200), ("/healthz", "healthz", 200),
        ("/?q=1.1.1.1&output=json", "crtsh", 200), ("/?q=%25.hr&output=json", "crtsh", 200), ("/json", "error", 400),
        ("/v1/issuances?domain=hr&include_subdomains=true&include_expired=true", "sslmate", 200),
        ("/v1/issuances?domain=test.hr&include_expired=true" + expand, "sslmate", 200), ("/v1/issuances", "error", 400),
    ]
    for (target, schema, want), (status, _, body) in zip(targets, wire.ask([t for t, _, _ in targets])):
        check(target, schema, status, want, body)
    lines = post(path, ["1.1.1.1", "192.0.2.0/99", "nothing.invalid"])
    for line, schema in zip(lines, ["answer", "line_error", "answer"], strict=True):
        check("POST /v1/certs", schema, 200, 200, line)
    print(f"{len(targets) + len(lines)} answers are as their schemas say")


if __name__ == "__main__":
    main()
