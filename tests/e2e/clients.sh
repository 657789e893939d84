#!/bin/bash
# clients - programs that know nothing of sanct talk to its socket: curl,
# redis-cli, redis-benchmark, h2load, Python's http.client; what subfinder, amass,
# bbot, ctfr and OpenKAT ask, and the members that they read.
. "$(dirname "$0")/lib.sh"

# needs PROGRAM PACKAGE: where it is missing that part is skipped, in CI it is a
# failure.
needs() {
    command -v "$1" >/dev/null && return 0
    [ -z "${CI:-}" ] || die "$1 (Debian: $2) is not installed"
    echo "skipped: no $1 (Debian: $2)"
    return 1
}
same() { # WHAT GOT WANTED
    [ "$2" = "$3" ] || die "$1: '$2', wanted '$3'"
}

"$BUILD/testlog" write-archive --fina --entries 3000 "$dir/zips"
"$SANCT" ingest -i "$dir/index" --log "$dir/zips/000.zip" --progress none "$dir/zips/000.zip" >/dev/null
socket=$dir/socket
"$SANCT" serve -i "$dir/index" --socket "$socket" 2>"$dir/out" &
children+=($!)
for _ in $(seq 100); do [ -S "$socket" ] && break; sleep 0.1; done

# What is asked for: a name beside which there are others, and how many there are
# by the program that needs no server.
name=$("$SANCT" query -i "$dir/index" --json --subdomains example | python3 -c 'import collections, json, sys
sites = collections.defaultdict(set)
for issuance in json.load(sys.stdin)["issuances"]:
    for name in issuance["dns_names"]:
        if name.endswith(".example") and not name.startswith("*"): sites[".".join(name.split(".")[-2:])].add(name)
print(max(max(sites.values(), key=len), key=len))') || die "no name"
wanted=$("$SANCT" query -i "$dir/index" --count "$name")
[ "$wanted" -gt 0 ] || die "$name is not found"

if needs curl curl; then
    curl -sS --fail --unix-socket "$socket" "http://sanct/v1/certs?q=$name" >"$dir/answer"
    same "curl" "$(python3 -c 'import json, sys; print(json.load(sys.stdin)["count"])' <"$dir/answer")" "$wanted"
    "$SANCT" query -i "$dir/index" --json "$name" | python3 -c 'import json, sys
a, b = json.load(open(sys.argv[1])), json.load(sys.stdin)
sys.exit(a["issuances"] != b["issuances"])' "$dir/answer" || die "curl gets another answer than sanct query"
    same "curl --head" "$(curl -sS --head --unix-socket "$socket" "http://sanct/v1/count?q=$name" | head -n 1 | tr -d '\r')" "HTTP/1.1 200 OK"
    same "curl, lines" "$(yes "$name" | head -n 5000 | curl -sS --unix-socket "$socket" --data-binary @- http://sanct/v1/certs | grep -c "\"count\":$wanted,")" 5000
    same "curl, compressed" "$(curl -sS --compressed --unix-socket "$socket" "http://sanct/v1/count?q=$name" | grep -c "\"count\":$wanted")" 1
fi

if needs redis-cli redis-tools; then
    ask() { redis-cli -s "$socket" "$@"; }
    same "redis-cli PING" "$(ask PING)" PONG
    same "redis-cli COUNT" "$(ask COUNT "$name")" "$wanted"
    same "redis-cli CERTS" "$(ask CERTS "$name" | grep -c '"tbs_sha256"')" "$wanted"
    same "redis-cli COVERAGE" "$(ask COVERAGE | cut -d' ' -f1)" "$("$SANCT" query -i "$dir/index" --json "$name" | grep -o '"coverage":"[a-z]*"' | cut -d'"' -f4)"
    ask INFO | grep -q '^server:sanct' || die "redis-cli INFO"
    same "redis-cli -3" "$(redis-cli -3 -s "$socket" COUNT "$name")" "$wanted"
    same "redis-cli --pipe-like" "$(yes "COUNT $name" | head -n 20000 | redis-cli -s "$socket" | sort | uniq -c | awk '{ print $1, $2 }')" "20000 $wanted"
    case $(ask SET a b 2>&1) in ERR*|*"no such command"*) ;; *) die "redis-cli SET is taken" ;; esac
fi
if needs redis-benchmark redis-tools; then
    redis-benchmark -s "$socket" -n 20000 -c 20 -P 16 --csv COUNT "$name" >"$dir/benchmark" 2>"$dir/why" || die "redis-benchmark: $(cat "$dir/why")"
    grep -q "^\"COUNT $name\",\"[0-9.]*\"" "$dir/benchmark" || die "redis-benchmark: $(cat "$dir/benchmark" "$dir/why")"
