// group.c - see group.h.

#include "query/group.h"

#include "index/store/keys.h"

static bool no_memory(struct err *err)
{
    return err_set(err, ERR_MEMORY, "an answer: no memory left for it");
}

// Facts of an index may lack the group's hash: every member gets it.
static bool add_member(struct group *group, size_t *room, uint64_t id,
                       const struct entry_facts *facts,
                       const struct sha256_hash *hash, struct arena *arena,
                       struct err *err)
{
    if (group->num_members == *room) {
        size_t more = *room == 0 ? 8 : 2 * *room;
        struct group_member *members =
            arena_zalloc(arena, more, sizeof *members);

        if (members == NULL) return no_memory(err);
        if (*room > 0) {
            memcpy(members, group->members, *room * sizeof *members);
        }
        group->members = members;
        *room = more;
    }
    group->members[group->num_members++] =
        (struct group_member){.id = id, .facts = *facts};
    group->members[group->num_members - 1].facts.group = *hash;
    return true;
}

// Walks everything that bears the group's `hash`; entry `id` is always in it.
static bool find_members(struct group *group, struct cursor *cursor,
                         struct snapshot *snapshot, uint64_t id,
                         const struct entry_facts *facts,
                         const struct sha256_hash *hash, uint64_t end_id,
                         struct arena *arena, struct err *err)
{
    size_t room = 0;
    bool is_in = false;

    for (;;) {
        struct posting posting;
        struct entry_facts other;
        bool found;

        if (!cursor_next(cursor, &posting, &found, err)) return false;
        if (!found || posting.id >= end_id) break;
        if (posting.id == id) {
            other = *facts;
        } else if (!snapshot_facts(snapshot, posting.id, &other, err)) {
            return false;
        }
        if (other.group_mark != facts->group_mark ||
            other.has_tbs != facts->has_tbs) {
            continue;
        }
        if (posting.id == id) is_in = true;
        if (!add_member(group, &room, posting.id, &other, hash, arena, err)) {
            return false;
        }
    }
    // A leaf that cannot be read at all has no key of its own.
    return is_in || add_member(group, &room, id, facts, hash, arena, err);
}

bool group_has_hash(const struct entry_facts *facts)
{
    static const struct sha256_hash none;

    return !sha256_equal(&facts->group, &none);
}

// Facts of an index may lack it; the entry is on the shelf for what follows.
static bool find_hash(struct shelf *shelf, uint64_t id,
                      const struct entry_facts *facts, struct sha256_hash *hash,
                      struct arena *arena, struct err *err)
{
    const struct entry *entry;
    bool has_bytes;

    *hash = facts->group;
    if (group_has_hash(facts)) return true;
    if (!facts->has_tbs) {
        return snapshot_group(shelf->snapshot, id, hash, arena, err);
    }
    if (!shelf_entry(shelf, id, ENTRY_TBS_SHA256, &entry, &has_bytes, arena,
                     err)) {
        return false;
    }
    *hash = entry->tbs_sha256;
    return entry->has_tbs_sha256 ||
           err_set(err, ERR_INDEX,
                   "index damaged: entry %llu is not what its facts say",
                   (unsigned long long)id);
}

static bool find_all(struct group *group, struct shelf *shelf, uint64_t id,
                     const struct entry_facts *facts, uint64_t end_id,
                     struct arena *arena, struct err *err)
{
    struct snapshot *snapshot = shelf->snapshot;
    struct buffer key = {0};
    struct cursor *cursor = NULL;
    struct bytes first, end;
    struct sha256_hash hash;
    bool ok;

    if (!find_hash(shelf, id, facts, &hash, arena, err)) return false;
    keys_append(&key, facts->has_tbs ? TERM_TBS_SHA256 : TERM_CERT_SHA256,
                sha256_bytes(&hash));
    buffer_append_byte(&key, 0x00);
    end = buffer_bytes(&key);
    first = bytes_of(end.data, end.len > 0 ? end.len - 1 : 0);
    ok = buffer_ok(&key) || no_memory(err);
    ok = ok && cursor_open(&cursor, snapshot, first, end, err) &&
         find_members(group, cursor, snapshot, id, facts, &hash, end_id, arena,
                      err);
    cursor_close(cursor);
    buffer_cleanup(&key);
    return ok;
}

static bool issuer_spki(struct snapshot *snapshot,
                        const struct sha256_hash *fingerprint,
                        struct cert *issuer, bool *found, struct err *err)
{
    struct err why = {0};
    struct bytes der;

    *found = false;
    if (!snapshot_issuer(snapshot, fingerprint, &der, &why)) {
        if (why.code == ERR_NOT_FOUND) return true;
        return err_set(err, why.code, "%s", why.text);
    }
    *found = cert_parse(issuer, der, CERT_FORM_CERTIFICATE, NULL) &&
             issuer->spki.len > 0;
    return true;
}

static bool verify_issuer(struct snapshot *snapshot, const struct entry *entry,
                          enum issuer_proof *proof, bool *has_key,
                          struct sha256_hash *key, struct err *err)
{
    struct cert issuer;

    if (!issuer_spki(snapshot, &entry->bytes.chain[0], &issuer, has_key, err)) {
        return false;
    }
    if (!*has_key) return true;
    *key = sha256(issuer.spki);
    *proof = cert_verify_signature(&entry->cert, issuer.spki) ? ISSUER_PROVEN
                                                              : ISSUER_REFUTED;
    return true;
}

