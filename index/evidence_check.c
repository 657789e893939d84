// evidence_check.c - reading evidence and proving it again; see evidence.h.

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "index/base/json.h"
#include "index/base/text.h"
#include "index/evidence_store.h"

enum {
    LEAF_LEN_MAX = (1 << 24) + (1 << 16) + 64, // RFC 6962 section 3.4
    NUM_KINDS = EVIDENCE_MISSING + 1,
};

// An incident as its folder tells it.  Nothing in it is believed.
struct incident {
    struct json *json;
    int folder;
    enum evidence_kind kind;
    struct sha256_hash log_id;
    struct buffer key;
    struct buffer log_name, origin, time, expected, computed; // C strings
    enum head_kind head_kinds[EVIDENCE_HEADS_MAX];
    struct buffer served[EVIDENCE_HEADS_MAX];
    size_t num_heads;
    uint64_t first, end;
    unsigned level;
    bool has_left, has_demanded, has_right, has_final;
    struct merkle_frontier left, demanded;
    struct merkle_proof right;
    uint64_t final_size;
    struct sha256_hash final_root;
};

DIR *evidence_open_dir(int store)
{
    int fd = openat(store, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (dir == NULL && fd >= 0) (void)close(fd);
    return dir;
}

const char *evidence_head_word(enum head_kind kind)
{
    return kind == HEAD_CHECKPOINT ? "checkpoint" : "sth";
}

bool evidence_parse_name(const char *name, struct sha256_hash *log_id,
                         enum evidence_kind *kind)
{
    const char *word = strrchr(name, '-');
    size_t hex_len = 2 * SHA256_LEN;

    if (word == NULL || strlen(name) <= hex_len || name[hex_len] != '-' ||
        word <= name + hex_len ||
        !text_parse_hex(log_id->bytes, SHA256_LEN, bytes_of(name, hex_len))) {
        return false;
    }
    for (int i = 0; i < NUM_KINDS; i++) {
        *kind = (enum evidence_kind)i;
        if (strcmp(word + 1, evidence_kind_word(*kind)) == 0) return true;
    }
    return false;
}

// ---------------------------------------------------------------- reading

// Reads a file of at most JSON_DOCUMENT_MAX bytes.
static bool read_whole(int fd, struct buffer *out)
{
    ssize_t got;

    out->max = JSON_DOCUMENT_MAX;
    do {
        if (!buffer_reserve(out, 16384)) return false;
        got = read(fd, out->data + out->len, 16384);
        if (got > 0) out->len += (size_t)got;
    } while (got > 0 || (got < 0 && errno == EINTR));
    return got == 0;
}

bool evidence_read_incident(int store, const char *folder, struct buffer *out,
                            struct err *err)
{
    char path[512];
    int fd;
    bool ok;

    (void)snprintf(path, sizeof path, "%s/%s", folder, EVIDENCE_INCIDENT);
    fd = openat(store, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ok = fd >= 0 && read_whole(fd, out);
    if (!ok) {
        (void)err_set(err, ERR_MALFORMED, "%s: %s", EVIDENCE_INCIDENT,
                      out->failed ? "too long" : strerror(errno));
    }
    if (fd >= 0) (void)close(fd);
    return ok;
}

static bool malformed(const char *member, struct err *err)
{
    return err_set(err, ERR_MALFORMED, "%s: \"%s\" cannot be read",
                   EVIDENCE_INCIDENT, member);
}

// Reads a string that was escaped, and closes it with NUL.
static bool read_text(const struct json *json, const char *name,
                      struct buffer *out, struct err *err)
{
    struct bytes text;

    if (!json_text(json_member(json, name), &text) ||
        !text_unescape(out, text)) {
        return malformed(name, err);
    }
    buffer_append_byte(out, '\0');
    return buffer_ok(out) || err_set(err, ERR_MEMORY, "no memory");
}

static bool read_hash(const struct json *value, struct sha256_hash *out)
{
    struct buffer raw = {0};
    bool ok = json_base64(value, &raw) && raw.len == SHA256_LEN;

    if (ok) memcpy(out->bytes, raw.data, SHA256_LEN);
    buffer_cleanup(&raw);
    return ok;
}

static bool read_hashes(const struct json *array, struct sha256_hash *out,
                        size_t max, size_t *num)
{
    *num = json_size(array);
    if (!json_is_array(array) || *num > max) return false;
    for (size_t i = 0; i < *num; i++) {
        if (!read_hash(json_at(array, i), &out[i])) return false;
    }
    return true;
}

static bool read_frontier(const struct json *json, const char *name,
                          struct merkle_frontier *out, bool *has,
                          struct err *err)
{
    const struct json *value = json_member(json, name);
    size_t num;

    *has = value != NULL;
    if (value == NULL) return true;
    if (!json_uint(json_member(value, "size"), &out->size) ||
        !read_hashes(json_member(value, "nodes"), out->nodes, MERKLE_DEPTH_MAX,
                     &num) ||
        num != (size_t)__builtin_popcountll(out->size)) {
        return malformed(name, err);
    }
    return true;
}

static bool read_heads(struct incident *incident, const struct json *heads,
                       struct err *err)
{
    incident->num_heads = json_size(heads);
    if (!json_is_array(heads) || incident->num_heads > EVIDENCE_HEADS_MAX) {
        return malformed("heads", err);
    }
    for (size_t i = 0; i < incident->num_heads; i++) {
        const struct json *head = json_at(heads, i);
        struct bytes word;

        if (!json_text(json_member(head, "kind"), &word) ||
            !json_base64(json_member(head, "served"), &incident->served[i])) {
            return malformed("heads", err);
        }
        incident->head_kinds[i] =
            bytes_equal_text(word, "checkpoint") ? HEAD_CHECKPOINT : HEAD_STH;
    }
    return true;
}

static bool read_range(struct incident *incident, const struct json *range,
                       struct err *err)
{
    if (range == NULL) return true;
    if (!json_uint(json_at(range, 0), &incident->first) ||
        !json_uint(json_at(range, 1), &incident->end) ||
        incident->first > incident->end) {
        return malformed("range", err);
    }
    return true;
}

static bool read_proof(struct incident *incident, struct err *err)
{
    const struct json *json = incident->json;
    const struct json *right = json_member(json, "right");
    const struct json *final = json_member(json, "final_tree_head");
    uint64_t level = 0;

    if (!read_range(incident, json_member(json, "range"), err) ||
        !read_frontier(json, "left", &incident->left, &incident->has_left,
                       err) ||
        !read_frontier(json, "demanded", &incident->demanded,
                       &incident->has_demanded, err)) {
        return false;
    }
    incident->has_right = right != NULL;
    if (right != NULL &&
        !read_hashes(right, incident->right.nodes, MERKLE_PROOF_MAX,
                     &incident->right.num_nodes)) {
        return malformed("right", err);
    }
    if (json_member(json, "level") != NULL &&
        (!json_uint(json_member(json, "level"), &level) ||
         level >= MERKLE_DEPTH_MAX)) {
        return malformed("level", err);
    }
    incident->level = (unsigned)level;
    incident->has_final = final != NULL;
    if (final != NULL &&
        (!json_uint(json_member(final, "tree_size"), &incident->final_size) ||
         !read_hash(json_member(final, "sha256_root_hash"),
                    &incident->final_root))) {
        return malformed("final_tree_head", err);
    }
    return true;
}

// The folder's name says whose log it is and what it did: the key must fit.
static bool read_key(struct incident *incident, struct err *err)
{
    const struct json *json = incident->json;
    struct sha256_hash id;
    struct bytes kind;

    if (!json_base64(json_member(json, "key"), &incident->key)) {
        return malformed("key", err);
    }
    id = sha256(buffer_bytes(&incident->key));
    if (!sha256_equal(&id, &incident->log_id)) {
        return err_set(err, ERR_MALFORMED,
                       "%s: the key is not that of the folder's log id",
                       EVIDENCE_INCIDENT);
    }
    if (!json_text(json_member(json, "kind"), &kind) ||
        !bytes_equal_text(kind, evidence_kind_word(incident->kind))) {
        return err_set(err, ERR_MALFORMED,
                       "%s: the kind is not that of the folder's name",
                       EVIDENCE_INCIDENT);
    }
    return true;
}

static bool load(struct incident *incident, int store, const char *folder,
                 struct err *err)
{
    struct buffer text = {0};
    bool ok;

    incident->folder =
        openat(store, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = evidence_read_incident(store, folder, &text, err) &&
         json_parse(&incident->json, buffer_bytes(&text), err);
    buffer_cleanup(&text);
    return ok && read_key(incident, err) &&
           read_text(incident->json, "log", &incident->log_name, err) &&
           read_text(incident->json, "origin", &incident->origin, err) &&
           read_text(incident->json, "time", &incident->time, err) &&
           read_text(incident->json, "expected", &incident->expected, err) &&
           read_text(incident->json, "computed", &incident->computed, err) &&
           read_heads(incident, json_member(incident->json, "heads"), err) &&
           read_proof(incident, err);
}

static void unload(struct incident *incident)
{
    json_free(incident->json);
    if (incident->folder >= 0) (void)close(incident->folder);
    buffer_cleanup(&incident->key);
    buffer_cleanup(&incident->log_name);
    buffer_cleanup(&incident->origin);
    buffer_cleanup(&incident->time);
    buffer_cleanup(&incident->expected);
    buffer_cleanup(&incident->computed);
    for (size_t i = 0; i < EVIDENCE_HEADS_MAX; i++) {
        buffer_cleanup(&incident->served[i]);
    }
}

// ---------------------------------------------------------------- leaves

// Opens a file of hashes or leaves; NULL where there is none.
static FILE *open_kept(const struct incident *incident, const char *name)
{
    int fd = openat(incident->folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "rb");

    if (file == NULL && fd >= 0) (void)close(fd);
    return file;
}

static bool append_leaves(FILE *file, struct merkle_frontier *frontier)
{
    struct buffer leaf = {.max = LEAF_LEN_MAX};
    uint8_t wire[4];
    size_t got;
    bool ok = true;

    while (ok && (got = fread(wire, 1, sizeof wire, file)) > 0) {
        struct bytes view = bytes_of(wire, got);
        struct sha256_hash hash;
        uint64_t len = 0;

        buffer_reset(&leaf);
        ok = bytes_read_uint(&view, &len, 4) && len <= LEAF_LEN_MAX &&
             buffer_reserve(&leaf, (size_t)len) &&
             fread(leaf.data, 1, (size_t)len, file) == len;
        if (!ok) break;
        hash = merkle_leaf_hash(bytes_of(leaf.data, (size_t)len));
        merkle_append(frontier, &hash);
    }
    buffer_cleanup(&leaf);
    return ok && !ferror(file);
}

static bool append_nodes(FILE *file, struct merkle_frontier *frontier,
                         unsigned level)
{
    struct sha256_hash node;
    size_t got;

    while ((got = fread(node.bytes, 1, SHA256_LEN, file)) > 0) {
        if (got != SHA256_LEN ||
            !merkle_append_subtree(frontier, &node, level)) {
            return false;
        }
    }
    return !ferror(file);
}

// Appends what was kept of the range to `frontier`.
static bool append_kept(const struct incident *incident,
                        struct merkle_frontier *frontier, struct err *why)
{
    FILE *leaves = open_kept(incident, EVIDENCE_LEAVES);
    FILE *nodes = open_kept(incident, EVIDENCE_NODES);
    bool ok = true;

    if (leaves != NULL) {
        ok = append_leaves(leaves, frontier);
    } else if (nodes != NULL) {
        ok = append_nodes(nodes, frontier, incident->level);
    }
    if (leaves != NULL) (void)fclose(leaves);
    if (nodes != NULL) (void)fclose(nodes);
    return ok || err_set(why, ERR_VERIFY, "what was kept cannot be read");
}

// ---------------------------------------------------------------- proving
//
// Each says true with a sentence in `why` when the incident is proven, false
// with a sentence when not.

static bool parse_head(const struct incident *incident, size_t position,
                       const char *origin, const struct log_key *key,
                       struct head *head, struct err *why)
{
    struct bytes served;

    if (position >= incident->num_heads) {
        return err_set(why, ERR_MALFORMED, "there is no head %zu", position);
    }
    served = buffer_bytes(&incident->served[position]);
    if (incident->head_kinds[position] == HEAD_STH) {
        return head_parse_sth(head, served, key, why);
    }
    return head_parse_checkpoint(head, served, origin, key, why);
}

// Parses a head that the proof stands on.  The key has signed it, and the log
// may have had another origin then.
static bool need_head(const struct incident *incident, size_t position,
                      const struct log_key *key, struct head *head,
                      struct err *why)
{
    return parse_head(incident, position, NULL, key, head, why) ||
           err_wrap(why, "head %zu is not signed", position);
}

static bool proven(struct err *why, const char *format, ...) PRINTF_LIKE(2, 3);

static bool proven(struct err *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(why->text, sizeof why->text, format, args);
    va_end(args);
    why->code = ERR_NONE;
    return true;
}

static bool prove_head(const struct incident *incident,
                       const struct log_key *key, struct err *why)
{
    struct head head;

    if (parse_head(incident, 0, (const char *)incident->origin.data, key, &head,
                   why)) {
        return err_set(why, ERR_VERIFY,
                       "the head holds under the key and the origin");
    }
    return why->code == ERR_VERIFY;
}

// The tree of the larger head, up to the size of the smaller, is given by
// `left`; or by what was served between the two.
static bool prove_inconsistent(const struct incident *incident,
                               const struct head *small,
                               const struct head *large, struct err *why)
{
    struct merkle_frontier frontier = incident->left;
    struct sha256_hash at_small, root;
    bool leads;

    if (!incident->has_left || frontier.size != small->size) {
        return err_set(why, ERR_VERIFY, "nothing kept joins the two heads");
    }
    at_small = merkle_root(&frontier);
    if (!sha256_equal(&at_small, &small->root)) {
        leads =
            merkle_span_root(&frontier, &incident->right, large->size, &root) &&
            sha256_equal(&root, &large->root);
        if (leads) {
            return proven(why,
                          "the tree of the head of %" PRIu64
                          " had another root at %" PRIu64
                          " than the head of that size",
                          large->size, small->size);
        }
        return err_set(why, ERR_VERIFY,
                       "the nodes kept lead to neither of the two heads");
    }
    if (!append_kept(incident, &frontier, why)) return false;
    if (frontier.size == small->size ||
        !merkle_span_root(&frontier, &incident->right, large->size, &root)) {
        return err_set(why, ERR_VERIFY, "nothing kept joins the two heads");
    }
    if (sha256_equal(&root, &large->root)) {
        return err_set(why, ERR_VERIFY, "the two heads are consistent");
    }
    return proven(why,
                  "what was served from %" PRIu64 " to %" PRIu64
                  " does not lead from the head of %" PRIu64
                  " to the head of %" PRIu64,
                  small->size, frontier.size, small->size, large->size);
}

static bool prove_fork(const struct incident *incident,
                       const struct log_key *key, struct err *why)
{
    struct head accepted, other;

    if (!need_head(incident, 0, key, &accepted, why) ||
        !need_head(incident, 1, key, &other, why)) {
        return false;
    }
    if (accepted.size < other.size) {
        return prove_inconsistent(incident, &accepted, &other, why);
    }
    if (accepted.size > other.size) {
        return prove_inconsistent(incident, &other, &accepted, why);
    }
    if (sha256_equal(&accepted.root, &other.root)) {
        return err_set(why, ERR_VERIFY, "the two heads agree");
    }
    return proven(why, "two heads of %" PRIu64 " entries have different roots",
                  accepted.size);
}

static bool prove_range(const struct incident *incident,
                        const struct log_key *key, struct err *why)
{
    struct merkle_frontier frontier = incident->left;
    struct sha256_hash root, wanted;
    struct head head;

    if (!need_head(incident, 0, key, &head, why)) return false;
    if (frontier.size != incident->first) {
        return err_set(why, ERR_VERIFY,
                       "the frontier kept is not that of the range");
    }
    if (!append_kept(incident, &frontier, why)) return false;
    if (frontier.size != incident->end || frontier.size == 0) {
        return err_set(why, ERR_VERIFY, "what was kept is not the range");
    }
    if (incident->has_demanded) {
        if (incident->demanded.size != frontier.size ||
            !merkle_span_root(&incident->demanded, &incident->right, head.size,
                              &wanted) ||
            !sha256_equal(&wanted, &head.root)) {
            return err_set(why, ERR_VERIFY,
                           "what is said to be demanded does not lead to the "
                           "head");
        }
        root = merkle_root(&frontier);
        wanted = merkle_root(&incident->demanded);
    } else {
        wanted = head.root;
        if (!merkle_span_root(&frontier, &incident->right, head.size, &root)) {
            return err_set(why, ERR_VERIFY,
                           "the nodes kept are not those between the range "
                           "and the head");
        }
    }
    if (sha256_equal(&root, &wanted)) {
        return err_set(why, ERR_VERIFY, "what was kept is what was signed");
    }
    return proven(why,
                  "what was served for %" PRIu64 "..%" PRIu64
                  " is not what the head of %" PRIu64 " signs",
                  incident->first, incident->end, head.size);
}

static bool prove_final(const struct incident *incident,
                        const struct log_key *key, struct err *why)
{
    struct head head;

    if (!need_head(incident, 0, key, &head, why)) return false;
    if (!incident->has_final) {
        return err_set(why, ERR_VERIFY, "there is no final_tree_head");
    }
    if (head.size > incident->final_size) {
        return proven(why,
                      "a head of %" PRIu64 " entries, final_tree_head has "
                      "%" PRIu64,
                      head.size, incident->final_size);
    }
    if (head.size == incident->final_size &&
        !sha256_equal(&head.root, &incident->final_root)) {
        return proven(why, "another root than final_tree_head at %" PRIu64,
                      head.size);
    }
    return err_set(why, ERR_VERIFY, "the head agrees with final_tree_head");
}

static bool prove_missing(const struct incident *incident,
                          const struct log_key *key, struct err *why)
{
    struct head head;

    if (!need_head(incident, 0, key, &head, why)) return false;
    if (incident->first >= incident->end || incident->end > head.size) {
        return err_set(why, ERR_VERIFY,
                       "the head of %" PRIu64 " entries does not cover the "
                       "range",
                       head.size);
    }
    return proven(why,
                  "the head of %" PRIu64 " covers %" PRIu64 "..%" PRIu64
                  "; that it was not served is this program's word",
                  head.size, incident->first, incident->end);
}

static bool prove(const struct incident *incident, struct err *why)
{
    typedef bool prover(const struct incident *, const struct log_key *,
                        struct err *);
    static prover *const provers[NUM_KINDS] = {
        [EVIDENCE_HEAD] = prove_head,     [EVIDENCE_FORK] = prove_fork,
        [EVIDENCE_ENTRIES] = prove_range, [EVIDENCE_TILES] = prove_range,
        [EVIDENCE_FINAL] = prove_final,   [EVIDENCE_MISSING] = prove_missing,
    };
    struct log_key *key = NULL;
    bool ok = log_key_new(&key, buffer_bytes(&incident->key), why) &&
              provers[incident->kind](incident, key, why);

    log_key_free(key);
    return ok;
}

// ---------------------------------------------------------------- walking

static bool visit_one(int store, const char *folder, bool check,
                      evidence_visit *visit, void *context, struct err *err)
{
    struct evidence_info info = {.folder = folder, .sentence = ""};
    struct incident incident = {.folder = -1};
    struct err why = {0};
    bool ok;

    if (!evidence_parse_name(folder, &incident.log_id, &incident.kind)) {
        return true; // none of ours
    }
    info.kind = incident.kind;
    info.log_id = incident.log_id;
    info.readable = load(&incident, store, folder, &why);
    if (info.readable) {
        info.log_name = (const char *)incident.log_name.data;
        info.time = (const char *)incident.time.data;
        info.expected = (const char *)incident.expected.data;
        info.computed = (const char *)incident.computed.data;
        info.first = incident.first;
        info.end = incident.end;
        if (check) info.proven = prove(&incident, &why);
    }
    info.sentence = why.text;
    ok = visit(context, &info, err);
    unload(&incident);
    return ok;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool walk(const char *dir, bool check, evidence_visit *visit,
                 void *context, struct err *err)
{
    struct dirent **names = NULL;
    char path[4096];
    int num, store;
    bool ok = true;

    (void)snprintf(path, sizeof path, "%s/%s", dir, EVIDENCE_FOLDER);
    store = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store < 0 && errno == ENOENT) return true;
    num = store < 0 ? -1 : scandirat(store, ".", &names, NULL, compare_names);
    if (num < 0) {
        ok = err_set(err, ERR_INDEX, "%s: %s", path, strerror(errno));
    }
    for (int i = 0; i < num; i++) {
        ok = ok &&
             visit_one(store, names[i]->d_name, check, visit, context, err);
        free(names[i]);
    }
    free(names);
    if (store >= 0) (void)close(store);
    return ok;
}

bool evidence_list(const char *dir, evidence_visit *visit, void *context,
                   struct err *err)
{
    return walk(dir, false, visit, context, err);
}

bool evidence_check(const char *dir, evidence_visit *visit, void *context,
                    struct err *err)
{
    return walk(dir, true, visit, context, err);
}
