// test_evidence_kept.c - what logs did wrong is kept once, and damage is told.

#include "tests/support/incident.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "index/base/text.h"
#include "tests/support/check.h"
#include "tests/support/folder.h"

static struct bytes read_kept(const char *name)
{
    char path[1024];

    (void)snprintf(path, sizeof path, "%s/evidence/%s/%s", incident_dir,
                   incident_seen.folder, name);
    return read_file(path);
}

static void write_kept(const char *name, struct bytes bytes)
{
    char path[1024];
    FILE *file;

    (void)snprintf(path, sizeof path, "%s/evidence/%s/%s", incident_dir,
                   incident_seen.folder, name);
    file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes.data, 1, bytes.len, file), bytes.len);
    assert_int_equal(fclose(file), 0);
}

static void everything_lies_where_the_contract_says(void **state)
{
    static const char page[] = "<html>502</html>\n", tile[] = "tile \0 bytes";
    const struct evidence_file files[] = {
        {"get-entries", bytes_of(page, sizeof page - 1)},
        {"../../tile/0/x001/067.p/3", bytes_of(tile, sizeof tile)}};
    struct evidence evidence = incident_begin(EVIDENCE_FORK);
    struct buffer served[2] = {{0}}, want = {0};
    struct sha256_hash id = sha256(signer_key(incident_signer));
    struct bytes kept;

    (void)state;
    evidence.num_heads = 2;
    evidence.heads[0] =
        incident_head(incident_signer, HEAD_STH, 0, 9, &served[0]);
    evidence.heads[1] =
        incident_head(incident_signer, HEAD_STH, 1, 9, &served[1]);
    evidence.files = files;
    evidence.num_files = 2;
    incident_check(&evidence, true, "two heads of 9 entries");
    text_append_hex(&want, sha256_bytes(&id));
    buffer_append_text(&want, "-20261124T101445.123Z-fork");
    assert_true(bytes_equal_text(buffer_bytes(&want), incident_seen.folder));
    assert_string_equal(incident_seen.time, "2026-11-24T10:14:45.123Z");
    assert_string_equal(incident_seen.log_name, "Log \\x1b[2J of tests");
    kept = read_kept("1-get-entries");
    assert_true(bytes_equal(kept, files[0].bytes));
    free((void *)kept.data);
    kept = read_kept("2-.._.._tile_0_x001_067.p_3");
    assert_true(bytes_equal(kept, files[1].bytes));
    free((void *)kept.data);
    // Both roots can be found by whoever looks for them in base64.
    kept = read_kept("incident.json");
    for (size_t i = 0; i < 2; i++) {
        buffer_reset(&want);
        text_append_base64(&want, sha256_bytes(&evidence.heads[i].root));
        assert_non_null(memmem(kept.data, kept.len, want.data, want.len));
    }
    free((void *)kept.data);
    buffer_cleanup(&want);
    buffer_cleanup(&served[0]);
    buffer_cleanup(&served[1]);
}

static void an_incident_is_kept_once(void **state)
{
    struct buffer served[5] = {{0}};
    struct evidence fork = incident_begin(EVIDENCE_FORK);
    struct evidence entries = incident_begin(EVIDENCE_ENTRIES);
    struct evidence head = incident_begin(EVIDENCE_HEAD);

    (void)state;
    fork.num_heads = 2;
    fork.heads[0] = incident_head(incident_signer, HEAD_STH, 0, 9, &served[0]);
    fork.heads[1] = incident_head(incident_signer, HEAD_STH, 1, 9, &served[1]);
    incident_write(&fork);
    fork.time_ms += 30000;
    fork.heads[1] = incident_head(incident_signer, HEAD_STH, 1, 9, &served[2]);
    incident_write(&fork);
    incident_check_all();
    assert_int_equal(incident_seen.num, 1);
    fork.heads[1] = incident_head(incident_signer, HEAD_STH, 1, 11, &served[3]);
    incident_write(&fork); // another fork in the same moment
    incident_check_all();
    assert_int_equal(incident_seen.num, 2);

    entries.num_heads = 1;
    entries.heads[0] = fork.heads[0];
    entries.end = 9;
    entries.leaves = incident_leaves[1];
    entries.num_leaves = 9;
    incident_write(&entries);
    entries.time_ms++;
    incident_write(&entries);
    incident_check_all();
    assert_int_equal(incident_seen.num, 3);
    entries.first = 1; // no frontier goes with it, and that is told
    incident_write(&entries);
    incident_check_all();
    assert_int_equal(incident_seen.num, 4);
    assert_int_equal(incident_seen.proven, 2);

    head.num_heads = 1;
    head.heads[0] =
        incident_head(incident_stranger, HEAD_STH, 0, 9, &served[4]);
    incident_write(&head);
    head.heads[0].served = fork.heads[0].served;
    incident_write(&head); // the same trouble at the next poll
    incident_check_all();
    assert_int_equal(incident_seen.num, 5);
    for (size_t i = 0; i < COUNT_OF(served); i++) {
        buffer_cleanup(&served[i]);
    }
}

