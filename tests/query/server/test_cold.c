// test_cold.c - blocks that are not in memory, that cannot be read, that are
// gone or damaged under a running server.

#include "tests/query/server/clients.h"

#include <limits.h>
#include <sys/stat.h>

#include "bench/process.h"
#include "index/base/text.h"
#include "index/store/lmdb_parts.h"
#include "query/server/connection_parts.h"
#include "tests/support/planted.h"

enum { NAMES = 400, ANSWER_SIZE = 256 << 10, ALL = 6 };

static struct planted planted;
static char answer[ANSWER_SIZE];
static int reads_to_fail;

static bool ignore_progress(void *context, const char *step, uint64_t done,
                            uint64_t total)
{
    (void)context;
    (void)step;
    (void)done;
    (void)total;
    return true;
}

static void plant(uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++) {
        char name[64];
        struct planted_cert cert = {.names = {name},
                                    .serial = 0x6d000000 + i,
                                    .not_before = 1700000000,
                                    .not_after = 2200000000};

        (void)snprintf(name, sizeof name, "n%u.cold.example", (unsigned)i);
        planted_add(&planted, 0, &cert, i % 3 != 0, 1710000000000 + i * 1000);
        planted_add(&planted, 0, &cert, false, 1710000000500 + i * 1000);
    }
    (void)planted_append(&planted, 0);
}

// Most entries lie in files, the last few in the tail.
static int open_files(void **state)
{
    struct err err = {0};

    (void)state;
    planted_open(&planted, 2 * NAMES);
    plant(0, NAMES - 10);
    CHECK(index_compact(planted.index, ignore_progress, NULL, &err));
    plant(NAMES - 10, NAMES);
    memset(&metrics, 0, sizeof metrics);
    return clients_open(planted.index) ? 0 : -1;
}

static int close_files(void **state)
{
    (void)state;
    clients_close();
    planted_close(&planted);
    return 0;
}

// Pumps until something has come and nothing more does.
static const char *receive(int fd)
{
    size_t len = 0, before;
    bool closed = false;

    for (int i = 0; i < 2000 && !closed; i++) {
        before = len;
        pump();
        len += take(fd, answer + len, sizeof answer - 1 - len, &closed);
        if (len > 0 && len == before && world.connections != NULL &&
            !cold_is_reading(&world.connections->cold)) {
            break;
        }
    }
    answer[len] = '\0';
    return answer;
}

static const char *ask(const char *request)
{
    int fd = connect_client();
    const char *got;

    say(fd, request);
    got = receive(fd);
    (void)close(fd);
    finish_all();
    return got;
}

static const char *ask_name(unsigned number)
{
    char request[256];

    (void)snprintf(request, sizeof request,
                   "GET /v1/certs?q=n%u.cold.example HTTP/1.1\r\nHost: "
                   "x\r\n\r\n",
                   number);
    return ask(request);
}

static uint64_t num_cold(void)
{
    return atomic_load(&metrics.cold_blocks);
}

static const char *const requests[] = {
    "GET /v1/certs?q=n17.cold.example HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /v1/certs?q=*.cold.example HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /v1/certs?q=*.cold.example&limit=7 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /v1/certs?q=n18.cold.example&type=precert HTTP/1.1\r\nHost: "
    "x\r\n\r\n",
    "GET /v1/count?q=*.cold.example HTTP/1.1\r\nHost: x\r\n\r\n",
    "POST /v1/certs HTTP/1.1\r\nHost: x\r\nContent-Length: 37\r\n\r\n"
    "n3.cold.example\nx\nn300.cold.example\nn",
    "GET /json?q=n19.cold.example HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /json?id=40 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /?d=41 HTTP/1.1\r\nHost: x\r\n\r\n",
    "GET /v1/issuances?domain=cold.example&include_subdomains=true&limit=20"
    "&expand=dns_names HTTP/1.1\r\nHost: x\r\n\r\n",
    "CERTS n20.cold.example\r\nCOUNT n21.cold.example\r\nPING\r\n",
    "CERTS cold.example SUBDOMAINS COUNT 30\r\n",
};