fi
if needs h2load nghttp2-client; then
    h2load --h1 -B "unix:$socket" -n 20000 -c 16 -m 16 "http://sanct/v1/certs?q=$name" >"$dir/h2load" 2>&1 || die "h2load: $(cat "$dir/h2load")"
    grep -q '20000 succeeded, 0 failed, 0 errored, 0 timeout' "$dir/h2load" || die "h2load: $(cat "$dir/h2load")"
    grep -q '20000 2xx, 0 3xx, 0 4xx, 0 5xx' "$dir/h2load" || die "h2load: $(cat "$dir/h2load")"
fi

python3 - "$socket" "$name" "$wanted" <<'P'
import http.client, json, socket, sys
from urllib.parse import quote

path, name, wanted = sys.argv[1], sys.argv[2], int(sys.argv[3])
site = ".".join(name.split(".")[-2:])


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)


connection = Connection("sanct", timeout=20)


def get(target, headers={}):
    connection.request("GET", target, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, (target, answer.status, body)
    return json.loads(body)


# One connection, request after request; the body also in chunks.
for _ in range(200):
    assert get("/v1/count?q=" + quote(name))["count"] == wanted
connection.request("POST", "/v1/certs", iter([f"{name}\n".encode(), b"1.1.1.1\n"]), encode_chunked=True,
                   headers={"Transfer-Encoding": "chunked"})
lines = connection.getresponse().read().splitlines()
assert [json.loads(line)["query"] for line in lines] == [name, "1.1.1.1"]


def below(value):
    return value == site or value.endswith("." + site)


native = get(f"/v1/certs?q={quote(site)}&subdomains=1")
names = {n for i in native["issuances"] for n in i["dns_names"] + i["common_names"] if below(n)}
agent = {"User-Agent": "Mozilla/5.0"}


def rows_of(target):
    rows = get(target, agent)
    assert isinstance(rows, list) and rows, target
    for row in rows:
        assert type(row["id"]) is int and 0 < row["id"] < 2**53
        assert type(row["issuer_ca_id"]) is int and row["issuer_name"]
        assert type(row["name_value"]) is str and row["name_value"]
        assert row["common_name"] is None or type(row["common_name"]) is str
        assert {"entry_timestamp", "not_before", "not_after", "serial_number", "result_count"} <= row.keys()
    return rows


def names_of(rows):
    return {n for row in rows for n in row["name_value"].split("\n")}


# subfinder: "%25.D"; bbot and ctfr: a raw "%.D"; each splits name_value.
strictly = names - {site}
assert len(strictly) > 1, site
for query in ("%25.", "%."):
    assert names_of(rows_of(f"/?q={query}{site}&output=json")) == strictly, query
assert names_of(rows_of(f"/?q={site}&output=json")) == names
# amass asks common names, OpenKAT the name alone and each issuance once.
answer = get(f"/?CN={site}&output=json&exclude=expired", agent)
assert isinstance(answer, list) and all(row["common_name"] for row in answer)
rows = rows_of(f"/?Identity={name}&match==&deduplicate=Y&output=json")
assert names_of(rows) == {name} and len(rows) == wanted
ids = [row["id"] for row in rows]
assert len(set(ids)) == len(ids)

# SSLMate's: as subfinder and bbot page through it, until the list is empty.
form = f"/v1/issuances?domain={site}&include_subdomains=true&match_wildcards=true&expand=dns_names&include_expired=true&limit=2"
found, seen, after = set(), [], ""
while True:
    page = get(form + after, {"Authorization": "Bearer token"})
    if not page:
        break
    for issuance in page:
        assert type(issuance["id"]) is str and int(issuance["id"]) > 0
        assert len(issuance["tbs_sha256"]) == len(issuance["cert_sha256"]) == len(issuance["pubkey_sha256"]) == 64
        assert issuance["not_before"].endswith("Z") and "revoked" in issuance
        found |= {n for n in issuance["dns_names"] if below(n)}
        seen.append(int(issuance["id"]))
    after = f"&after={page[-1]['id']}"
assert seen == sorted(set(seen))
assert found == names, (found ^ names)
P

if needs curl curl && needs promtool prometheus; then
    curl -sS --fail --unix-socket "$socket" http://sanct/metrics | promtool check metrics >"$dir/promtool" 2>&1 || die "promtool: $(cat "$dir/promtool")"
    [ ! -s "$dir/promtool" ] || die "promtool: $(cat "$dir/promtool")"
fi
kill -0 "${children[0]}" || die "the server has ended: $(cat "$dir/out")"
