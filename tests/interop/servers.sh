#!/bin/bash
# servers.sh - real log servers on loopback, built and started: Trillian with
# CTFE on PostgreSQL, Sunlight with Skylight; certspotter and fsck as peers.
#
#   bash tests/interop/servers.sh build [NAME...]   build them (all), or the
#                                                   peers that bench runs:
#                                                   scanlog, sunlight-client
#   . tests/interop/servers.sh                      what the tests share
#
# Programs are built once into SANCT_INTEROP_CACHE (build/interop).  Without a
# Go toolchain a test says `skipped: ...` and is done.  Every server dies with
# the shell that started it, also when that is killed.
interop_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${SANCT_INTEROP_CACHE:-${BUILD:-build}/interop}
mkdir -p "$cache/bin"
cache=$(cd "$cache" && pwd)

skip() {
    echo "skipped: $*"
    exit 0
}

# ------------------------------------------------------------------- build

# One module per project, since they want different versions of the same
# libraries.  Certspotter and Sunlight refuse `go install PACKAGE@VERSION`.
go_module() { # NAME MODULE VERSION REPLACEMENT...: into the current folder
    local replacement
    printf 'module sanct.test/interop/%s\n\ngo 1.26\n\nrequire %s %s\n' "$1" "$2" "$3"
    for replacement in "${@:4}"; do
        printf '\nreplace %s => %s\n' "${replacement% *}" "$replacement"
    done
}
go_build() { # NAME MODULE VERSION "PACKAGE..." REPLACEMENT...
    local name=$1 module=$2 version=$3 packages=$4 program began=$SECONDS package
    [ -e "$cache/$name-$version.built" ] && return 0
    mkdir -p "$cache/source/$name"
    go_module "$name" "$module" "$version" "${@:5}" >"$cache/source/$name/go.mod"
    if ! (cd "$cache/source/$name" &&
        for package in $packages; do
            program=$(basename "$package")
            [ "$program" = fsck ] && program=tesseract-fsck
            GOTOOLCHAIN=local GOFLAGS=-buildvcs=false go build -mod=mod -o "$cache/bin/$program" "$module/$package"
        done) >"$cache/$name.log" 2>&1; then
        tail -n 20 "$cache/$name.log" >&2
        return 1
    fi
    touch "$cache/$name-$version.built"
    echo "built: $name $version, $((SECONDS - began)) s"
}
# A program of ours around a library of theirs.
go_build_own() { # NAME MODULE VERSION SOURCE
    local name=$1 began=$SECONDS
    [ "$cache/bin/$name" -nt "$4" ] && return 0
    mkdir -p "$cache/source/$name"
    go_module "$name" "$2" "$3" >"$cache/source/$name/go.mod"
    cp "$4" "$cache/source/$name/main.go"
    if ! (cd "$cache/source/$name" && GOTOOLCHAIN=local GOFLAGS=-buildvcs=false \
        go build -mod=mod -o "$cache/bin/$name" .) >"$cache/$name.log" 2>&1; then
        tail -n 20 "$cache/$name.log" >&2
        return 1
    fi
    echo "built: $name with $2 $3, $((SECONDS - began)) s"
}
build_one() {
    case $1 in
    trillian) go_build trillian github.com/google/trillian v1.7.2 \
        "cmd/trillian_log_server cmd/trillian_log_signer cmd/createtree" ;;
    ctfe) go_build ctfe github.com/google/certificate-transparency-go v1.3.3 "trillian/ctfe/ct_server" ;;
    sunlight) go_build sunlight filippo.io/sunlight v0.8.1 "cmd/sunlight cmd/skylight cmd/sunlight-keygen" ;;
    certspotter) go_build certspotter software.sslmate.com/src/certspotter v0.24.2 "cmd/certspotter" ;;
    fsck) go_build fsck github.com/transparency-dev/tesseract v0.1.2 "cmd/fsck" \
        "github.com/transparency-dev/tessera v1.0.3" "github.com/transparency-dev/formats v0.1.1" ;;
    scanlog) go_build scanlog github.com/google/certificate-transparency-go v1.3.3 "scanner/scanlog" ;;
    sunlight-client) go_build_own sunlight-client filippo.io/sunlight v0.8.1 \
        "$interop_dir/../../bench/peers/sunlight_client.go" ;;
    *) echo "servers.sh: no server named $1" >&2 && return 2 ;;
    esac
}

