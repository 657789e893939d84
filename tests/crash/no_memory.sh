#!/bin/bash
# no_memory - every allocation fails in its turn, alone and with all that come
# after it: a program then says so, or does without and answers as before; it
# never dies of it, and what is left of an index is sound.
#
# STRIDE (97): of a load only every so manieth beyond the first 500.
. "$(dirname "$0")/../e2e/lib.sh"
SANCT=$BUILD/sanct # sanitizers have an allocator of their own
stride=${STRIDE:-97}

cat >"$dir/fail.c" <<'C'
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
static atomic_long num;
static long nth, for_ever;

__attribute__((constructor)) static void begin(void)
{
    for_ever = getenv("FAIL_ON") != NULL;
    atomic_store(&num, 0);
    nth = atol(getenv("FAIL_NTH"));
}
__attribute__((destructor)) static void end(void)
{
    FILE *file = getenv("FAIL_COUNT") ? fopen(getenv("FAIL_COUNT"), "w") : NULL;

    if (file != NULL) fprintf(file, "%ld\n", num);
}
static int fails(void)
{
    long n = nth == 0 ? 0 : atomic_fetch_add(&num, 1) + 1;

    if (n == 0 || (for_ever ? n < nth : n != nth)) return 0;
    errno = ENOMEM;
    return 1;
}
void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return fails() ? NULL : __libc_calloc(n, size); }
void *realloc(void *old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }
C
"${CC:-cc}" -O1 -shared -fPIC -o "$dir/fail.so" "$dir/fail.c"

"$BUILD/testlog" write --entries 300 --fina "$dir/log" >/dev/null
"$SANCT" ingest -i "$dir/index" --log "$dir/log/log.v3.json" --progress none "$dir/log"
# One anchor to read instead of hundreds.
"$BUILD/testlog" serve --tls --entries 1 --dir "$dir/tls" >/dev/null 2>&1 &
children+=($!)
for _ in $(seq 200); do [ -e "$dir/tls/ready" ] && break; sleep 0.1; done
python3 - "$BUILD" "$dir" "$stride" <<'P'
import collections, os, re, shutil, subprocess, sys

build, dir, stride = sys.argv[1], sys.argv[2], int(sys.argv[3])
index, fresh = f"{dir}/index", f"{dir}/fresh"
COMMANDS = [
    f"sanct-query -i {index} --json 1.1.1.1",
    f"sanct-query -i {index} --covering www.example.com",
    f"sanct-query -i {index} --count --subdomains com",
    f"sanct-index verify --deep -i {index}",
    f"sanct-index stat --json -i {index}",
    f"sanct-index digest -i {index}",
    f"sanct-index head --json -i {index}",
    f"sanct-ingest -i {fresh} --threads 1 --ca-file {dir}/tls/ca.pem --log {dir}/log/log.v3.json --progress none {dir}/log",
]


def run(words, nth, for_ever=False, **more):
    env = dict(os.environ, LD_PRELOAD=f"{dir}/fail.so", FAIL_NTH=str(nth), **more)
    if for_ever:
        env["FAIL_ON"] = "1"
    return subprocess.run([f"{build}/{words[0]}", *words[1:]], capture_output=True, env=env, timeout=60)


def shown(text):  # how long it took is no part of an answer
    return re.sub(rb"in [0-9.]+ ms", b"", text)


def verify(command, nth, for_ever):
    if not os.path.exists(fresh):
        return
    again = subprocess.run([f"{build}/sanct-index", "verify", "-i", fresh], capture_output=True)
    # What has not come to an index is none, and says so.
    if again.returncode and b"no index" not in again.stderr:
        sys.exit(f"{command}, {nth}, {for_ever}: verify says {again.stderr!r}")


for command in COMMANDS:
    words = command.split()
    shutil.rmtree(fresh, ignore_errors=True)
    whole = run(words, 1 << 40, FAIL_COUNT=f"{dir}/count")
    if whole.returncode not in (0, 1):
        sys.exit(f"{command}: {whole.stderr!r}")
    num = int(open(f"{dir}/count").read())
    is_load = words[0] == "sanct-ingest"
    ends = collections.Counter()
    turns = list(range(1, min(num, 500) + 1)) + list(range(501, num + 1, stride))
    for nth in turns:
        for for_ever in False, True:
            shutil.rmtree(fresh, ignore_errors=True)
            got = run(words, nth, for_ever)
            ends[got.returncode] += 1
            same = got.returncode == whole.returncode and (shown(got.stdout) == shown(whole.stdout) or is_load)
            if not same and (got.returncode not in (2, 3, 4, 5, 6) or not got.stderr):
                sys.exit(f"{command}, {nth}, {for_ever}: exit {got.returncode}, {got.stderr!r}, {got.stdout[:300]!r}")
            if is_load:
                verify(command, nth, for_ever)
    print(f"{' '.join(w for w in words if dir not in w and w != '-i')}: {num} allocations, {len(turns)} failed: exits {dict(ends)}")
P
