#!/bin/bash
# documented - --help and the man pages name all that the programs take and
# give, by the tables that they work from, and nothing else.
. "$(dirname "$0")/lib.sh"

# words FILE TABLE prints the first string of every row of a table.
words() {
    sed -n "/[ *]$2\[\] = {/,/^ *};/p" "$1" |
        sed -nE 's/^ *(\[[A-Z_]+\] = )?(\{[A-Z_0-9]+, |\{|WORD\()"([^"]+)".*/\3/p'
}
options_of() { words "$1" "$2" | sed 's/^/--/' | sort -u; }
page() { mandoc -T ascii -O width=400 "$1" | sed 's/.\x08//g'; }
long_options() { grep -oE -- '(^|[^a-z-])--[a-z][a-z-]+' | grep -oE -- '--[a-z-]+' | sort -u; }

# same NAME WANTED FOUND wants the same lines in both files.
same() { diff "$2" "$3" >"$dir/diff" || die "$1 ('<' is missing, '>' is too much): $(cat "$dir/diff")"; }
# all_in PLACE FILE reads words and wants each in the file; there is at least
# one.
all_in() {
    local word num=0
    while read -r word; do
        grep -qiF -- "$word" "$2" || die "$1 does not name $word"
        num=$((num + 1))
    done
    [ "$num" -gt 0 ] || die "$1: there is nothing to look for"
}

# Every option, in both, and none that there is not.
while read -r program source table manual; do
    options_of "$source" "$table" >"$dir/options"
    [ -s "$dir/options" ] || die "$source: no options"
    "$BUILD/$program" --help >"$dir/help" || die "$program --help"
    page "$manual" >"$dir/page"
    long_options <"$dir/help" >"$dir/help.options"
    sed "/\$ curl /d" "$dir/page" | long_options >"$dir/page.options"
    same "$program --help" "$dir/options" "$dir/help.options"
    same "$manual" "$dir/options" "$dir/page.options"
    # Options of one letter too.
    sed -nE 's/.*getopt_long\(argc, argv, "([a-z:]+)".*/\1/p' "$source" | tr -d ':\n' | grep -o . | sort |
        sed 's/^/-/' >"$dir/letters"
    [ -s "$dir/letters" ] || die "$source: no options of one letter"
    sed "/\$ /d" "$dir/page" | grep -oE -- '(^|[ [(])-[a-z]([], |]|$)' | grep -oE -- '-[a-z]' | sort -u >"$dir/page.letters"
    same "$manual, one letter" "$dir/letters" "$dir/page.letters"
    # The same exit codes; the server tells none.
    [ "$program" = sanctd ] && continue
    sed -n '/^EXIT STATUS/,/^[A-Z]/p' "$dir/page" | sed '1d;$d' | tr '\n' ' ' |
        sed 's/Where several.*//' | grep -oE '\b[0-9]+\b' | sort -un >"$dir/page.codes"
    sed -n '/^[Ee]xit/,$p' "$dir/help" | grep -oE '\b[0-9]+\b' | sort -un >"$dir/help.codes"
    same "exit codes of $program" "$dir/page.codes" "$dir/help.codes"
done <<'P'
sanct-ingest ingest/options.c known ingest/sanct-ingest.1
sanct-index index/index_main.c options index/sanct-index.1
sanct-query query/options.c long_options query/sanct-query.1
sanctd query/sanctd_main.c longs query/sanctd.1
P

# Commands of sanct-index.
"$BUILD/sanct-index" --help >"$dir/help"
page index/sanct-index.1 >"$dir/page"
words index/index_main.c commands | tee "$dir/commands" | all_in "sanct-index --help" "$dir/help"
all_in sanct-index.1 "$dir/page" <"$dir/commands"
"$BUILD/sanct" --help >"$dir/help"
all_in "sanct --help" "$dir/help" <"$dir/commands"

# Words that answers are made of.
page query/sanct-query.1 >"$dir/page"
for table in via_words flag_words; do
    words index/entry/term.c $table | all_in sanct-query.1 "$dir/page"
done
for table in curve_words key_words signature_words; do
    words index/entry/cert_text.c $table | all_in sanct-query.1 "$dir/page"
done

# What the server answers, and its metrics and those of ingest.
page query/sanctd.1 >"$dir/page"
words query/server/route.c endpoints | all_in sanctd.1 "$dir/page"
words query/server/command.c commands | all_in sanctd.1 "$dir/page"
words query/filters.c filter_table | all_in sanctd.1 "$dir/page"
for table in searches options; do
    words query/server/crtsh_query.c $table | grep -v '^sha1$' | all_in sanctd.1 "$dir/page"
done
metrics() { grep -hoE '"sanct_[a-z_]+' "$@" | tr -d '"' | sed -E 's/(_bucket|_sum|_count)$//' | sort -u; }
metrics query/server/*.c | all_in sanctd.1 "$dir/page"
page ingest/sanct-ingest.1 >"$dir/page"
metrics ingest/metrics.c | all_in sanct-ingest.1 "$dir/page"

# The library.
page query/sanct.3 >"$dir/page"
grep -oE '\b(sanct_[a-z_]+\(|SANCT_[A-Z_]+,? )' query/sanct.h | tr -d '(, ' | grep -v '^SANCT_H$' | sort -u | all_in sanct.3 "$dir/page"
echo "all is documented"