# need_servers NAME... builds what a test needs, or skips the test.
need_servers() {
    local name
    command -v go >/dev/null || skip "no Go toolchain: $* cannot be built"
    for name in "$@"; do
        build_one "$name" || { echo "FAILED: $name cannot be built" >&2; exit 1; }
    done
}

# need_postgres finds PostgreSQL's programs, or installs them (as root).
need_postgres() {
    postgres_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$postgres_bin" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing postgresql for the interop tests"
        # Its package would start a server of its own.
        mkdir -p /etc/postgresql-common
        [ -e /etc/postgresql-common/createcluster.conf ] ||
            echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
        (export DEBIAN_FRONTEND=noninteractive
            apt-get update -qq; apt-get install -y -qq --no-install-recommends postgresql) >/dev/null 2>&1
        postgres_bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    fi
    [ -n "$postgres_bin" ] || skip "no PostgreSQL (package postgresql)"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
    set -euo pipefail
    [ "${1-}" = build ] || { echo "usage: servers.sh build [NAME...]" >&2; exit 2; }
    shift
    [ $# -gt 0 ] || set -- trillian ctfe sunlight certspotter fsck
    need_servers "$@"
    exit 0
fi

# ------------------------------------------------------------------ running

. "$interop_dir/../e2e/lib.sh"
PATH=$cache/bin:$PATH
# The interpreter that has the library that chains.py needs.
python=python3
"$python" -c 'import cryptography' 2>/dev/null || python=/usr/bin/python3
"$python" -c 'import cryptography' 2>/dev/null || skip "no python3-cryptography"
chains() { "$python" "$interop_dir/chains.py" "$@"; }
process_names="ctfe ctfe_tls signer logserver sunlight skylight skylight_tls postgres certspotter reader sanctd"
declare -A process_id

finish_interop() {
    local status=$? name
    set +e
    if [ $status != 0 ]; then
        for name in $process_names; do
            [ -s "$dir/$name.log" ] && { echo "--- $name"; tail -n 15 "$dir/$name.log"; }
        done >&2
    fi
    for name in $process_names; do kill_process "$name"; done
    for name in "${children[@]:-}"; do [ -n "$name" ] && kill "$name" 2>/dev/null; done
    # Sunlight sets its tiles immutable where it may.
    [ -d "$dir/log/one" ] && chattr -R -i "$dir/log" 2>/dev/null
    rm -rf "$dir"
}
trap finish_interop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$dir/log"
chmod 711 "$dir" # for PostgreSQL's own user

say() { echo "$(date +%T) $*"; }

# start_process NAME COMMAND... dies with this shell; its words go to NAME.log.
start_process() {
    local name=$1
    shift
    setpriv --pdeathsig KILL "$@" >>"$dir/$name.log" 2>&1 &
    process_id[$name]=$!
}
# kill_process NAME: without a warning, as when a machine dies.
kill_process() {
    local pid=${process_id[$1]-}
    [ -n "$pid" ] || return 0
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    unset "process_id[$1]"
}
# end_process NAME SIGNAL: as an operator would; the result is its exit code.
end_process() {
    local pid=${process_id[$1]-} status=0
    kill "-$2" "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || status=$?
    unset "process_id[$1]"
    return $status
}

# free_ports N prints ports that nobody uses.
free_ports() {
    "$python" - "$1" <<'P'
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in held))
P
}
# wait_http URL: until it answers 200.
wait_http() {
    for _ in $(seq 300); do
        curl -fsS -o /dev/null --max-time 2 "$1" 2>/dev/null && return 0
        sleep 0.1
    done
    die "no answer from $1"
}
wait_port() {
    for _ in $(seq 300); do
        (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return 0
        sleep 0.1
    done
    die "nothing listens on port $1"
}

# --------------------------------------------------------------------- CTFE

as_postgres() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid=postgres --regid=postgres --clear-groups "$@"
    else
        "$@"
    fi
}
postgres_psql() { as_postgres "$postgres_bin/psql" -q -h "$dir/pg" -U postgres "$@" >>"$dir/postgres.log" 2>&1; }
# Without fsync, since no machine dies here; but a commit is written before it
# is said to be, or a kill takes back SCTs and heads that were handed out.
start_postgres() {
    local user=()
    [ "$(id -u)" != 0 ] || user=(--reuid=postgres --regid=postgres --clear-groups)
    start_process postgres "${user[@]}" "$postgres_bin/postgres" -D "$dir/pg/data" \
        -c unix_socket_directories="$dir/pg" -c listen_addresses= -c fsync=off -c synchronous_commit=on \
        -c full_page_writes=off -c max_connections=100 -c shared_buffers=256MB
    for _ in $(seq 300); do
        postgres_psql -c 'select 1' && return 0
        sleep 0.1
    done
    die "PostgreSQL does not start"
}
start_logserver() {
    start_process logserver trillian_log_server -rpc_endpoint="127.0.0.1:$port_rpc" -http_endpoint= -tree_gc=false "${storage[@]}"
    wait_port "$port_rpc"
}
start_signer() {
    start_process signer trillian_log_signer -rpc_endpoint="127.0.0.1:$port_signer" -http_endpoint= -force_master \
        -sequencer_interval=200ms -batch_size=2000 "${storage[@]}"
}
start_ctfe() {
    start_process ctfe ct_server -log_config="$dir/log/ctfe.cfg" -http_endpoint="127.0.0.1:$port_ctfe" \
        -log_rpc_server="127.0.0.1:$port_rpc"
    wait_http "${log_url}ct/v1/get-sth"
}
# make_ctfe_log starts an empty log; log_url is where it is read and fed.
make_ctfe_log() {
    local tree module
    chains authority "$dir/log"
    read -r port_rpc port_signer port_ctfe < <(free_ports 3)
    log_url=http://127.0.0.1:$port_ctfe/one/
    storage=(-storage_system=postgresql -quota_system=noop
        "-postgresql_uri=postgresql:///trillian?host=$dir/pg&user=postgres&pool_max_conns=30")
    module=$(cd "$cache/source/trillian" && GOFLAGS=-mod=mod go list -m -f '{{.Dir}}' github.com/google/trillian)
    cp "$module/storage/postgresql/schema/storage.sql" "$dir/storage.sql"
    chmod 644 "$dir/storage.sql"
    mkdir -p "$dir/pg"
    [ "$(id -u)" != 0 ] || chown postgres "$dir/pg"
    as_postgres "$postgres_bin/initdb" -D "$dir/pg/data" -A trust -U postgres -E UTF8 --locale C --no-sync \
        >>"$dir/postgres.log" 2>&1
    start_postgres
    postgres_psql -c 'create database trillian'
    postgres_psql -d trillian -f "$dir/storage.sql"
    start_logserver
    start_signer
    tree=$(createtree -admin_server="127.0.0.1:$port_rpc" 2>>"$dir/logserver.log")
    chains ctfe "$dir/log" "$log_url" "$tree"
    log_key=$(sed -n 's/.*"key": "\([^"]*\)".*/\1/p' "$dir/log/rfc6962.json")
    start_ctfe
}
# start_tls_ctfe: the same log over HTTPS; tls_url reads it.
start_tls_ctfe() {
    port_tls=$(free_ports 1)
    tls_url=https://127.0.0.1:$port_tls/one/
    chains tls "$dir/log"
    start_process ctfe_tls ct_server -log_config="$dir/log/ctfe.cfg" -http_endpoint="127.0.0.1:$port_tls" \
        -log_rpc_server="127.0.0.1:$port_rpc" -tls_certificate="$dir/log/tls.pem" -tls_key="$dir/log/tls-key.pem"
    wait_port "$port_tls"
}
rfc6962_size() { curl -fsS "${log_url}ct/v1/get-sth" | sed 's/.*"tree_size":\([0-9]*\).*/\1/'; }