// What is asked for again and again needs no reading at last.
static bool becomes_warm(const char *request, const char *wanted)
{
    for (int i = 0; i < 10; i++) {
        uint64_t before = num_cold();

        assert_string_equal(ask(request), wanted);
        if (num_cold() == before) return true;
    }
    return false;
}

// Every answer is what it is from memory, whatever of it had to be read.
static void cold_answers_are_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        char *warm = strdup(ask(requests[i]));
        uint64_t before;

        assert_non_null(warm);
        test_case = requests[i];
        CHECK(strlen(warm) > 10);
        CHECK(becomes_warm(requests[i], warm));
        before = num_cold();
        process_evict(index_dir(planted.index));
        forget_all();
        assert_string_equal(ask(requests[i]), warm);
        CHECK(num_cold() > before);
        free(warm);
    }
}

// The metric is there once, and counts.
static void cold_blocks_are_counted(void **state)
{
    const char *got, *at;

    (void)state;
    process_evict(index_dir(planted.index));
    forget_all();
    (void)ask_name(17);
    assert_true(num_cold() > 0);
    got = ask("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    at = strstr(got, "\nsanct_cold_blocks_total ");
    assert_non_null(at);
    assert_true(strtoull(at + 25, NULL, 10) == num_cold());
    assert_null(strstr(at + 1, "\nsanct_cold_blocks_total "));
}

// While one waits for its blocks another is answered.
static void others_are_answered_meanwhile(void **state)
{
    int slow, quick;
    size_t len = 0;
    bool closed;
    struct err err = {0};

    (void)state;
    process_evict(index_dir(planted.index));
    forget_all();
    slow = connect_client();
    quick = connect_client();
    assert_int_equal(send(slow, "CERTS n5.cold.example\r\n", 23, 0), 23);
    assert_int_equal(send(quick, "PING\r\n", 6, 0), 6);
    while (len == 0) {
        assert_true(ring_run(world.ring, false, &err));
        len = take(quick, answer, sizeof answer, &closed);
    }
    assert_int_equal(take(slow, answer, sizeof answer, &closed), 0);
    assert_false(closed);
    assert_non_null(strstr(receive(slow), "n5.cold.example"));
    (void)close(slow);
    (void)close(quick);
    finish_all();
}

// ------------------------------------------------------------- what fails

static int fail_reads(void *context, const struct ring_op *op, int result)
{
    int error = *(const int *)context;

    if (op->kind != RING_READ || reads_to_fail == 0) return result;
    reads_to_fail--;
    return error;
}

// An error of the disk is the error of the question that met it.
static void a_read_error_is_one_questions(void **state)
{
    static int errors[] = {-EIO, 0};
    static const char *const words[] = {"Input/output error", "cut short"};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        char *good = strdup(ask_name(33));

        process_evict(index_dir(planted.index));
        forget_all();
        ring_set_fault(world.ring, fail_reads, &errors[i]);
        reads_to_fail = 1;
        (void)ask_name(33);
        CHECK(strncmp(answer, "HTTP/1.1 500 ", 13) == 0);
        CHECK(strstr(answer, "index_damaged") != NULL);
        CHECK(strstr(answer, "/runs/") != NULL ||
              strstr(answer, "/segments/") != NULL);
        CHECK(strstr(answer, words[i]) != NULL);
        assert_int_equal(reads_to_fail, 0);
        ring_set_fault(world.ring, NULL, NULL);
        // Nobody else's, and not the file's for good.
        assert_string_equal(ask_name(33), good);
        free(good);
    }
}

// Every second read of a block brings a part, or the first is refused.
static int cut_reads(void *context, const struct ring_op *op, int result)
{
    int instead = *(const int *)context;

    if (op->kind != RING_READ || result < 4000) return result;
    reads_to_fail++;
    return instead < 0 ? (reads_to_fail == 1 ? instead : result)
                       : (reads_to_fail % 2 == 1 ? instead : result);
}

