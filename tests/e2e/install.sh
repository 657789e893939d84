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
for command in ingest query index; do
    help=$("$root/usr/bin/sanct" $command --help)
    for option in $(complete_line "sanct-$command" --); do
        case $option in --index=) continue ;; esac
        grep -qe "${option%=}" <<<"$help" || echo "not in sanct $command --help: $option"
    done
done

make -s uninstall BUILD="$BUILD" DESTDIR="$root" PREFIX=/usr systemdsystemunitdir=/lib/systemd/system \
    sysusersdir=/usr/lib/sysusers.d
left=$(find "$root" ! -type d)
[ -z "$left" ] || die "make uninstall left: $left"
