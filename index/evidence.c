// evidence.c - writing; reading and proving is evidence_check.c.

#include "index/evidence.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "index/base/json.h"
#include "index/base/text.h"
#include "index/evidence_store.h"

enum { NAME_TRIES_MAX = 1000 };

static const char tmp_prefix[] = ".tmp";

const char *evidence_kind_word(enum evidence_kind kind)
{
    static const char *const words[] = {
        [EVIDENCE_HEAD] = "head",       [EVIDENCE_FORK] = "fork",
        [EVIDENCE_ENTRIES] = "entries", [EVIDENCE_TILES] = "tiles",
        [EVIDENCE_FINAL] = "final",     [EVIDENCE_MISSING] = "missing",
    };

    return words[kind];
}

// Says what the disk did.  A full one is named with what is missing.
static bool disk_error(int fd, const char *what, uint64_t needed,
                       struct err *err)
{
    int error = errno;
    struct statvfs fs;

    if ((error == ENOSPC || error == EDQUOT) && fstatvfs(fd, &fs) == 0) {
        uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;

        return err_set(err, ERR_INDEX,
                       "evidence: %s: the file system of the index is full: "
                       "about %" PRIu64 " bytes are missing",
                       what, needed > left ? needed - left : needed);
    }
    return err_set(err, ERR_INDEX, "evidence: %s: %s", what, strerror(error));
}

// ---------------------------------------------------------------- identity

static const char *text_or_none(const char *text)
{
    return text != NULL ? text : "";
}

// What makes two reports the same incident; see evidence_write.
static struct sha256_hash identify(const struct evidence *evidence,
                                   const struct sha256_hash *log_id)
{
    struct buffer text = {0};
    struct sha256_hash id;

    buffer_append_byte(&text, (uint8_t)evidence->kind);
    buffer_append(&text, sha256_bytes(log_id));
    switch (evidence->kind) {
    case EVIDENCE_HEAD:
        buffer_append_text(&text, text_or_none(evidence->expected));
        buffer_append_byte(&text, 0);
        buffer_append_text(&text, text_or_none(evidence->computed));
        break;
    case EVIDENCE_FORK:
        for (size_t i = 0; i < evidence->num_heads; i++) {
            buffer_append_uint(&text, evidence->heads[i].size, 8);
            buffer_append(&text, sha256_bytes(&evidence->heads[i].root));
        }
        break;
    case EVIDENCE_FINAL:
        buffer_append_uint(&text, evidence->final_size, 8);
        buffer_append(&text, sha256_bytes(&evidence->final_root));
        break;
    case EVIDENCE_ENTRIES:
    case EVIDENCE_TILES:
    case EVIDENCE_MISSING:
        buffer_append_uint(&text, evidence->first, 8);
        buffer_append_uint(&text, evidence->end, 8);
        break;
    }
    id = sha256(buffer_bytes(&text));
    buffer_cleanup(&text);
    return id;
}

// Tells whether a folder's incident.json has this id; a damaged one has none.
static bool has_identity(int store, const char *folder, struct bytes id)
{
    struct buffer text = {0};
    struct json *json = NULL;
    struct bytes found;
    bool same = false;

    if (evidence_read_incident(store, folder, &text, NULL) &&
        json_parse(&json, buffer_bytes(&text), NULL)) {
        same = json_text(json_member(json, "id"), &found) &&
               bytes_equal(found, id);
    }
    json_free(json);
    buffer_cleanup(&text);
    return same;
}

// Looks for the incident among those of the log and kind.
static bool is_known(int store, const struct sha256_hash *log_id,
                     enum evidence_kind kind, struct bytes id, bool *known,
                     struct err *err)
{
    DIR *dir = evidence_open_dir(store);
    struct dirent *entry;
    size_t num = 0;

    *known = false;
    if (dir == NULL) return disk_error(store, "reading the folder", 0, err);
    while (!*known && (entry = readdir(dir)) != NULL) {
        struct sha256_hash other;
        enum evidence_kind other_kind;

        if (!evidence_parse_name(entry->d_name, &other, &other_kind) ||
            other_kind != kind || !sha256_equal(&other, log_id)) {
            continue;
        }
        *known = ++num >= EVIDENCE_INCIDENTS_MAX ||
                 has_identity(store, entry->d_name, id);
    }
    (void)closedir(dir);
    return true;
}

