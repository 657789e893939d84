// sieve.c - see sieve.h.

#include "query/sieve.h"

#include <stdlib.h>

#include "index/base/text.h"
#include "query/name_text.h"

bool sieve_asks_for_key(const struct filters *filters)
{
    return filters->issuer_keys.num > 0 || filters->not_issuer_keys.num > 0;
}

// A log is named as shown, or by its id in base64 or hex.
static bool is_log(const struct index_log *log, struct bytes text)
{
    struct buffer id = {0};
    uint8_t hex[SHA256_LEN];
    bool same;

    if (bytes_equal_text(text, log->name)) return true;
    if (text_parse_hex(hex, sizeof hex, text)) {
        return memcmp(hex, log->id.bytes, sizeof hex) == 0;
    }
    same = text_parse_base64(&id, text) &&
           bytes_equal(buffer_bytes(&id), sha256_bytes(&log->id));
    buffer_cleanup(&id);
    return same;
}

static bool add_logs(struct sieve *sieve, struct bytes text,
                     const struct snapshot *snapshot, struct err *err)
{
    char quoted[128];
    bool found = false;

    for (size_t i = 0; i < snapshot_num_logs(snapshot); i++) {
        const struct index_log *log = snapshot_log(snapshot, i);

        if (!is_log(log, text)) continue;
        sieve->logs[sieve->num_logs++] = log->number;
        found = true;
    }
    if (found) return true;
    return err_set(err, ERR_USAGE, "%slog: the index has no log '%s'",
                   sieve->filters->as_options ? "--" : "",
                   text_escape(quoted, sizeof quoted, text));
}

bool sieve_init(struct sieve *sieve, const struct filters *filters,
                const struct snapshot *snapshot, uint64_t now_ms,
                struct err *err)
{
    size_t num_logs = snapshot_num_logs(snapshot);

    sieve->filters = filters;
    sieve->now_ms = now_ms;
    if (filters->logs.num == 0) return true;
    sieve->logs = calloc(filters->logs.num * num_logs + 1, sizeof *sieve->logs);
    if (sieve->logs == NULL) {
        return err_set(err, ERR_MEMORY, "log: no memory left for it");
    }
    for (size_t i = 0; i < filters->logs.num; i++) {
        if (!add_logs(sieve, filters->logs.texts[i], snapshot, err)) {
            return false;
        }
    }
    return true;
}

void sieve_reset(struct sieve *sieve)
{
    free(sieve->logs);
    sieve->logs = NULL;
    sieve->num_logs = 0;
    arena_reset(&sieve->scratch);
}

void sieve_cleanup(struct sieve *sieve)
{
    free(sieve->logs);
    arena_cleanup(&sieve->scratch);
    *sieve = (struct sieve){0};
}

// Dates are those of the TBSCertificate, the same for all members.
static bool dates_pass(const struct sieve *sieve,
                       const struct entry_facts *facts)
{
    const struct filters *filters = sieve->filters;
    int64_t now = (int64_t)(sieve->now_ms / 1000);

    if (facts->not_before != CERT_TIME_UNREADABLE) {
        if (filters->has_since && facts->not_before < filters->since) {
            return false;
        }
        if (filters->has_until && facts->not_before > filters->until) {
            return false;
        }
        if (filters->has_valid_at && facts->not_before > filters->valid_at) {
            return false;
        }
    }
    if (facts->not_after != CERT_TIME_UNREADABLE) {
        if (filters->has_valid_at && facts->not_after < filters->valid_at) {
            return false;
        }
        if (filters->unexpired && facts->not_after < now) return false;
    }
    return true;
}

static bool log_passes(const struct sieve *sieve, uint32_t log)
{
    for (size_t i = 0; i < sieve->num_logs; i++) {
        if (sieve->logs[i] == log) return true;
    }
    return sieve->filters->logs.num == 0;
}

static bool sighting_passes(const struct sieve *sieve,
                            const struct entry_facts *facts)
{
    const struct filters *filters = sieve->filters;

    if (!log_passes(sieve, facts->log)) return false;
    // Of a leaf that cannot be read neither type nor timestamp is known.
    if (facts->type == LEAF_UNKNOWN) return true;
    if (filters->type == TYPE_PRECERT && facts->type != LEAF_PRECERT) {
        return false;
    }
    if (filters->type == TYPE_FINAL && facts->type != LEAF_X509) return false;
    return !filters->has_seen_since || filters->seen_since < 0 ||
           facts->timestamp_ms / 1000 >= (uint64_t)filters->seen_since;
}