# ----------------------------------------------------------------- Sunlight

# Skylight first: Sunlight asks it for the checkpoint that it goes on from.
start_skylight() {
    start_process skylight sh -c 'cd "$1" && exec skylight -c skylight.yaml' - "$dir/log"
    wait_port "$port_skylight"
}
start_sunlight() {
    start_process sunlight sh -c 'cd "$1" && exec sunlight -c sunlight.yaml' - "$dir/log"
    wait_port "$port_sunlight"
    wait_http "${log_url}checkpoint"
}
# make_sunlight_log starts an empty log; log_url reads it, submit_url feeds it.
make_sunlight_log() {
    chains authority "$dir/log"
    read -r port_skylight port_sunlight < <(free_ports 2)
    log_url=http://127.0.0.1:$port_skylight/one/
    submit_url=http://127.0.0.1:$port_sunlight/one/
    chains sunlight "$dir/log" "$log_url" "$port_sunlight"
    log_key=$(sunlight-keygen -f "$dir/log/one.seed" -prefix https://127.0.0.1/one 2>&1 |
        sed -n '/^ECDSA public key/,/^-----END/p' | grep -v : | grep -v -e ----- | tr -d '\n')
    chains description "$dir/log" "$log_url" "$log_key"
    start_skylight
    start_sunlight
}
# start_tls_skylight: the same log over HTTPS; tls_url reads it.
start_tls_skylight() {
    port_tls=$(free_ports 1)
    tls_url=https://127.0.0.1:$port_tls/one/
    chains tls "$dir/log"
    ln -sf tls.pem "$dir/log/skylight.pem"
    ln -sf tls-key.pem "$dir/log/skylight-key.pem"
    sed "s/127.0.0.1:$port_skylight/127.0.0.1:$port_tls/" "$dir/log/skylight.yaml" >"$dir/log/skylight-tls.yaml"
    start_process skylight_tls sh -c 'cd "$1" && exec skylight -testcert -c skylight-tls.yaml' - "$dir/log"
    wait_port "$port_tls"
}
static_size() { curl -fsS "${log_url}checkpoint" | sed -n 2p; }