static void ask_with_cut_reads(const char *request, int instead)
{
    char *good = strdup(ask(request));

    process_evict(index_dir(planted.index));
    forget_all();
    reads_to_fail = 0;
    ring_set_fault(world.ring, cut_reads, &instead);
    assert_string_equal(ask(request), good);
    ring_set_fault(world.ring, NULL, NULL);
    CHECK(reads_to_fail > 0);
    free(good);
}

static const char n33[] =
    "GET /v1/certs?q=n33.cold.example HTTP/1.1\r\nHost: x\r\n\r\n";

static void what_is_left_is_read_on(void **state)
{
    static const int parts[] = {100, 512, 4000};

    (void)state;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        ask_with_cut_reads(n33, parts[i]);
        ask_with_cut_reads("GET /v1/certs?q=cold.example&subdomains=1 "
                           "HTTP/1.1\r\nHost: x\r\n\r\n",
                           parts[i]);
    }
}

// A file system may open a file so, and read it not.
static void what_is_refused_is_read_through_the_page_cache(void **state)
{
    (void)state;
    cold_save_memory(world.cold);
    ask_with_cut_reads(n33, -EINVAL);
}

static uint64_t num_resident(void)
{
    return process_walk_trees(index_dir(planted.index)).resident_blocks;
}

// Where memory is short a block comes into the page cache when it is wanted for
// the second time, else at once.
static void what_is_wanted_once_drives_nothing_out(void **state)
{
    uint64_t first, second;

    (void)state;
    cold_save_memory(world.cold);
    (void)ask(n33); // dictionaries are read once
    process_evict(index_dir(planted.index));
    forget_all();
    (void)ask(n33);
    first = num_resident();
    forget_all();
    (void)ask(n33);
    second = num_resident();
    // A filter is in its place always.
    CHECK(first <= 1);
    CHECK(second > first);
}

// What one question read is no other's: the same memory serves all of a stream.
static void a_stream_of_cold_names_is_right(void **state)
{
    struct buffer request = {0}, lines = {0};
    char *good;

    (void)state;
    for (unsigned i = 0; i < NAMES; i++) {
        buffer_printf(&lines, "n%u.cold.example\n", i * 7 % NAMES);
    }
    buffer_printf(&request,
                  "POST /v1/certs HTTP/1.1\r\nHost: x\r\nContent-Length: "
                  "%zu\r\n\r\n",
                  lines.len);
    buffer_append(&request, buffer_bytes(&lines));
    buffer_append_byte(&request, '\0');
    good = strdup(ask((const char *)request.data));
    for (int i = 0; i < 3; i++) {
        process_evict(index_dir(planted.index));
        forget_all();
        assert_string_equal(ask((const char *)request.data), good);
    }
    free(good);
    buffer_cleanup(&lines);
    buffer_cleanup(&request);
}

// In a stream it is one line's.
static void a_read_error_is_one_lines(void **state)
{
    static int error = -EIO;
    const char *got;

    (void)state;
    process_evict(index_dir(planted.index));
    forget_all();
    ring_set_fault(world.ring, fail_reads, &error);
    reads_to_fail = 1;
    got = ask("POST /v1/certs HTTP/1.1\r\nHost: x\r\nContent-Length: 35\r\n\r\n"
              "n50.cold.example\nn250.cold.example\n");
    ring_set_fault(world.ring, NULL, NULL);
    CHECK(strstr(got, "\"query\":\"n50.cold.example\",\"error\":") != NULL);
    CHECK(strstr(got, "\"query\":\"n250.cold.example\",\"issuances\":[{") !=
          NULL);
    CHECK(strstr(got, "\r\n0\r\n\r\n") != NULL);
}

static void find_file(char out[PATH_MAX], const char *folder)
{
    char command[PATH_MAX + 64];
    FILE *list;

    (void)snprintf(command, sizeof command, "ls '%s/%s'/*",
                   index_dir(planted.index), folder);
    list = popen(command, "r");
    assert_non_null(list);
    assert_non_null(fgets(out, PATH_MAX, list));
    out[strcspn(out, "\n")] = '\0';
    (void)pclose(list);
}

