#!/bin/bash
# demo - the demo's own words, on a small log: twelve and a thirteenth.
. "$(dirname "$0")/lib.sh"
out=$(BUILD=$BUILD DEMO_DIR=$dir/demo DEMO_ENTRIES=4000 NO_COLOR=1 scripts/demo)
last=${out##*The same without}
for name in "Fina RDC 2015" "Fina RDC 2020" test1.hr testssl2.finatest.hr; do
    case $last in *"$name"*) ;; *) die "$name is not in the table: $last" ;; esac
done
echo "$last" | grep -qE '(^|[^0-9])13 issuances' || die "not thirteen: $last"