static void a_log_cannot_fill_the_disk(void **state)
{
    struct evidence evidence = incident_begin(EVIDENCE_MISSING);
    struct buffer served = {0};

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = incident_head(incident_signer, HEAD_STH, 0, 9, &served);
    for (uint64_t i = 0; i < EVIDENCE_INCIDENTS_MAX + 8; i++) {
        evidence.end = i + 1;
        incident_write(&evidence); // names of one millisecond do not collide
    }
    incident_check_all();
    assert_int_equal(incident_seen.num, EVIDENCE_INCIDENTS_MAX);
    evidence.kind = EVIDENCE_ENTRIES;
    incident_write(&evidence);
    incident_check_all();
    assert_int_equal(incident_seen.num, EVIDENCE_INCIDENTS_MAX + 1);
    evidence.kind = EVIDENCE_MISSING;
    // Another log has room of its own.
    evidence.key_der = signer_key(incident_stranger);
    incident_write(&evidence);
    incident_check_all();
    assert_int_equal(incident_seen.num, EVIDENCE_INCIDENTS_MAX + 2);
    buffer_cleanup(&served);
}

static void an_index_without_evidence_is_fine(void **state)
{
    struct err err = {0};

    (void)state;
    memset(&incident_seen, 0, sizeof incident_seen);
    assert_true(evidence_list(incident_dir, incident_see, NULL, &err));
    assert_true(evidence_list("/tmp/there/is/none", incident_see, NULL, &err));
    assert_int_equal(incident_seen.num, 0);
}

static void what_a_killed_writer_left_goes(void **state)
{
    struct evidence evidence = incident_begin(EVIDENCE_MISSING);
    struct buffer served = {0};
    char path[256];

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = incident_head(incident_signer, HEAD_STH, 0, 9, &served);
    evidence.end = 9;
    incident_write(&evidence);
    (void)snprintf(path, sizeof path, "%s/evidence/.tmp-4242", incident_dir);
    assert_int_equal(mkdir(path, 0700), 0);
    (void)snprintf(path, sizeof path, "%s/evidence/.tmp-4242/leaves",
                   incident_dir);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    incident_check_all();
    assert_int_equal(incident_seen.num, 1);
    incident_write(&evidence);
    assert_int_not_equal(access(path, F_OK), 0);
    incident_check_all();
    assert_int_equal(incident_seen.num, 1);
    assert_int_equal(incident_seen.proven, 1);
    buffer_cleanup(&served);
}

static void a_disk_that_takes_no_more_leaves_nothing(void **state)
{
    static uint8_t big[65536];
    const struct evidence_file file = {"big", bytes_of(big, sizeof big)};
    struct evidence evidence = incident_begin(EVIDENCE_MISSING);
    struct rlimit limit, small = {32768, RLIM_INFINITY};
    char path[256];
    struct buffer served = {0};
    struct err err = {0};

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = incident_head(incident_signer, HEAD_STH, 0, 9, &served);
    evidence.end = 9;
    evidence.files = &file;
    evidence.num_files = 1;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small.rlim_max = limit.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    assert_false(evidence_write(incident_dir, &evidence, &err));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(err.code, ERR_INDEX);
    assert_string_equal(err.text,
                        "evidence: writing an incident: File too large");
    (void)snprintf(path, sizeof path, "%s/evidence", incident_dir);
    assert_int_equal(rmdir(path), 0); // it is empty
    incident_write(&evidence);
    incident_check_all();
    assert_int_equal(incident_seen.proven, 1);
    assert_false(evidence_write("/tmp/there/is/none", &evidence, &err));
    assert_string_equal(err.text, "evidence: /tmp/there/is/none/evidence: No "
                                  "such file or directory");
    buffer_cleanup(&served);
}

// ---------------------------------------------------------------- damage

