// understood.c - see understood.h.

#include "tests/support/understood.h"

#include "tests/support/check.h"

bool understood_has(const struct entry *entry, enum term_kind kind,
                    const char *text, uint32_t via)
{
    for (size_t i = 0; i < entry->names.num_terms; i++) {
        const struct term *term = &entry->names.terms[i];

        if (term->kind == kind && bytes_equal_text(term->value, text) &&
            (term->via & via) == via) {
            return true;
        }
    }
    return false;
}

static bool same_hash(bool has_a, const struct sha256_hash *a, bool has_b,
                      const struct sha256_hash *b)
{
    return has_a == has_b && (!has_a || sha256_equal(a, b));
}

static bool same_terms(const struct term_list *a, const struct term_list *b)
{
    bool same = a->num_terms == b->num_terms;

    for (size_t i = 0; same && i < a->num_terms; i++) {
        same = a->terms[i].kind == b->terms[i].kind &&
               a->terms[i].via == b->terms[i].via &&
               bytes_equal(a->terms[i].value, b->terms[i].value);
    }
    return same;
}

// Beside others, some of whose hashes are known already.
static void check_hashes(const struct entry *whole, struct arena *arena)
{
    static const unsigned parts[] = {
        ENTRY_CERTIFICATE_SHA256 | ENTRY_TBS_SHA256 | ENTRY_NAMES,
        ENTRY_LEAF_HASH | ENTRY_SPKI_SHA256, ENTRY_ALL};
    struct entry list[3], *entries[] = {&list[0], &list[1], &list[2]};

    for (size_t i = 0; i < COUNT_OF(list); i++) {
        assert_true(entry_understand_parts(&list[i], &whole->bytes, 0, arena));
    }
    for (int i = 0; i < 2; i++) {
        entry_hash_many(entries, parts, COUNT_OF(list));
    }
    assert_int_equal(list[0].parts, parts[0] & ~(unsigned)ENTRY_NAMES);
    assert_int_equal(list[1].parts, parts[1]);
    assert_int_equal(list[2].parts, ENTRY_ALL & ~(unsigned)ENTRY_NAMES);
    for (size_t i = 0; i < COUNT_OF(list); i += 2) {
        assert_true(same_hash(
            list[i].has_certificate_sha256, &list[i].certificate_sha256,
            whole->has_certificate_sha256, &whole->certificate_sha256));
        assert_true(same_hash(list[i].has_tbs_sha256, &list[i].tbs_sha256,
                              whole->has_tbs_sha256, &whole->tbs_sha256));
    }
    for (size_t i = 1; i < COUNT_OF(list); i++) {
        assert_true(sha256_equal(&list[i].leaf_hash, &whole->leaf_hash));
        assert_true(same_hash(list[i].has_spki_sha256, &list[i].spki_sha256,
                              whole->has_spki_sha256, &whole->spki_sha256));
    }
}

void understood_check(const struct entry *whole, struct arena *arena)
{
    struct entry entry;

    assert_true(entry_understand_parts(&entry, &whole->bytes, 0, arena));
    assert_false(entry.has_certificate_sha256 || entry.has_tbs_sha256 ||
                 entry.has_spki_sha256 || entry.names.num_terms > 0);
    for (unsigned part = ENTRY_NAMES; part != 0; part >>= 1) {
        assert_true(entry_understand_more(&entry, part, arena));
    }
    assert_int_equal(entry.parts, ENTRY_ALL);
    assert_int_equal(entry.flags, whole->flags);
    assert_string_equal(entry.reason, whole->reason);
    assert_true(sha256_equal(&entry.leaf_hash, &whole->leaf_hash));
    assert_true(
        same_hash(entry.has_certificate_sha256, &entry.certificate_sha256,
                  whole->has_certificate_sha256, &whole->certificate_sha256));
    assert_true(same_hash(entry.has_tbs_sha256, &entry.tbs_sha256,
                          whole->has_tbs_sha256, &whole->tbs_sha256));
    assert_true(same_hash(entry.has_spki_sha256, &entry.spki_sha256,
                          whole->has_spki_sha256, &whole->spki_sha256));
    assert_true(same_terms(&entry.names, &whole->names));
    check_hashes(whole, arena);
}
