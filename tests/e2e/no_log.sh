#!/bin/bash
# no_log - a URL where no log is: what was asked, what came, what to give.
. "$(dirname "$0")/lib.sh"

start_log log --entries 300 --same-key
python3 - "$dir/moved" <<'P' &
import http.server, os, sys

class Moved(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(301)
        self.send_header("Location", "https://log.example:8443" + self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("127.0.0.1", 0), Moved)
with open(sys.argv[1] + "~", "w") as out:
    out.write(str(server.server_port))
os.rename(sys.argv[1] + "~", sys.argv[1])
server.serve_forever()
P
children+=($!)
for _ in $(seq 300); do [ -e "$dir/moved" ] && break; sleep 0.1; done
key=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["key"])' "$dir/log/static.json")
here="http://127.0.0.1:$(cat "$dir/log/ready")"

# expect URL OPTIONS WORD... reads URL, which fails in one line with all words.
expect() {
    local url=$1 options=$2 status=0 word
    shift 2
    mkdir -p "$dir/index"
    # shellcheck disable=SC2086
    "$SANCT" ingest -i "$dir/index" --progress none --key "$key" --retry 2s $options "$url" 2>"$dir/said" || status=$?
    [ $status = 4 ] || die "$url: exit $status: $(cat "$dir/said")"
    [ "$(grep -c . "$dir/said")" = 1 ] || die "$url: not one line: $(cat "$dir/said")"
    for word in "$@"; do
        grep -qF -- "$word" "$dir/said" || die "$url: no '$word' in: $(cat "$dir/said")"
    done
    rm -rf "$dir/index"
}
give=("give the url of an RFC 6962 log (all before ct/v1/)" "monitoring_url of a static one (all before checkpoint)")

expect "$here" "" "no log at $here/: /ct/v1/get-sth gave status 404, /checkpoint gave status 404;" "${give[@]}"
expect "$here/static/tile" "" "no log at $here/static/tile/:" "${give[@]}"
expect "$here/rfc6962/ct/v1/" "" "no log at $here/rfc6962/ct/v1/:" "${give[@]}"
expect "$here/static/tile" "--api static" "/checkpoint gave status 404;" "${give[@]}"
expect "$here/static" "--api rfc6962" "/ct/v1/get-sth gave status 404;" "${give[@]}"
# Elsewhere, and said where.
expect "http://127.0.0.1:$(cat "$dir/moved")/2026h1" "" "/ct/v1/get-sth redirected to 'https://log.example:8443/2026h1/ct/v1/get-sth'" \
    "; give https://log.example:8443/2026h1/"
# A page of a web server is no head.
python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' "$here/control/faults=html-200-every=1"
expect "$here/static" "" "/ct/v1/get-sth gave status 200 but" "/checkpoint gave status 200 but" "${give[@]}"
# Nobody there, or nobody who speaks: no word of it being no log.
expect "http://127.0.0.1:1/static" "" "cannot connect" "is it https:// that it answers?"
grep -q "no log" "$dir/said" && die "silence is taken for a word"
expect "https://127.0.0.1:1/static" "" "cannot connect"
# What fails now may come: the protocol is found out all the same.
python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' "$here/control/faults=http-503-every=1"
expect "$here/static" "" "status 503"
grep -q "no log" "$dir/said" && die "503 is taken for a word"
echo "no_log: ok"