static void damage_is_told_and_proves_nothing(void **state)
{
    struct evidence evidence = incident_begin(EVIDENCE_ENTRIES);
    struct buffer served = {0};
    struct merkle_frontier left = incident_frontier(0, 4);
    struct merkle_proof right = {0};
    struct bytes incident, kept;

    (void)state;
    incident_right_side(&right, 12, incident_hashes[0], 33);
    evidence.num_heads = 1;
    evidence.heads[0] =
        incident_head(incident_signer, HEAD_STH, 0, 33, &served);
    evidence.first = 4;
    evidence.end = 12;
    evidence.left = &left;
    evidence.right = &right;
    evidence.leaves = &incident_leaves[1][4];
    evidence.num_leaves = 8;
    incident_check(&evidence, true, "what was served for 4..12");
    incident = read_kept("incident.json");
    for (size_t len = 0; len < incident.len - 1; len += 7) {
        write_kept("incident.json", bytes_of(incident.data, len));
        incident_check_all();
        assert_int_equal(incident_seen.num, 1);
        assert_int_equal(incident_seen.readable, 0);
        assert_int_equal(incident_seen.proven, 0);
        assert_string_not_equal(incident_seen.sentence, "");
    }
    write_kept("incident.json", incident);
    kept = read_kept("leaves");
    for (size_t len = 0; len < kept.len; len++) {
        write_kept("leaves", bytes_of(kept.data, len));
        incident_check_all();
        assert_int_equal(incident_seen.readable, 1);
        assert_int_equal(incident_seen.proven, 0);
    }
    write_kept("leaves", kept);
    incident_check_all();
    assert_int_equal(incident_seen.proven, 1);
    free((void *)incident.data);
    free((void *)kept.data);
    buffer_cleanup(&served);
}

// Puts `to` in place of `from` in incident.json and gives the sentence.
static const char *sentence_after(struct bytes incident, const char *from,
                                  const char *to)
{
    uint8_t *at = memmem(incident.data, incident.len, from, strlen(from));
    struct buffer out = {0};
    size_t before;

    assert_non_null(at);
    before = (size_t)(at - incident.data);
    buffer_append(&out, bytes_of(incident.data, before));
    buffer_append_text(&out, to);
    buffer_append(&out, bytes_of(at + strlen(from),
                                 incident.len - before - strlen(from)));
    write_kept("incident.json", buffer_bytes(&out));
    buffer_cleanup(&out);
    incident_check_all();
    assert_int_equal(incident_seen.num, 1);
    assert_int_equal(incident_seen.proven, 0);
    return incident_seen.sentence;
}

static void a_forged_folder_is_told(void **state)
{
    struct evidence evidence = incident_begin(EVIDENCE_MISSING);
    struct merkle_frontier left = incident_frontier(0, 3);
    struct buffer served = {0}, key = {0}, other = {0};
    struct bytes incident;

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = incident_head(incident_signer, HEAD_STH, 0, 9, &served);
    evidence.end = 9;
    evidence.left = &left;
    incident_check(&evidence, true, "the head of 9 covers 0..9");
    incident = read_kept("incident.json");
    text_append_base64(&key, signer_key(incident_signer));
    text_append_base64(&other, signer_key(incident_stranger));
    buffer_append_byte(&key, 0);
    buffer_append_byte(&other, 0);
    assert_string_equal(
        sentence_after(incident, (char *)key.data, (char *)other.data),
        "incident.json: the key is not that of the folder's log id");
    assert_string_equal(
        sentence_after(incident, "\"kind\": \"missing\"", "\"kind\": \"fork\""),
        "incident.json: the kind is not that of the folder's name");
    assert_string_equal(sentence_after(incident, "[0, 9]", "[9, 0]"),
                        "incident.json: \"range\" cannot be read");
    assert_string_equal(sentence_after(incident, "[0, 9]", "[0, -9]"),
                        "incident.json: \"range\" cannot be read");
    assert_string_equal(sentence_after(incident, "\"size\": 3", "\"size\": 7"),
                        "incident.json: \"left\" cannot be read");
    assert_string_equal(
        sentence_after(incident, "\"heads\": [", "\"heads\": [7, 8, "),
        "incident.json: \"heads\" cannot be read");
    assert_string_equal(
        sentence_after(incident, "\"log\": \"", "\"log\": \"\\\\q"),
        "incident.json: \"log\" cannot be read");
    assert_string_equal(
        sentence_after(incident, "\"heads\": [", "\"heads\": [7, "),
        "incident.json: \"heads\" cannot be read");
    assert_string_equal(sentence_after(incident, "\"key\": \"", "\"key\": \"="),
                        "incident.json: \"key\" cannot be read");
    assert_string_equal(
        sentence_after(incident, "\"range\"", "\"right\": 7, \"range\""),
        "incident.json: \"right\" cannot be read");
    assert_string_equal(
        sentence_after(incident, "\"range\"", "\"level\": 64, \"range\""),
        "incident.json: \"level\" cannot be read");
    assert_string_equal(sentence_after(incident, "\"range\"",
                                       "\"final_tree_head\": {}, \"range\""),
                        "incident.json: \"final_tree_head\" cannot be read");
    write_kept("incident.json", incident);
    incident_check_all();
    assert_int_equal(incident_seen.proven, 1);
    free((void *)incident.data);
    buffer_cleanup(&key);
    buffer_cleanup(&other);
    buffer_cleanup(&served);
}