static bool is_ok(void)
{
    return strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
}

// Asks for every name: each gets its answer or an error that names the file.
static unsigned count_errors(char *const *good, const char *path)
{
    unsigned errors = 0;

    for (unsigned i = 0; i < NAMES; i++) {
        (void)ask_name(i);
        if (is_ok()) {
            assert_string_equal(answer, good[i]);
            continue;
        }
        errors++;
        CHECK(strncmp(answer, "HTTP/1.1 500 ", 13) == 0);
        CHECK(strstr(answer, path) != NULL);
        // Those in the tail need no segment.
        CHECK(i < NAMES - 10 || strstr(path, "/segments/") == NULL);
    }
    return errors;
}

static char **take_good(void)
{
    char **good = calloc(NAMES, sizeof *good);

    assert_non_null(good);
    for (unsigned i = 0; i < NAMES; i++) {
        good[i] = strdup(ask_name(i));
        CHECK(is_ok());
    }
    return good;
}

static void free_good(char **good)
{
    for (unsigned i = 0; i < NAMES; i++) {
        free(good[i]);
    }
    free(good);
}

static void a_flipped_bit_is_some_questions(void **state)
{
    static const struct timespec tick = {.tv_nsec = 20000000};
    char **good = take_good(), path[PATH_MAX];
    struct stat now;
    uint8_t byte;
    unsigned errors;
    int fd;

    (void)state;
    find_file(path, "segments");
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &now) == 0);
    // In a block: it fills a page but for 16 bytes.
    assert_int_equal(pread(fd, &byte, 1, 5 * 4096 + 2000), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, 5 * 4096 + 2000), 1);
    (void)nanosleep(&tick, NULL); // which is seen once a tick of the clock
    (void)close(fd);
    errors = count_errors(good, path);
    CHECK(errors > 0);
    CHECK(errors < NAMES - 10);
    free_good(good);
}

static void cut_short(const char *kind, bool evict)
{
    char **good = take_good(), path[PATH_MAX];
    struct stat now;

    lmdb_guard_install(); // cmocka took the signals
    find_file(path, kind);
    assert_int_equal(stat(path, &now), 0);
    assert_true(now.st_size >= 8 * 4096);
    if (evict) {
        process_evict(index_dir(planted.index));
        forget_all();
    }
    assert_int_equal(truncate(path, now.st_size / 8192 * 4096), 0);
    CHECK(count_errors(good, path) > 0);
    // It stays so, and the server lives.
    CHECK(count_errors(good, path) > 0);
    assert_non_null(strstr(ask("PING\r\n"), "+PONG"));
    free_good(good);
}

static void a_segment_cut_short_is_an_error(void **state)
{
    (void)state;
    cut_short("segments", false);
}

static void a_cold_segment_cut_short_is_an_error(void **state)
{
    (void)state;
    cut_short("segments", true);
}

static void a_run_cut_short_is_an_error(void **state)
{
    (void)state;
    cut_short("runs", false);
}

static int open_files_saving(void **state)
{
    int result = open_files(state);

    cold_save_memory(world.cold);
    return result;
}

// With memory to spare, and without.
#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, open_files, close_files),            \
        cmocka_unit_test_setup_teardown(name, open_files_saving, close_files)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(cold_answers_are_the_same),
        TEST(cold_blocks_are_counted),
        TEST(others_are_answered_meanwhile),
        TEST(what_is_left_is_read_on),
        TEST(what_is_refused_is_read_through_the_page_cache),
        TEST(what_is_wanted_once_drives_nothing_out),
        TEST(a_stream_of_cold_names_is_right),
        TEST(a_read_error_is_one_questions),
        TEST(a_read_error_is_one_lines),
        TEST(a_flipped_bit_is_some_questions),
        TEST(a_segment_cut_short_is_an_error),
        TEST(a_cold_segment_cut_short_is_an_error),
        TEST(a_run_cut_short_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
