#!/bin/bash
# install - what is installed works from there, and goes again without a trace.
. "$(dirname "$0")/lib.sh"
root=$dir/root
make -s install BUILD="$BUILD" DESTDIR="$root" PREFIX=/usr systemdsystemunitdir=/lib/systemd/system \
    sysusersdir=/usr/lib/sysusers.d >"$dir/install.txt" || die "make install: $(cat "$dir/install.txt")"
for program in sanct sanct-ingest sanct-index sanct-query sanctd; do
    "$root/usr/bin/$program" --version >/dev/null || die "$program --version"
    [ -s "$root/usr/share/man/man1/$program.1" ] || die "no page for $program"
done

# The units, as systemd reads them; their programs are not where they will be.
mkdir "$dir/units"
for unit in "$root"/lib/systemd/system/sanct-*; do
    if grep -q '@' <(grep -v '^#' "$unit" | sed 's/@system-service//'); then die "$unit: not filled in"; fi
    sed "s,=/usr/bin/sanct,=$root/usr/bin/sanct," "$unit" >"$dir/units/${unit##*/}"
done
[ "$(ls "$dir/units" | wc -l)" = 3 ] || die "units: $(ls "$dir/units")"
if command -v systemd-analyze >/dev/null; then
    said=$(systemd-analyze verify --man=no "$dir"/units/* 2>&1) || die "systemd-analyze: $said"
    if grep "$dir/units" <<<"$said"; then die "systemd-analyze: $said"; fi
else
    echo "skipped: no systemd-analyze, the units are only looked through"
fi
for word in Type=notify 'SystemCallFilter=@system-service' NoNewPrivileges=yes ProtectSystem=strict \
    StateDirectory=sanct RuntimeDirectory=sanct 'ExecReload=/bin/kill -HUP' LimitMEMLOCK=infinity; do
    grep -q "^$word" "$dir/units/sanct-query.service" || die "sanct-query.service: no $word"
done

# Completion offers what the programs take, and nothing else.
complete_line() { # WORD... prints what the last one may become
    bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sanct "$1"; printf "%s\n" "${COMPREPLY[@]}"' \
        - "$root/usr/share/bash-completion/completions/sanct" "$@"
}
[ "$(complete_line sanct query --subd)" = --subdomains ] || die "completion of sanct query --subd"
[ "$(complete_line sanctd --soc)" = --socket= ] || die "completion of sanctd --soc"
[ "$(complete_line sanct q)" = query ] || die "completion of sanct q"

# The library, through nothing but what is installed: shared, static, for C++.
export PKG_CONFIG_PATH=$root/usr/lib/pkgconfig
if command -v pkg-config >/dev/null; then
    flags() { pkg-config --define-variable=prefix="$root/usr" --define-variable=libdir="$root/usr/lib" "$@" sanct; }
else
    echo "skipped: no pkg-config, sanct.pc is only read"
    flags() {
        local words
        case $* in *--cflags*) words="-I$root/usr/include" ;; esac
        case $* in *--libs*) words="${words-} -L$root/usr/lib -lsanct" ;; esac
        case $* in *--static*) words="$words $(sed -n 's/^Libs.private: //p' "$PKG_CONFIG_PATH/sanct.pc")" ;; esac
        echo "$words"
    }
fi
cd_and_cc() { (cd "$dir" && ${CC:-cc} -Wall -Wextra -Werror -std=c99 -D_DEFAULT_SOURCE "$@"); }
cp tests/query/example_sanct.c "$dir"
cd_and_cc -o example example_sanct.c $(flags --cflags --libs) || die "the example, shared"
cd_and_cc -o example-static example_sanct.c $(flags --cflags) "$root/usr/lib/libsanct.a" \
    $(flags --libs --static | sed 's/ *-lsanct */ /') || die "the example, static"
cat >"$dir/names.c" <<'END'
/* A program's own names are not in the way of the library's insides. */
#include <sanct.h>
int index_open(void);
int index_open(void) { return 0; }
int err_set(void);
int err_set(void) { return 0; }
int main(void) { return sanct_version()[0] == '0' ? index_open() + err_set() : 1; }
END
cd_and_cc -o names names.c $(flags --cflags) "$root/usr/lib/libsanct.a" \
    $(flags --libs --static | sed 's/ *-lsanct */ /') && "$dir/names" || die "names of a program's own"
wrong=$(nm -D --defined-only "$root/usr/lib/libsanct.so" | awk '$2 != "A" { print $3 }' | grep -v '^sanct_' || true)
[ -z "$wrong" ] || die "libsanct.so offers $wrong"
for name in $(grep -oE '\bsanct_[a-z_]+\(' "$root/usr/include/sanct.h" | tr -d '(' | sort -u); do
    nm -D --defined-only "$root/usr/lib/libsanct.so" | grep -q " $name@" || die "libsanct.so has no $name"
    grep -q "\.Fn $name" "$root/usr/share/man/man3/sanct.3" || die "sanct.3 has no $name"
done
readelf -d "$root/usr/lib/libsanct.so" | grep -q 'SONAME.*libsanct.so.0' || die "no SONAME"

# An index, and a server on it, say the same to it as sanct-query does.
start_log log --entries 300
ingest index log rfc6962 >/dev/null 2>&1 || die "ingest"
"$root/usr/bin/sanctd" -i "$dir/index" --socket "$dir/sock" >"$dir/sanctd.txt" 2>&1 &
children+=($!)
for _ in $(seq 100); do [ -S "$dir/sock" ] && break || sleep 0.1; done
name=$("$root/usr/bin/sanct-index" export -i "$dir/index" --format ndjson 2>/dev/null | head -n 1 |
    grep -oE '[a-z0-9.-]+\.[a-z]+' | head -n 1) || true
for question in "${name:-example}" "example subdomains=1" "com subdomains=1&limit=7" "0.0.0.0/0"; do
    set -- $question
    for source in "$dir/index" "$dir/sock"; do
        for program in example example-static; do
            LD_LIBRARY_PATH=$root/usr/lib "$dir/$program" "$source" "$@" || die "$program $source $*"
        done >"$dir/said.$(basename "$source")"
    done
    cmp "$dir/said.index" "$dir/said.sock" || die "$question: the index and the server differ"
    [ "$(wc -l <"$dir/said.index")" -ge 2 ] || die "$question: nothing was said"
done
lines=$(LD_LIBRARY_PATH=$root/usr/lib "$dir/example" "$dir/sock" com subdomains=1 | wc -l)
count=$("$root/usr/bin/sanct-query" -i "$dir/index" --count --subdomains com 2>/dev/null | grep -oE '[0-9]+' | tail -n 1)
[ "$lines" = $((count + 1)) ] && [ "$count" -gt 0 ] || die "$lines lines for $count issuances"
# So do counts of many lines, which go over the socket together.
{ seq 1 1000 | sed 's/$/.example/' && printf '1.1.1.0/99\n\ncom\r\nnet'; } >"$dir/lines"
for source in "-i $dir/index" "--socket $dir/sock"; do
    "$root/usr/bin/sanct-query" $source --stdin --count --subdomains <"$dir/lines" >"$dir/said${source%% *}" && die "$source: a bad line was passed over"
done
cmp "$dir/said-i" "$dir/said--socket" || die "counts of lines differ"
[ "$(wc -l <"$dir/said-i")" = 1003 ] || die "counts of lines: $(wc -l <"$dir/said-i")"
if LD_LIBRARY_PATH=$root/usr/lib "$dir/example" "$dir/sock" a.example nonsense=1 2>"$dir/said"; then
    die "a filter that is none was taken"
fi
grep -q '^nonsense: ' "$dir/said" || die "of a filter that is none: $(cat "$dir/said")"

make -s uninstall BUILD="$BUILD" DESTDIR="$root" PREFIX=/usr systemdsystemunitdir=/lib/systemd/system \
    sysusersdir=/usr/lib/sysusers.d
left=$(find "$root" ! -type d)
[ -z "$left" ] || die "make uninstall left: $left"