// An incident whose file is missing, a folder, or too large.
static void an_unreadable_incident_is_told(void **state)
{
    struct evidence evidence = incident_begin(EVIDENCE_MISSING);
    struct buffer served = {0};
    struct bytes incident;
    char path[1024];

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = incident_head(incident_signer, HEAD_STH, 0, 9, &served);
    evidence.end = 9;
    incident_check(&evidence, true, "the head of 9 covers 0..9");
    incident = read_kept("incident.json");
    (void)snprintf(path, sizeof path, "%s/evidence/%s/incident.json",
                   incident_dir, incident_seen.folder);
    assert_int_equal(truncate(path, 17 * 1024 * 1024), 0);
    incident_check_all();
    assert_int_equal(incident_seen.readable, 0);
    assert_string_equal(incident_seen.sentence, "incident.json: too long");
    assert_int_equal(unlink(path), 0);
    incident_check_all();
    assert_string_equal(incident_seen.sentence,
                        "incident.json: No such file or directory");
    assert_int_equal(mkdir(path, 0700), 0);
    incident_check_all();
    assert_string_equal(incident_seen.sentence,
                        "incident.json: Is a directory");
    assert_int_equal(incident_seen.num, 1);
    assert_int_equal(rmdir(path), 0);
    write_kept("incident.json", incident);
    incident_check_all();
    assert_int_equal(incident_seen.proven, 1);
    free((void *)incident.data);
    buffer_cleanup(&served);
}

static void other_names_are_none_of_ours(void **state)
{
    static const char *const names[] = {
        "notes",
        "x-head",
        "-head",
        "0000000000000000000000000000000000000000000000000000000000000000-head",
        "0000000000000000000000000000000000000000000000000000000000000000-t-"
        "odd",
        "g000000000000000000000000000000000000000000000000000000000000000-t-"
        "head"};
    struct err err = {0};
    char path[1024];

    (void)state;
    (void)snprintf(path, sizeof path, "%s/evidence", incident_dir);
    assert_int_equal(mkdir(path, 0700), 0);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)snprintf(path, sizeof path, "%s/evidence/%s", incident_dir,
                       names[i]);
        assert_int_equal(mkdir(path, 0700), 0);
    }
    incident_check_all();
    assert_int_equal(incident_seen.num, 0);
    (void)snprintf(path, sizeof path, "%s/evidence", incident_dir);
    folder_remove(path);
    assert_int_equal(close(open(path, O_CREAT | O_WRONLY, 0600)), 0);
    assert_false(evidence_check(incident_dir, incident_see, NULL, &err));
    assert_int_equal(err.code, ERR_INDEX);
    assert_non_null(strstr(err.text, "/evidence: Not a directory"));
}

static bool stop(void *context, const struct evidence_info *info,
                 struct err *err)
{
    (void)info;
    ++*(int *)context;
    return err_set(err, ERR_INTERRUPTED, "enough");
}

static void a_visitor_ends_the_walk(void **state)
{
    struct evidence evidence = incident_begin(EVIDENCE_MISSING);
    struct buffer served = {0};
    struct err err = {0};
    int num = 0;

    (void)state;
    evidence.num_heads = 1;
    evidence.heads[0] = incident_head(incident_signer, HEAD_STH, 0, 9, &served);
    for (evidence.end = 1; evidence.end < 4; evidence.end++) {
        incident_write(&evidence);
    }
    assert_false(evidence_list(incident_dir, stop, &num, &err));
    assert_string_equal(err.text, "enough");
    assert_int_equal(num, 1);
    memset(&incident_seen, 0, sizeof incident_seen);
    assert_true(evidence_list(incident_dir, incident_see, NULL, &err));
    assert_int_equal(incident_seen.num, 3);
    assert_int_equal(incident_seen.proven, 0); // a list proves nothing
    assert_string_equal(incident_seen.sentence, "");
    buffer_cleanup(&served);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, incident_make_index,                 \
                                    incident_remove_index)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(everything_lies_where_the_contract_says),
        TEST(an_incident_is_kept_once),
        TEST(a_log_cannot_fill_the_disk),
        TEST(an_index_without_evidence_is_fine),
        TEST(what_a_killed_writer_left_goes),
        TEST(a_disk_that_takes_no_more_leaves_nothing),
        TEST(damage_is_told_and_proves_nothing),
        TEST(a_forged_folder_is_told),
        TEST(an_unreadable_incident_is_told),
        TEST(other_names_are_none_of_ours),
        TEST(a_visitor_ends_the_walk),
    };

    return cmocka_run_group_tests(tests, incident_set_up, incident_tear_down);
}