static bool find_issuer(struct snapshot *snapshot, const struct entry *entry,
                        bool verify, enum issuer_proof *proof, bool *has_key,
                        struct sha256_hash *key, struct err *err)
{
    *proof = ISSUER_UNPROVEN;
    *has_key = false;
    if (entry->issuer_key_hash.len == SHA256_LEN) {
        *proof = ISSUER_PROVEN;
        *has_key = true;
        memcpy(key->bytes, entry->issuer_key_hash.data, SHA256_LEN);
        return true;
    }
    if (entry->bytes.num_chain == 0) return true;
    if (verify) {
        return verify_issuer(snapshot, entry, proof, has_key, key, err);
    }
    return snapshot_issuer_key(snapshot, &entry->bytes.chain[0], has_key, key,
                               err);
}

bool group_prove_issuer(struct snapshot *snapshot, const struct entry *entry,
                        bool has_bytes, enum issuer_proof *proof, bool *has_key,
                        struct sha256_hash *key, struct err *err)
{
    // Of an index kept as facts the signature is not there to be tried.
    return find_issuer(snapshot, entry, has_bytes, proof, has_key, key, err);
}

bool group_claim_issuer(struct snapshot *snapshot, const struct entry *entry,
                        enum issuer_proof *proof, bool *has_key,
                        struct sha256_hash *key, struct err *err)
{
    return find_issuer(snapshot, entry, false, proof, has_key, key, err);
}

// The issuer key that each member has proven.
struct member_key {
    bool proven;
    struct sha256_hash key;
};

static bool read_key(struct shelf *shelf, uint64_t id, struct member_key *out,
                     struct arena *scratch, struct err *err)
{
    const struct entry *entry;
    enum issuer_proof proof;
    bool has_bytes, has_key;

    arena_reset(scratch);
    if (!shelf_entry(shelf, id, 0, &entry, &has_bytes, scratch, err) ||
        !group_prove_issuer(shelf->snapshot, entry, has_bytes, &proof, &has_key,
                            &out->key, err)) {
        return false;
    }
    out->proven = proof == ISSUER_PROVEN;
    return true;
}

static bool same_key(const struct member_key *a, const struct member_key *b)
{
    return a->proven == b->proven &&
           (!a->proven || sha256_equal(&a->key, &b->key));
}

static bool is_precert(const struct group_member *member)
{
    return member->facts.type == LEAF_PRECERT;
}

// Reads the keys of the precertificates; `*alike` when there is but one.
static bool read_precert_keys(struct group *group, struct shelf *shelf,
                              struct member_key *keys, bool *alike,
                              struct arena *scratch, struct err *err)
{
    const struct member_key *first = NULL;

    *alike = true;
    for (size_t i = 0; i < group->num_members; i++) {
        if (!is_precert(&group->members[i])) continue;
        if (!read_key(shelf, group->members[i].id, &keys[i], scratch, err)) {
            return false;
        }
        if (first == NULL) first = &keys[i];
        if (!same_key(first, &keys[i])) *alike = false;
    }
    return true;
}

// A final certificate whose proven key is none of the precertificates' is with
// those that prove none.
static bool read_final_keys(struct group *group, struct shelf *shelf,
                            struct member_key *keys, struct arena *scratch,
                            struct err *err)
{
    for (size_t i = 0; i < group->num_members; i++) {
        bool known = false;

        if (is_precert(&group->members[i])) continue;
        if (!read_key(shelf, group->members[i].id, &keys[i], scratch, err)) {
            return false;
        }
        for (size_t k = 0; k < group->num_members; k++) {
            if (is_precert(&group->members[k]) &&
                same_key(&keys[k], &keys[i])) {
                known = true;
            }
        }
        keys[i].proven = keys[i].proven && known;
    }
    return true;
}

// Leaves in the group what has the same key as entry `id`.
static bool split(struct group *group, struct shelf *shelf, uint64_t id,
                  struct member_key *keys, struct arena *scratch,
                  struct err *err)
{
    size_t kept = 0, self = 0;
    struct member_key own;
    bool alike;

    if (!read_precert_keys(group, shelf, keys, &alike, scratch, err)) {
        return false;
    }
    if (alike) return true;
    if (!read_final_keys(group, shelf, keys, scratch, err)) return false;
    while (group->members[self].id != id) {
        self++;
    }
    own = keys[self];
    for (size_t i = 0; i < group->num_members; i++) {
        if (same_key(&keys[i], &own)) {
            group->members[kept++] = group->members[i];
        }
    }
    group->num_members = kept;
    group->is_split = true;
    return true;
}

bool group_settle(struct group *group, struct shelf *shelf, uint64_t id,
                  struct arena *arena, struct err *err)
{
    struct arena scratch = {0};
    struct member_key *keys;
    size_t num_precerts = 0;
    bool ok = true;

    for (size_t i = 0; i < group->num_members; i++) {
        if (is_precert(&group->members[i])) num_precerts++;
    }
    if (group->members[0].facts.has_tbs && num_precerts > 1) {
        keys = arena_zalloc(arena, group->num_members, sizeof *keys);
        if (keys == NULL) return no_memory(err);
        ok = split(group, shelf, id, keys, &scratch, err);
        arena_cleanup(&scratch);
    }
    group->id = group->members[0].id;
    return ok;
}

bool group_find(struct group *out, struct shelf *shelf, uint64_t id,
                const struct entry_facts *facts, uint64_t end_id,
                struct arena *arena, struct err *err)
{
    *out = (struct group){0};
    return find_all(out, shelf, id, facts, end_id, arena, err) &&
           group_settle(out, shelf, id, arena, err);
}
