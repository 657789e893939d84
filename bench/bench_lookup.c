// bench_lookup.c - what an index that bench_load made is like to use.
//
//   bench_lookup FOLDER FIGURES
//
// A writer is killed and the index opened again; then look-ups, pages and
// ranges, as loaded and compacted, in the process and through the face that
// queries use.  "Cold" is with the index's blocks dropped from the page cache
// and the trees read, and the kernel's count of what was read stands beside.

#include <inttypes.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/figures.h"
#include "bench/loader.h"
#include "bench/process.h"
#include "index/store/keys.h"

enum {
    PATH_SIZE = 4096,
    WARM = 20000,
    COLD = 2000,
    PAGE = 100, // issuances
    PAGES = 200,
    PAGE_BYTES = 4096,
    STREAM_MIN = 1000000, // postings
    LOST = 3 * LOADER_CHUNK + 100,
    GROUPS = 512, // a hash set for one page
};

struct lookup {
    struct settings settings;
    struct corpus *corpus;
    struct figures figures;
    char dir[PATH_SIZE];
    struct index *index;
    struct snapshot *snapshot;
};

// Keys one after the other, made before the clock runs.
struct key_list {
    struct buffer bytes;
    size_t num, ends[WARM];
};

static struct bytes key_at(const struct key_list *list, size_t i)
{
    size_t at = i == 0 ? 0 : list->ends[i - 1];

    return bytes_of(list->bytes.data + at, list->ends[i] - at);
}

// Names of entries, or with `absent` names that no entry has beside them.
static void make_keys(struct key_list *list, const struct lookup *lookup,
                      size_t num, uint64_t salt, bool absent)
{
    uint64_t at = salt;

    buffer_reset(&list->bytes);
    list->num = 0;
    while (list->num < num) {
        char text[CORPUS_NAME_SIZE + 3] = "q7.", *name = text + 3;

        at = at * UINT64_C(6364136223846793005) + 1442695040888963407;
        if (!corpus_first_name(lookup->corpus,
                               (at >> 16) % lookup->settings.entries, name)) {
            continue;
        }
        keys_append(&list->bytes, TERM_DNS,
                    bytes_from_text(absent ? text : name));
        list->ends[list->num++] = list->bytes.len;
    }
}

// ------------------------------------------------------------ open