// ---------------------------------------------------------------- JSON

static void append_key(struct buffer *out, const char *key)
{
    buffer_printf(out, ",\n \"%s\": ", key);
}

static void append_text(struct buffer *out, const char *key, const char *text)
{
    append_key(out, key);
    json_append_string(out, bytes_from_text(text_or_none(text)));
}

static void append_base64(struct buffer *out, struct bytes bytes)
{
    buffer_append_byte(out, '"');
    text_append_base64(out, bytes);
    buffer_append_byte(out, '"');
}

static void append_hashes(struct buffer *out, const struct sha256_hash *nodes,
                          size_t num_nodes)
{
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < num_nodes; i++) {
        if (i > 0) buffer_append_text(out, ", ");
        append_base64(out, sha256_bytes(&nodes[i]));
    }
    buffer_append_byte(out, ']');
}

static void append_frontier(struct buffer *out, const char *key,
                            const struct merkle_frontier *frontier)
{
    if (frontier == NULL) return;
    append_key(out, key);
    buffer_printf(out, "{\"size\": %" PRIu64 ", \"nodes\": ", frontier->size);
    append_hashes(out, frontier->nodes,
                  (size_t)__builtin_popcountll(frontier->size));
    buffer_append_byte(out, '}');
}

// A head that does not hold is kept as it came and not described.
static void append_heads(struct buffer *out, const struct evidence *evidence)
{
    char time[TEXT_TIME_LEN_MAX];

    append_key(out, "heads");
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < evidence->num_heads; i++) {
        const struct head *head = &evidence->heads[i];

        buffer_printf(out, "%s{\"kind\": \"%s\"", i > 0 ? ",\n  " : "",
                      evidence_head_word(head->kind));
        if (evidence->kind != EVIDENCE_HEAD) {
            buffer_printf(out,
                          ", \"tree_size\": %" PRIu64
                          ", \"timestamp\": \"%s\", \"root_hash\": ",
                          head->size,
                          text_time_utc_ms(time, head->timestamp_ms));
            append_base64(out, sha256_bytes(&head->root));
        }
        buffer_append_text(out, ", \"served\": ");
        append_base64(out, head->served);
        buffer_append_byte(out, '}');
    }
    buffer_append_byte(out, ']');
}

static void append_proof(struct buffer *out, const struct evidence *evidence)
{
    if (evidence->first != 0 || evidence->end != 0) {
        append_key(out, "range");
        buffer_printf(out, "[%" PRIu64 ", %" PRIu64 "]", evidence->first,
                      evidence->end);
    }
    if (evidence->num_nodes > 0) {
        append_key(out, "level");
        buffer_printf(out, "%u", evidence->level);
    }
    append_frontier(out, "left", evidence->left);
    append_frontier(out, "demanded", evidence->demanded);
    if (evidence->right != NULL) {
        append_key(out, "right");
        append_hashes(out, evidence->right->nodes, evidence->right->num_nodes);
    }
    if (evidence->has_final) {
        append_key(out, "final_tree_head");
        buffer_printf(out,
                      "{\"tree_size\": %" PRIu64 ", \"sha256_root_hash\": ",
                      evidence->final_size);
        append_base64(out, sha256_bytes(&evidence->final_root));
        buffer_append_byte(out, '}');
    }
}

static void append_incident(struct buffer *out, const struct evidence *evidence,
                            const struct sha256_hash *log_id, struct bytes id)
{
    char time[TEXT_TIME_LEN_MAX];

    buffer_append_text(out, "{\"version\": 1");
    append_key(out, "id");
    json_append_string(out, id);
    append_text(out, "kind", evidence_kind_word(evidence->kind));
    append_text(out, "log", evidence->log_name);
    append_key(out, "log_id");
    append_base64(out, sha256_bytes(log_id));
    append_key(out, "key");
    append_base64(out, evidence->key_der);
    append_text(out, "origin", evidence->origin);
    append_text(out, "time", text_time_utc_ms(time, evidence->time_ms));
    append_text(out, "expected", evidence->expected);
    append_text(out, "computed", evidence->computed);
    append_heads(out, evidence);
    append_proof(out, evidence);
    buffer_append_text(out, "}\n");
}

