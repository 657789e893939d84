"""contract - CLI.md and API.md by name against what is there.

    contract.py FOLDER BUILD RUN

FOLDER holds the two, RUN what programs printed: summary.json (sanct-ingest --json) and unparsed.json (a line of
sanct-index unparsed --json).  Options and exit codes are compared with --help, members of the JSON with tests/schema.
"""
import json
import os
import re
import subprocess
import sys

SCHEMAS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "schema")
COMMON = {"--help", "--version", "--index", "--progress", "--log-format"}
# What we have beyond the contract; the man pages say what they are.
BEYOND = {"sanct-ingest": {"--reload"}, "sanctd": {"--verbose"}, "sanct-query": set(), "sanct-index": set()}
# In words there, not in the example; or in the man page alone.
BEYOND_MEMBERS = {"answer": {"order"}, "sslmate": {"revocation", "problem_reporting"},
                  "summary": {"api", "requests", "retries", "tiles_missing"}}
problems = []


def expect(what, missing, extra):
    problems.extend(f"{what}: {word} is promised and is not there" for word in sorted(missing))
    problems.extend(f"{what}: {word} is there and is not promised" for word in sorted(extra))


def block(text, start, end):
    at = text.index(start)
    return text[at:text.index(end, at + len(start))]


def options(text):
    return set(re.findall(r"(?<![a-z-])--[a-z][a-z-]+", text))


def members(text):
    """Of JSON as the contract writes it: "name":… and, where only names stand, "name"."""
    return set(re.findall(r'"([a-z_0-9]+)":', text)) | set(re.findall(r'[{,]"([a-z_0-9]+)"(?=[,}])', text))


def members_of(value):
    if isinstance(value, list):
        return set().union(*map(members_of, value))
    return set(value).union(*map(members_of, value.values())) if isinstance(value, dict) else set()


def members_of_schema(name):
    def walk(schema):
        out = members_of_schema(schema["$ref"]) if "$ref" in schema else set()
        for name, value in schema.get("properties", {}).items():
            out |= {name} | walk(value)
        for part in [schema.get("items", {}), *schema.get("anyOf", [])]:
            out |= walk(part) if part else set()
        return out
    with open(f"{SCHEMAS}/{name}.json") as file:
        return walk(json.load(file))


def main():
    folder, build, run = sys.argv[1:]
    with open(f"{folder}/CLI.md") as file:
        cli = file.read() + "\n## "
    with open(f"{folder}/API.md") as file:
        api = file.read()
    codes = set()
    for program, start in (("sanct-ingest", "## sanct ingest"), ("sanct-query", "## sanct query"),
                           ("sanct-index", "## sanct index"), ("sanctd", "## sanct serve")):
        promised = options(block(cli, start, "\n## "))
        if program == "sanct-index":
            promised -= {"--keep"}  # a word about ingest
        if program == "sanctd":
            promised |= {"--log-format"}
        text = subprocess.run([f"{build}/{program}", "--help"], capture_output=True, text=True, check=True).stdout
        told = options(text)
        codes |= set(re.findall(r"\b\d+\b", re.split(r"^[Ee]xit", text, flags=re.M)[-1])) if program != "sanctd" else set()
        expect(f"{program} --help", promised - told, told - promised - COMMON - BEYOND[program])
        expect(f"{program} --help", (COMMON - {"--progress"}) - told, set())
    promised = re.findall(r"(?:Exit codes: |·\s+)(\d+)(?:/(\d+))?", block(cli, "Exit codes: ", "\nExit 1"))
    promised = {code for pair in promised for code in pair if code}
    expect("exit codes", promised - codes, codes - promised)
    for name, promised in (("answer", block(cli, '{"query":"1.1.1.1"', "`complete` is about")),
                           ("stat", block(cli, '`{"format":N', "`\n")),
                           ("crtsh", block(api, '{"issuer_ca_id":', "- `common_name` null")),
                           ("sslmate", block(api, '[{"id":"', "`id` is a **string**")),
                           ("proof", block(api, '`{"log","log_id","index","tree_size"', "`, for anyone")),
                           ("logs", block(api, '`{"logs":[{"name"', "` |")),
                           ("count", block(api, '`{"query":…,"count":N}`', ", exact")),
                           ("error", block(api, '`{"code":"…","message":"…"}`', ".")),
                           ("line_error", block(api, '`{"query","error":{"code","message"}}`', ".")),
                           ("healthz", block(api, '`{"status":"ok"}`', ";"))):
        promised, there = members(promised), members_of_schema(name)
        expect(f"schema {name}", promised - there, there - promised - BEYOND_MEMBERS.get(name, set()))
    for name, promised in (("summary", block(cli, '{"logs":[{"name":"…"', "`entries` is what")),
                           ("unparsed", block(cli, '`{"log","log_id","index","reason"', "` (names"))):
        with open(f"{run}/{name}.json") as file:
            there = members_of(json.loads(file.readline()))
        promised = members(promised)
        expect(name, promised - there, there - promised - BEYOND_MEMBERS.get(name, set()))
    for name in re.findall(r"`(sanct_[a-z_]+)(?:\{([a-z,]+)\})?`", api):
        with open(f"{run}/metrics.txt") as file:
            text = file.read()
        found = re.search(rf"^{name[0]}(?:_bucket|_sum|_count)?(?:{{([^}}]*)}})? ", text, re.M)
        labels = set(re.findall(r'([a-z]+)="', found[1] or "")) if found else set()
        expect("/metrics", {name[0]} if not found else set(name[1].split(",")) - labels - {""}, set())
    if problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