# -------------------------------------------------------------------- sanct

# wait_size API N: until the tree has that many entries.
wait_size() {
    local size=
    for _ in $(seq 300); do
        size=$("$1_size" 2>/dev/null) || size=
        [ "$size" = "$2" ] && return 0
        sleep 0.1
    done
    die "the tree has '$size' entries, not $2"
}
# feed COUNT submits so many more by the script's feed_log, grow COUNT the same,
# little by little beside us.
next=0
feed() {
    feed_log --first "$next" --count "$1"
    next=$((next + $1))
}
grow() {
    feed_log --first "$next" --count "$1" --per-second $((entries / 5)) &
    feeder=$!
    next=$((next + $1))
}

submitted() { wc -l <"$dir/log/truth.ndjson"; }

# read_log INDEX API OPTION...: sanct reads the log (at read_url) to its end.
read_log() {
    local index=$1 api=$2
    shift 2
    mkdir -p "$dir/$index"
    "$SANCT" ingest -i "$dir/$index" --log "$dir/log/$api.json" --progress none \
        --contact interop@sanct.test "$@" "${read_url:-$log_url}"
}
# start_reader INDEX API OPTION...: the same as the process `reader`.
start_reader() {
    local index=$1 api=$2
    shift 2
    mkdir -p "$dir/$index"
    start_process reader "$SANCT" ingest -i "$dir/$index" --log "$dir/log/$api.json" --progress none \
        --contact interop@sanct.test "$@" "$log_url"
}
# start_sanctd INDEX: answers while the reader writes.
start_sanctd() {
    start_process sanctd "$SANCT" serve -i "$dir/$1" --socket "$dir/sanct.sock"
    for _ in $(seq 100); do [ -S "$dir/sanct.sock" ] && return 0; sleep 0.1; done
    die "sanctd does not start"
}
indexed() { "$SANCT" index stat --json -i "$dir/$1" 2>/dev/null | sed 's/.*"verified":\([0-9]*\).*/\1/'; }
# wait_indexed INDEX N: until the reader has got that far.
wait_indexed() {
    local have=
    for _ in $(seq 300); do
        have=$(indexed "$1") || have=
        [ "${have:-0}" -ge "$2" ] && return 0
        sleep 0.2
    done
    die "the reader has '$have' entries, not $2"
}
same_digest() { # INDEX INDEX
    local one
    one=$(digest "$1")
    [ ${#one} = 64 ] || die "$1 has no digest"
    [ "$(digest "$2")" = "$one" ] || die "the digests of $1 and $2 differ"
}
# check_socket: all that was submitted is found through the socket.
check_socket() { chains ask "$dir/log" - --sanct "$SANCT" --socket "$dir/sanct.sock"; }
# check_index INDEX: all that was submitted is found, the disk proves it, and
# the log is accused of nothing.
check_index() {
    chains ask "$dir/log" "$dir/$1" --sanct "$SANCT"
    "$SANCT" index verify --deep -i "$dir/$1"
    [ -z "$("$SANCT" index evidence list -i "$dir/$1")" ] || die "$1: evidence against an honest log"
}

# ------------------------------------------------------------------- peers

# ask_certspotter N: it verifies N entries and sees the same names.
ask_certspotter() {
    mkdir -p "$dir/spotter"
    echo . >"$dir/watchlist"
    start_process certspotter env CERTSPOTTER_CONFIG_DIR="$dir/spotter" certspotter -logs "$dir/log/list.json" \
        -state_dir "$dir/spotter/state" -watchlist "$dir/watchlist" -stdout -verbose -no_save
    for _ in $(seq $((500 + $1 / 10))); do # it takes 2 ms for each match
        grep -q "verified position is now $1\$" "$dir/certspotter.log" && break
        sleep 0.1
    done
    grep -q "verified position is now $1\$" "$dir/certspotter.log" || die "certspotter does not get to $1"
    kill_process certspotter
    [ -z "$(find "$dir/spotter/state" -path '*malformed_entries/*')" ] || die "certspotter found malformed entries"
    chains spotted "$dir/log" "$dir/certspotter.log"
}
# ask_fsck INDEX: it finds the log sound, with the root that sanct has.
ask_fsck() {
    tesseract-fsck -monitoring_url "$log_url" -origin 127.0.0.1/one -public_key "$log_key" -bundle_compressed \
        -ui=false -user_agent_info interop@sanct.test -N 4 >"$dir/fsck.log" 2>&1 || { cat "$dir/fsck.log" >&2; die "fsck"; }
    local root size
    read -r size root < <(sed -n 's/.*fsck.d log with size \([0-9]*\) and root \([^ ]*\) .*/\1 \2/p' "$dir/fsck.log")
    "$SANCT" index stat --json -i "$dir/$1" | grep -qF "\"root_hash\":\"$root\"" || die "fsck's root is $root"
    echo "fsck: $size entries, root $root, as ours"
}

# ------------------------------------------------------------ ways to read

# check_ways API: however the log is named, reached and kept, one digest; and
# under a key that is not its own, nothing.
check_ways() {
    local api=$1 status=0 stranger
    read_url=$tls_url read_log https "$api" --ca-file "$dir/log/roots.pem"
    same_digest fresh https
    read_url=$tls_url read_log untrusted "$api" --retry 0 2>"$dir/ways.txt" || status=$?
    [ $status = 4 ] || die "a certificate that nobody trusts: exit $status"
    read_url=$tls_url read_log untrusted "$api" --tls skip
    same_digest fresh untrusted
    read_log facts "$api" --keep facts --connections 1 --threads 1
    same_digest fresh facts
    ways_ingest listed --log-list "$dir/log/list.json" --all
    same_digest fresh listed
    ways_ingest found --key "$log_key" --origin 127.0.0.1/one "$log_url"
    same_digest fresh found
    stranger=$(chains key)
    status=0
    ways_ingest stranger --key "$stranger" --origin 127.0.0.1/one "$log_url" 2>"$dir/ways.txt" || status=$?
    [ $status = 5 ] || die "another key: exit $status, $(cat "$dir/ways.txt")"
    status=0
    ways_ingest range --log "$dir/log/$api.json" --range 1000:2345 "$log_url" || status=$?
    [ "$("$SANCT" index stat --json -i "$dir/range" | sed 's/.*"indexed":\([0-9]*\).*/\1/')" = 1345 ] || die "--range: exit $status"
    "$SANCT" index verify --deep -i "$dir/range"
    echo "one digest over HTTP and HTTPS, by file, list and key, full and facts; a range proven"
}
ways_ingest() { # INDEX OPTION...
    local index=$1
    shift
    mkdir -p "$dir/$index"
    "$SANCT" ingest -i "$dir/$index" --progress none --contact interop@sanct.test "$@"
}