// ---------------------------------------------------------------- files

// A file on its way to the disk; the first failure is kept in errno.
struct output {
    FILE *file;
    bool failed;
};

static void output_open(struct output *output, int folder, const char *name)
{
    int fd =
        openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);

    output->file = fd < 0 ? NULL : fdopen(fd, "wb");
    output->failed = output->file == NULL;
    if (fd >= 0 && output->file == NULL) (void)close(fd);
}

static void output_write(struct output *output, struct bytes bytes)
{
    if (output->failed || bytes.len == 0) return;
    output->failed =
        fwrite(bytes.data, 1, bytes.len, output->file) != bytes.len;
}

static bool output_close(struct output *output)
{
    int error;

    if (output->file == NULL) return false;
    if (!output->failed) {
        output->failed =
            fflush(output->file) != 0 || fsync(fileno(output->file)) != 0;
    }
    error = errno;
    if (fclose(output->file) != 0 && !output->failed) {
        output->failed = true;
        error = errno;
    }
    errno = error;
    return !output->failed;
}

static bool write_file(int folder, const char *name, struct bytes bytes)
{
    struct output output;

    output_open(&output, folder, name);
    output_write(&output, bytes);
    return output_close(&output);
}

static bool write_leaves(int folder, const struct evidence *evidence)
{
    struct output output;

    output_open(&output, folder, EVIDENCE_LEAVES);
    for (size_t i = 0; i < evidence->num_leaves; i++) {
        uint8_t len[4];

        bytes_put_uint(len, evidence->leaves[i].len, sizeof len);
        output_write(&output, bytes_of(len, sizeof len));
        output_write(&output, evidence->leaves[i]);
    }
    return output_close(&output);
}

// The caller's names become names of files: no folders, nothing hidden, and
// none that is ours.
static void make_file_name(char *out, size_t size, const char *name,
                           size_t position)
{
    size_t len = (size_t)snprintf(out, size, "%zu-", position + 1);

    for (; *name != '\0' && len + 1 < size; name++) {
        bool plain =
            (*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
            (*name >= '0' && *name <= '9') || *name == '.' || *name == '-';

        out[len++] = plain ? *name : '_';
    }
    out[len] = '\0';
}

static bool write_files(int folder, const struct evidence *evidence,
                        struct bytes incident)
{
    char name[128];

    if (!write_file(folder, EVIDENCE_INCIDENT, incident)) return false;
    if (evidence->num_leaves > 0 && !write_leaves(folder, evidence)) {
        return false;
    }
    if (evidence->num_nodes > 0 &&
        !write_file(
            folder, EVIDENCE_NODES,
            bytes_of(evidence->nodes, evidence->num_nodes * SHA256_LEN))) {
        return false;
    }
    for (size_t i = 0; i < evidence->num_files; i++) {
        make_file_name(name, sizeof name, evidence->files[i].name, i);
        if (!write_file(folder, name, evidence->files[i].bytes)) return false;
    }
    return fsync(folder) == 0;
}

static uint64_t size_of(const struct evidence *evidence, struct bytes incident)
{
    uint64_t size = incident.len + evidence->num_nodes * SHA256_LEN;

    for (size_t i = 0; i < evidence->num_leaves; i++) {
        size += evidence->leaves[i].len + 4;
    }
    for (size_t i = 0; i < evidence->num_files; i++) {
        size += evidence->files[i].bytes.len;
    }
    return size;
}

// ---------------------------------------------------------------- folders

static void remove_folder(int store, const char *name)
{
    int fd = openat(store, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (dir == NULL) {
        if (fd >= 0) (void)close(fd);
        return;
    }
    while ((entry = readdir(dir)) != NULL) {
        (void)unlinkat(dirfd(dir), entry->d_name, 0); // of "." it fails
    }
    (void)closedir(dir);
    (void)unlinkat(store, name, AT_REMOVEDIR);
}

// Removes what a writer that was killed left behind.
static void remove_leftovers(int store)
{
    DIR *dir = evidence_open_dir(store);
    struct dirent *entry;

    if (dir == NULL) return;
    while ((entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, tmp_prefix, sizeof tmp_prefix - 1) == 0) {
            remove_folder(store, entry->d_name);
        }
    }
    (void)closedir(dir);
}

static bool sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0) (void)close(fd);
    return ok;
}