static uint8_t lower(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c;
}

static bool starts_with(struct bytes text, struct bytes what)
{
    if (text.len < what.len) return false;
    for (size_t i = 0; i < what.len; i++) {
        if (lower(text.data[i]) != lower(what.data[i])) return false;
    }
    return true;
}

// `=TEXT` is the whole name, anything else a part of it; case is ignored.
static bool name_matches(struct bytes name, struct bytes wanted)
{
    if (wanted.data[0] == '=') {
        (void)bytes_skip(&wanted, 1);
        return name.len == wanted.len && starts_with(name, wanted);
    }
    for (; name.len >= wanted.len; (void)bytes_skip(&name, 1)) {
        if (starts_with(name, wanted)) return true;
        if (name.len == 0) break;
    }
    return false;
}

static bool any_matches(struct bytes name, const struct text_list *list)
{
    for (size_t i = 0; i < list->num; i++) {
        if (name_matches(name, list->texts[i])) return true;
    }
    return false;
}

// The issuer's name as it is shown.
static bool issuer_passes(const struct filters *filters,
                          const struct entry *entry, bool *passes,
                          struct err *err)
{
    struct buffer shown = {0};
    bool ok;

    *passes = true;
    if (entry->cert.issuer.len == 0) return true;
    name_text_append(&shown, entry->cert.issuer);
    ok = buffer_ok(&shown);
    if (filters->issuers.num > 0 &&
        !any_matches(buffer_bytes(&shown), &filters->issuers)) {
        *passes = false;
    }
    if (any_matches(buffer_bytes(&shown), &filters->not_issuers)) {
        *passes = false;
    }
    buffer_cleanup(&shown);
    return ok ||
           err_set(err, ERR_MEMORY, "issuer: no memory left for its name");
}

static bool has_hash(const struct hash_list *list,
                     const struct sha256_hash *hash)
{
    for (size_t i = 0; i < list->num; i++) {
        if (sha256_equal(&list->hashes[i], hash)) return true;
    }
    return false;
}

// Excludes only by a key that one of the members proves; a precertificate does
// so without a signature to verify, so they are asked first.
static bool key_passes(struct sieve *sieve, const struct group *group,
                       struct shelf *shelf, bool *passes, struct err *err)
{
    static const enum leaf_type order[] = {LEAF_PRECERT, LEAF_X509};

    *passes = true;
    for (size_t i = 0; i < 2 * group->num_members; i++) {
        const struct group_member *member =
            &group->members[i % group->num_members];
        const struct entry *entry;
        struct sha256_hash key;
        enum issuer_proof proof;
        bool has_bytes, has_key;

        if (member->facts.type != order[i / group->num_members]) continue;
        arena_reset(&sieve->scratch);
        if (!shelf_entry(shelf, member->id, 0, &entry, &has_bytes,
                         &sieve->scratch, err) ||
            !group_prove_issuer(shelf->snapshot, entry, has_bytes, &proof,
                                &has_key, &key, err)) {
            return false;
        }
        if (proof != ISSUER_PROVEN) continue;
        *passes = (sieve->filters->issuer_keys.num == 0 ||
                   has_hash(&sieve->filters->issuer_keys, &key)) &&
                  !has_hash(&sieve->filters->not_issuer_keys, &key);
        return true;
    }
    return true;
}

bool sieve_passes(struct sieve *sieve, const struct group *group,
                  struct shelf *shelf, bool *passes, struct err *err)
{
    const struct filters *filters = sieve->filters;
    bool any = false, has_bytes;

    *passes = false;
    if (!dates_pass(sieve, &group->members[0].facts)) return true;
    for (size_t i = 0; i < group->num_members && !any; i++) {
        any = sighting_passes(sieve, &group->members[i].facts);
    }
    if (!any) return true;
    *passes = true;
    if (filters->issuers.num > 0 || filters->not_issuers.num > 0) {
        const struct entry *entry;

        arena_reset(&sieve->scratch);
        if (!shelf_entry(shelf, group->members[0].id, 0, &entry, &has_bytes,
                         &sieve->scratch, err) ||
            !issuer_passes(filters, entry, passes, err)) {
            return false;
        }
    }
    if (!*passes || !sieve_asks_for_key(filters)) return true;
    return key_passes(sieve, group, shelf, passes, err);
}