// A writer dies while chunks of its wait.
static void crash(const struct lookup *lookup)
{
    struct loader loader;
    struct settings settings = lookup->settings;
    int fds[2];
    pid_t pid;
    char byte;

    if (pipe(fds) != 0) die("pipe");
    pid = fork();
    if (pid == 0) {
        loader_open(&loader, &settings, lookup->corpus, lookup->dir);
        (void)loader_run(&loader, loader.frontier.size + LOST, false);
        (void)!write(fds[1], "x", 1);
        (void)pause();
        _exit(0);
    }
    (void)close(fds[1]);
    if (pid < 0 || read(fds[0], &byte, 1) != 1) die("the writer failed");
    (void)close(fds[0]);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void open_all(struct lookup *lookup, const char *name)
{
    uint64_t begun = measure_now_ns();
    struct err err = {0};

    if (!index_open(&lookup->index, lookup->dir, INDEX_WRITE, &err) ||
        !snapshot_open(&lookup->snapshot, lookup->index, &err)) {
        die("%s: %s", lookup->dir, err.text);
    }
    snapshot_trust(lookup->snapshot);
    if (name != NULL) {
        figures_set(&lookup->figures, name,
                    (double)(measure_now_ns() - begun) / 1e9);
    }
    if (snapshot_log(lookup->snapshot, 0)->verified !=
        lookup->settings.entries) {
        die("the index holds %" PRIu64 " entries",
            snapshot_log(lookup->snapshot, 0)->verified);
    }
}

static void close_all(struct lookup *lookup)
{
    snapshot_close(lookup->snapshot);
    index_close(lookup->index);
}

static void note(struct lookup *lookup, const char *when, const char *what,
                 double value)
{
    char name[2 * FIGURE_NAME_SIZE];

    (void)snprintf(name, sizeof name, "%s%s", what, when);
    figures_set(&lookup->figures, name, value);
}

static void note_sizes(struct lookup *lookup, const char *when)
{
    struct index_stat stat;
    struct err err = {0};
    double entries;

    if (!snapshot_stat(lookup->snapshot, &stat, &err)) die("%s", err.text);
    entries = (double)stat.entries;
    note(lookup, when, "bytes", (double)stat.bytes_total / entries);
    note(lookup, when, "bytes_records", (double)stat.bytes_entries / entries);
    note(lookup, when, "bytes_keys", (double)stat.bytes_names / entries);
    note(lookup, when, "bytes_other", (double)stat.bytes_other / entries);
    note(lookup, when, "segments", (double)stat.segments);
    note(lookup, when, "runs", (double)stat.runs);
    note(lookup, when, "postings", (double)stat.postings / entries);
}

// ------------------------------------------------------------ exact names

// Reads up to a page of a key's postings; how many there are.
static uint64_t find(struct lookup *lookup, struct bytes key,
                     struct buffer *end)
{
    struct cursor *cursor;
    struct posting posting;
    struct err err = {0};
    uint64_t num = 0;
    bool found = true;

    buffer_reset(end);
    buffer_append(end, key);
    buffer_append_byte(end, 0);
    if (!cursor_open(&cursor, lookup->snapshot, key, buffer_bytes(end), &err)) {
        die("%s", err.text);
    }
    while (num < PAGE) {
        if (!cursor_next(cursor, &posting, &found, &err)) die("%s", err.text);
        if (!found) break;
        num++;
    }
    cursor_close(cursor);
    return num;
}

static void warm(struct lookup *lookup, const struct key_list *list,
                 const char *when, const char *what)
{
    static double ns[WARM];
    struct buffer end = {0};
    uint64_t yes = 0;
    char name[FIGURE_NAME_SIZE];

    for (int round = 0; round < 2; round++) { // the first one warms
        yes = 0;
        for (size_t i = 0; i < list->num; i++) {
            uint64_t begun = measure_now_ns();

            yes += find(lookup, key_at(list, i), &end) > 0;
            ns[i] = (double)(measure_now_ns() - begun);
        }
    }
    (void)snprintf(name, sizeof name, "%s_p50_us", what);
    note(lookup, when, name, measure_percentile(ns, list->num, 50) / 1e3);
    (void)snprintf(name, sizeof name, "%s_p99_us", what);
    note(lookup, when, name, measure_percentile(ns, list->num, 99) / 1e3);
    (void)snprintf(name, sizeof name, "%s_found", what);
    note(lookup, when, name, (double)yes / (double)list->num);
    buffer_cleanup(&end);
}

// Counts pages that became resident, by kind, and what the kernel read.
static void cold(struct lookup *lookup, const struct key_list *list,
                 const char *when)
{
    static double ns[COLD]; // of those that read something
    struct tree_pages before, after;
    struct buffer end = {0};
    uint64_t all = 0, most = 0;
    size_t num = 0;

    process_evict(lookup->dir);
    (void)process_walk_trees(lookup->dir);
    before = process_walk_trees(lookup->dir);
    for (size_t i = 0; i < COLD; i++) {
        uint64_t read = process_reads(), begun = measure_now_ns(), took;

        (void)find(lookup, key_at(list, i), &end);
        took = measure_now_ns() - begun;
        read = (process_reads() - read) / PAGE_BYTES;
        if (read > 0) ns[num++] = (double)took;
        if (read > most) most = read;
        all += read;
    }
    after = process_walk_trees(lookup->dir);
    note(lookup, when, "cold_p50_us", measure_percentile(ns, num, 50) / 1e3);
    note(lookup, when, "cold_p99_us", measure_percentile(ns, num, 99) / 1e3);
    note(lookup, when, "cold_share", (double)num / COLD);
    note(lookup, when, "cold_reads", (double)all / COLD);
    note(lookup, when, "cold_reads_max", (double)most);
    note(lookup, when, "cold_blocks",
         (double)(after.resident_blocks - before.resident_blocks) / COLD);
    // Trees were all there: what else was read is of blocks.
    note(lookup, when, "tree_missing",
         (double)(before.tree - before.resident_tree));
    note(lookup, when, "tree_percent",
         100 * (double)before.tree * PAGE_BYTES / (double)before.bytes);
    note(lookup, when, "tree_mib",
         (double)before.tree * PAGE_BYTES / (1 << 20));
    note(lookup, when, "files", (double)before.files);
    buffer_cleanup(&end);
}

// ------------------------------------------------------------ pages, ranges

struct range {
    struct buffer first, end;
};

static bool seen(uint64_t slots[GROUPS], uint64_t group)
{
    size_t at = group % GROUPS;

    if (group == 0) group = 1;
    while (slots[at] != 0 && slots[at] != group) {
        at = (at + 1) % GROUPS;
    }
    if (slots[at] == group) return true;
    slots[at] = group;
    return false;
}

// The first page: issuances, with the facts that filters and grouping need.
static uint64_t page(struct lookup *lookup, const struct range *range)
{
    uint64_t slots[GROUPS] = {0}, num = 0;
    struct cursor *cursor;
    struct posting posting;
    struct err err = {0};
    bool found = true;

    if (!cursor_open(&cursor, lookup->snapshot, buffer_bytes(&range->first),
                     buffer_bytes(&range->end), &err)) {
        die("%s", err.text);
    }
    while (num < PAGE) {
        struct entry_facts facts;

        if (!cursor_next(cursor, &posting, &found, &err)) die("%s", err.text);
        if (!found) break;
        if (!snapshot_facts(lookup->snapshot, posting.id, &facts, &err)) {
            die("%s", err.text);
        }
        num += !seen(slots, facts.group_mark);
    }
    cursor_close(cursor);
    return num;
}

static uint64_t stream(struct lookup *lookup, const struct range *range,
                       bool with_facts)
{
    struct cursor *cursor;
    struct posting posting;
    struct err err = {0};
    uint64_t num = 0;
    bool found = true;

    if (!cursor_open(&cursor, lookup->snapshot, buffer_bytes(&range->first),
                     buffer_bytes(&range->end), &err)) {
        die("%s", err.text);
    }
    for (;; num++) {
        struct entry_facts facts;

        if (!cursor_next(cursor, &posting, &found, &err)) die("%s", err.text);
        if (!found) break;
        if (with_facts &&
            !snapshot_facts(lookup->snapshot, posting.id, &facts, &err)) {
            die("%s", err.text);
        }
    }
    cursor_close(cursor);
    return num;
}

static double stream_rate(struct lookup *lookup, const struct range *range,
                          bool with_facts, uint64_t *postings)
{
    uint64_t num = 0, begun;

    *postings = stream(lookup, range, with_facts); // warms
    if (*postings == 0) return 0;
    begun = measure_now_ns();
    while (num < STREAM_MIN) {
        num += stream(lookup, range, with_facts);
    }
    return (double)num * 1e9 / (double)(measure_now_ns() - begun);
}

static void ask(struct lookup *lookup, const struct range *range,
                const char *when, const char *what)
{
    static double ns[PAGES];
    uint64_t postings = 0, issuances = 0;
    char name[FIGURE_NAME_SIZE];

    issuances = page(lookup, range);
    for (size_t i = 0; i < PAGES; i++) {
        uint64_t begun = measure_now_ns();

        (void)page(lookup, range);
        ns[i] = (double)(measure_now_ns() - begun);
    }
    (void)snprintf(name, sizeof name, "%s_page_us", what);
    note(lookup, when, name, measure_percentile(ns, PAGES, 50) / 1e3);
    (void)snprintf(name, sizeof name, "%s_page", what);
    note(lookup, when, name, (double)issuances);
    (void)snprintf(name, sizeof name, "%s_facts_per_s", what);
    note(lookup, when, name, stream_rate(lookup, range, true, &postings));
    (void)snprintf(name, sizeof name, "%s_per_s", what);
    note(lookup, when, name, stream_rate(lookup, range, false, &postings));
    (void)snprintf(name, sizeof name, "%s_postings", what);
    note(lookup, when, name, (double)postings);
}

static void heavy_range(struct range *range, enum corpus_heavy kind)
{
    char name[CORPUS_NAME_SIZE];
    uint8_t octets[16];
    size_t len;

    buffer_reset(&range->first);
    buffer_reset(&range->end);
    corpus_heavy_name(kind, 0, name);
    if (kind == CORPUS_FAMILY) {
        keys_append(&range->first, TERM_DNS, bytes_from_text(name));
        buffer_append(&range->end, buffer_bytes(&range->first));
        buffer_append_byte(&range->end, 0);
    } else if (kind == CORPUS_PLATFORM) {
        (void)keys_subtree(&range->first, &range->end, bytes_from_text(name),
                           false);
    } else {
        if (!names_parse_ip(bytes_from_text(name), octets, &len)) die("IP");
        keys_prefix(&range->first, &range->end, bytes_of(octets, len),
                    kind == CORPUS_IPV4_24 ? 24 : 48);
    }
}

static void ask_all(struct lookup *lookup, const char *when)
{
    static const char *const what[] = {
        [CORPUS_FAMILY] = "family",
        [CORPUS_PLATFORM] = "subdomains",
        [CORPUS_IPV4_24] = "net24",
        [CORPUS_IPV6_48] = "net48",
    };
    struct range range = {0};

    for (unsigned kind = 0; kind < COUNT_OF(what); kind++) {
        heavy_range(&range, (enum corpus_heavy)kind);
        ask(lookup, &range, when, what[kind]);
    }
    buffer_cleanup(&range.first);
    buffer_cleanup(&range.end);
}

// ------------------------------------------------------------ the run

static void look_up(struct lookup *lookup, const char *when)
{
    static struct key_list list;

    note_sizes(lookup, when);
    make_keys(&list, lookup, WARM, 1, false);
    warm(lookup, &list, when, "exact");
    make_keys(&list, lookup, WARM, 1, true);
    warm(lookup, &list, when, "absent");
    ask_all(lookup, when);
    make_keys(&list, lookup, COLD, 7, false);
    cold(lookup, &list, when);
    buffer_cleanup(&list.bytes);
}

static void compact(struct lookup *lookup)
{
    uint64_t wall = measure_now_ns(), cpu = measure_cpu_ns();
    struct watch watch;
    struct err err = {0};

    snapshot_close(lookup->snapshot);
    watch_start(&watch);
    if (!index_compact(lookup->index, NULL, NULL, &err)) die("%s", err.text);
    note(lookup, "", "compact_peak_mib",
         (double)watch_stop(&watch) / (1 << 20));
    note(lookup, "", "compact_s", (double)(measure_now_ns() - wall) / 1e9);
    note(lookup, "", "compact_cpu_us",
         (double)(measure_cpu_ns() - cpu) / 1e3 /
             (double)lookup->settings.entries);
    if (!snapshot_open(&lookup->snapshot, lookup->index, &err)) {
        die("%s", err.text);
    }
    snapshot_trust(lookup->snapshot);
}

int main(int argc, char **argv)
{
    static struct lookup lookup;

    if (argc != 3) die("usage: bench_lookup FOLDER FIGURES");
    lookup.settings = settings_read();
    lookup.corpus = settings_corpus(&lookup.settings);
    figures_read(&lookup.figures, argv[2]);
    (void)snprintf(lookup.dir, sizeof lookup.dir, "%s/index", argv[1]);
    crash(&lookup);
    open_all(&lookup, "open_after_kill_s");
    look_up(&lookup, "_loaded");
    figures_write(&lookup.figures);
    compact(&lookup);
    close_all(&lookup);
    open_all(&lookup, "open_s");
    look_up(&lookup, "");
    close_all(&lookup);
    figures_write(&lookup.figures);
    corpus_free(lookup.corpus);
    return 0;
}