// Opens INDEX/evidence, and makes it durably where it is missing.
static int open_store(const char *dir)
{
    char path[4096];

    if ((size_t)snprintf(path, sizeof path, "%s/%s", dir, EVIDENCE_FOLDER) >=
        sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (mkdir(path, 0777) == 0) {
        if (!sync_folder(dir)) return -1;
    } else if (errno != EEXIST) {
        return -1;
    }
    return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

// LOG_ID_HEX-20261124T101445.123Z-KIND
static void make_folder_name(struct buffer *out,
                             const struct evidence *evidence,
                             const struct sha256_hash *log_id, uint64_t time_ms)
{
    char time[TEXT_TIME_LEN_MAX];

    buffer_reset(out);
    text_append_hex(out, sha256_bytes(log_id));
    buffer_append_byte(out, '-');
    (void)text_time_utc_ms(time, time_ms);
    for (const char *c = time; *c != '\0'; c++) {
        if (*c != '-' && *c != ':') buffer_append_byte(out, (uint8_t)*c);
    }
    buffer_printf(out, "-%s", evidence_kind_word(evidence->kind));
    buffer_append_byte(out, '\0');
}

// Gives the finished folder the first name that is free.
static bool name_folder(int store, const char *tmp,
                        const struct evidence *evidence,
                        const struct sha256_hash *log_id)
{
    struct buffer name = {0};
    bool ok = false, retry = true;

    for (uint64_t i = 0; retry && i < NAME_TRIES_MAX; i++) {
        make_folder_name(&name, evidence, log_id, evidence->time_ms + i);
        if (!buffer_ok(&name)) {
            errno = ENOMEM;
            break;
        }
        ok = renameat(store, tmp, store, (char *)name.data) == 0;
        retry = !ok && (errno == EEXIST || errno == ENOTEMPTY);
    }
    buffer_cleanup(&name);
    return ok && fsync(store) == 0;
}

static bool write_folder(int store, const struct evidence *evidence,
                         const struct sha256_hash *log_id,
                         struct bytes incident, struct err *err)
{
    char tmp[64];
    int folder;
    bool ok;

    (void)snprintf(tmp, sizeof tmp, "%s-%ld", tmp_prefix, (long)getpid());
    if (mkdirat(store, tmp, 0777) != 0) {
        return disk_error(store, tmp, size_of(evidence, incident), err);
    }
    folder = openat(store, tmp, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = folder >= 0 && write_files(folder, evidence, incident) &&
         name_folder(store, tmp, evidence, log_id);
    if (!ok) {
        int error = errno;

        remove_folder(store, tmp); // first, so that its bytes count as free
        errno = error;
        (void)disk_error(store, "writing an incident",
                         size_of(evidence, incident), err);
    }
    if (folder >= 0) (void)close(folder);
    return ok;
}

static bool write_new(int store, const struct evidence *evidence,
                      struct err *err)
{
    struct sha256_hash log_id = sha256(evidence->key_der);
    struct sha256_hash identity = identify(evidence, &log_id);
    struct buffer id = {0}, incident = {0};
    bool known, ok;

    text_append_hex(&id, sha256_bytes(&identity));
    remove_leftovers(store);
    ok = is_known(store, &log_id, evidence->kind, buffer_bytes(&id), &known,
                  err);
    if (ok && !known) {
        append_incident(&incident, evidence, &log_id, buffer_bytes(&id));
        ok = buffer_ok(&id) && buffer_ok(&incident)
                 ? write_folder(store, evidence, &log_id,
                                buffer_bytes(&incident), err)
                 : err_set(err, ERR_MEMORY, "evidence: no memory");
    }
    buffer_cleanup(&id);
    buffer_cleanup(&incident);
    return ok;
}

bool evidence_write(const char *dir, const struct evidence *evidence,
                    struct err *err)
{
    int store = open_store(dir);
    bool ok;

    assert(evidence->num_heads <= EVIDENCE_HEADS_MAX);
    if (store < 0) {
        return err_set(err, ERR_INDEX, "evidence: %s/%s: %s", dir,
                       EVIDENCE_FOLDER, strerror(errno));
    }
    ok = write_new(store, evidence, err);
    (void)close(store);
    return ok;
}
