// show.c - see show.h.

#include "query/show.h"

#include <stdlib.h>

#include "index/store/keys.h"
#include "query/gather.h"
#include "query/sieve.h"

// So many entries are read for good before their certificates are compared.
enum { READ_AT_ONCE_MAX = SNAPSHOT_ENTRIES_MAX };

// What show_issuance works with.
struct show {
    struct issuance *out;
    const struct question *question;
    const struct group *group;
    struct shelf *shelf;
    struct snapshot *snapshot; // the shelf's
    uint64_t end_id;
    struct arena *arena;
    struct arena scratch;
    struct cursor *serials; // of the serial number; NULL: not opened
    struct err *err;
};

static bool no_memory(const struct show *show)
{
    return err_set(show->err, ERR_MEMORY, "an issuance: no memory left for it");
}

static bool same_certificate(const struct entry *a, const struct entry *b)
{
    return a->has_certificate_sha256 && b->has_certificate_sha256 &&
           a->leaf.type == b->leaf.type &&
           sha256_equal(&a->certificate_sha256, &b->certificate_sha256);
}

// Finds an entry of the same certificate among those that were read before.
static const struct sighting *find_twin(const struct show *show, size_t num,
                                        const struct entry *entry)
{
    for (size_t i = 0; i < num; i++) {
        const struct sighting *other = &show->out->sightings[i];

        if (same_certificate(other->entry, entry)) return other;
    }
    return NULL;
}

static void note_entry(struct show *show, const struct entry *entry)
{
    struct issuance *out = show->out;
    const struct sha256_hash *issuer = entry->bytes.chain;

    if (entry->bytes.num_chain == 0) return;
    // Mostly it is the same one.
    if (out->num_issuers > 0 &&
        sha256_equal(&out->issuers[out->num_issuers - 1], issuer)) {
        return;
    }
    out->issuers[out->num_issuers++] = *issuer;
}

// Of what is not at hand, and of which many may be, only that is kept which has
// no twin.
static bool find_among_many(struct show *show, size_t position, bool *found)
{
    struct sighting *sighting = &show->out->sightings[position];
    const struct sighting *twin;
    struct entry probe;

    *found = false;
    arena_reset(&show->scratch);
    if (!snapshot_entry(show->snapshot, sighting->id, ENTRY_CERTIFICATE_SHA256,
                        &probe, &sighting->has_bytes, &show->scratch,
                        show->err)) {
        return false;
    }
    twin = find_twin(show, position, &probe);
    if (twin == NULL || twin->has_bytes < sighting->has_bytes) return true;
    *found = true;
    note_entry(show, &probe);
    sighting->entry = twin->entry;
    sighting->has_bytes = twin->has_bytes;
    return true;
}

// The hash of the TBSCertificate, where the group does not know it yet.
static unsigned tbs_part(const struct show *show)
{
    const struct entry_facts *facts = &show->group->members[0].facts;

    return facts->has_tbs && !group_has_hash(facts) ? ENTRY_TBS_SHA256 : 0;
}

// Of one TBSCertificate, or one certificate, all have the same key.
static unsigned parts_of(const struct show *show, size_t position)
{
    return ENTRY_CERTIFICATE_SHA256 |
           (position == 0 ? ENTRY_SPKI_SHA256 | tbs_part(show) : 0);
}

static bool read_sighting(struct show *show, size_t position)
{
    struct sighting *sighting = &show->out->sightings[position];
    unsigned parts = parts_of(show, position);

    if (position >= READ_AT_ONCE_MAX &&
        shelf_find(show->shelf, sighting->id) == NULL) {
        bool found;

        if (!find_among_many(show, position, &found)) return false;
        if (found) return true;
    }
    if (!shelf_entry(show->shelf, sighting->id, parts, &sighting->entry,
                     &sighting->has_bytes, show->arena, show->err)) {
        return false;
    }
    note_entry(show, sighting->entry);
    return true;
}

static int compare_sightings(const void *a, const void *b)
{
    const struct sighting *left = a, *right = b;
    const struct entry *l = left->entry, *r = right->entry;
    int order = l->has_certificate_sha256 - r->has_certificate_sha256;

    if (order == 0 && l->has_certificate_sha256) {
        order = memcmp(&l->certificate_sha256, &r->certificate_sha256,
                       sizeof l->certificate_sha256);
    }
    if (order == 0) {
        order = memcmp(&left->log->id, &right->log->id, sizeof left->log->id);
    }
    if (order != 0) return order;
    return left->facts.index < right->facts.index
               ? -1
               : left->facts.index > right->facts.index;
}

static void note_first(struct show *show, const struct entry *entry)
{
    struct issuance *out = show->out;

    out->has_spki = entry->has_spki_sha256;
    out->spki = entry->spki_sha256;
    if (tbs_part(show) != 0) out->tbs = entry->tbs_sha256;
}

static bool read_sightings(struct show *show)
{
    const struct group *group = show->group;
    struct issuance *out = show->out;

    out->sightings =
        arena_zalloc(show->arena, group->num_members, sizeof *out->sightings);
    out->issuers =
        arena_zalloc(show->arena, group->num_members, sizeof *out->issuers);
    if (out->sightings == NULL || out->issuers == NULL) return no_memory(show);
    for (size_t i = 0; i < group->num_members; i++) {
        const struct group_member *member = &group->members[i];
        struct sighting *sighting = &out->sightings[i];

        sighting->id = member->id;
        sighting->facts = member->facts;
        sighting->log = snapshot_find_log(show->snapshot, member->facts.log);
        if (sighting->log == NULL) {
            return err_set(show->err, ERR_INDEX,
                           "entry %llu: the index has no log %u",
                           (unsigned long long)member->id, member->facts.log);
        }
        out->flags |= member->facts.flags;
        if (!read_sighting(show, i)) return false;
        if (i == 0) note_first(show, sighting->entry);
    }
    out->num_sightings = group->num_members;
    if (out->num_sightings > 1) {
        qsort(out->sightings, out->num_sightings, sizeof *out->sightings,
              compare_sightings);
    }
    out->shown = &out->sightings[0];
    for (size_t i = out->num_sightings; i > 0; i--) {
        if (out->sightings[i - 1].facts.type == LEAF_X509) {
            out->shown = &out->sightings[i - 1];
        }
    }
    return true;
}

static int compare_hashes(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct sha256_hash));
}

static void settle_issuers(struct issuance *out)
{
    size_t num = 0;

    if (out->num_issuers < 2) return;
    qsort(out->issuers, out->num_issuers, sizeof *out->issuers, compare_hashes);
    for (size_t i = 0; i < out->num_issuers; i++) {
        if (num == 0 ||
            !sha256_equal(&out->issuers[num - 1], &out->issuers[i])) {
            out->issuers[num++] = out->issuers[i];
        }
    }
    out->num_issuers = num;
}

// ------------------------------------------------------------- the issuer

// A precertificate's leaf says it; else, where a filter needs to know, a
// signature; else the chain's claim is shown as no more than that.
static bool find_issuer_key(struct show *show)
{
    struct issuance *out = show->out;
    bool verify = sieve_asks_for_key(show->question->filters);

    for (size_t i = 0; i < out->num_sightings; i++) {
        const struct sighting *sighting = &out->sightings[i];
        const struct entry *entry = sighting->entry;
        bool is_twin = i > 0 && sighting[-1].entry == entry;
        struct sha256_hash key;
        enum issuer_proof proof;
        bool has_key;

        if (is_twin) continue;
        if (!(verify ? group_prove_issuer(show->snapshot, entry,
                                          sighting->has_bytes, &proof, &has_key,
                                          &key, show->err)
                     : group_claim_issuer(show->snapshot, entry, &proof,
                                          &has_key, &key, show->err))) {
            return false;
        }
        if (!has_key || (out->has_issuer_key && proof != ISSUER_PROVEN)) {
            continue;
        }
        out->has_issuer_key = true;
        out->issuer_key = key;
        out->key_verified = proof == ISSUER_PROVEN    ? KEY_VERIFIED
                            : proof == ISSUER_REFUTED ? KEY_REFUTED
                                                      : KEY_NOT_TRIED;
        if (proof == ISSUER_PROVEN) break;
    }
    if (verify && out->key_verified != KEY_VERIFIED) {
        out->flags |= FLAG_ISSUER_UNVERIFIED;
    }
    return true;
}

static bool is_member(const struct group *group, uint64_t id)
{
    size_t low = 0, high = group->num_members;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (group->members[middle].id < id) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < group->num_members && group->members[low].id == id;
}

// Tells whether another entry is of the same issuer and serial number and of
// another TBSCertificate.
static bool is_rival(struct show *show, uint64_t id, bool *rival)
{
    const struct cert *cert = &show->out->shown->entry->cert;
    const struct entry_facts *own = &show->group->members[0].facts;
    struct entry_facts facts;
    struct entry entry;
    bool has_bytes;

    *rival = false;
    if (is_member(show->group, id)) return true;
    if (!snapshot_facts(show->snapshot, id, &facts, show->err)) return false;
    if (!facts.has_tbs || facts.group_mark == own->group_mark) return true;
    arena_reset(&show->scratch);
    if (!snapshot_entry(show->snapshot, id, 0, &entry, &has_bytes,
                        &show->scratch, show->err)) {
        return false;
    }
    *rival = bytes_equal(entry.cert.issuer, cert->issuer) &&
             bytes_equal(entry.cert.serial, cert->serial);
    return true;
}

static bool walk_serial(struct show *show, struct cursor *cursor)
{
    bool rival = false;

    for (size_t i = 0; i < SHOW_SERIALS_MAX && !rival; i++) {
        struct posting posting;
        bool found;

        if (!cursor_next(cursor, &posting, &found, show->err)) return false;
        if (!found || posting.id >= show->end_id) break;
        if (!is_rival(show, posting.id, &rival)) return false;
    }
    if (rival) show->out->flags |= FLAG_SERIAL_REUSED;
    return true;
}

// Opens a cursor on the serial number of a certificate of the group.
static bool open_serials(struct show *show, const struct cert *cert)
{
    struct bytes serial = cert->serial;
    struct buffer key = {0};
    bool ok;

    if (serial.len == 0 || cert->issuer.len == 0 || !show->out->has_tbs) {
        return true;
    }
    while (serial.len > 0 && serial.data[0] == 0) {
        (void)bytes_skip(&serial, 1);
    }
    keys_append(&key, TERM_SERIAL, serial);
    buffer_append_byte(&key, 0x00);
    ok = (buffer_ok(&key) || no_memory(show)) &&
         cursor_open(&show->serials, show->snapshot,
                     bytes_of(key.data, key.len - 1), buffer_bytes(&key),
                     show->err);
    // is_rival compares for itself.
    if (ok) cursor_accept_short(show->serials);
    buffer_cleanup(&key);
    return ok;
}

static bool find_serial_reuse(struct show *show)
{
    if (show->serials == NULL &&
        !open_serials(show, &show->out->shown->entry->cert)) {
        return false;
    }
    return show->serials == NULL || walk_serial(show, show->serials);
}

// Reads the first few entries side by side, and hashes them while what comes
// after that is on its way from memory.  All have the same serial number.
static bool prepare(struct show *show)
{
    const struct group *group = show->group;
    struct shelf_wanted wanted[READ_AT_ONCE_MAX];
    const struct entry *first;
    size_t num = 0;

    for (; num < group->num_members && num < READ_AT_ONCE_MAX; num++) {
        wanted[num] = (struct shelf_wanted){.id = group->members[num].id,
                                            .facts = &group->members[num].facts,
                                            .parts = parts_of(show, num)};
    }
    if (!shelf_fetch(show->shelf, wanted, num, show->err)) return false;
    first = shelf_find(show->shelf, wanted[0].id);
    if (first != NULL && (!open_serials(show, &first->cert) ||
                          (show->serials != NULL &&
                           !cursor_bring_near(show->serials, show->err)))) {
        return false;
    }
    shelf_hash(show->shelf, wanted, num);
    return true;
}

// ------------------------------------------------------------- the matches

struct match_list {
    struct match *matches;
    size_t num, room;
};

static bool is_last(const struct match_list *list, struct bytes name,
                    uint32_t bit)
{
    const struct match *last;

    if (list->num == 0) return false;
    last = &list->matches[list->num - 1];
    return last->via == bit && bytes_equal(last->name, name);
}

static bool add_match(struct show *show, struct match_list *list,
                      struct bytes name, uint32_t via)
{
    for (uint32_t rest = via; rest != 0; rest &= rest - 1) {
        uint32_t bit = rest & -rest;

        // Entry after entry has the same.
        if (names_via_word(bit) == NULL || is_last(list, name, bit)) continue;
        if (list->num == list->room) {
            size_t room = list->room == 0 ? 8 : 2 * list->room;
            struct match *more = arena_alloc(show->arena, room * sizeof *more);

            if (more == NULL) return no_memory(show);
            if (list->num > 0) {
                memcpy(more, list->matches, list->num * sizeof *more);
            }
            list->matches = more;
            list->room = room;
        }
        list->matches[list->num++] = (struct match){name, bit};
    }
    return true;
}

static bool add_term(struct show *show, struct match_list *list,
                     enum term_kind kind, struct bytes value, uint32_t via)
{
    struct buffer text = {0};
    struct bytes name;
    bool ok;

    if (names_is_text(kind)) return add_match(show, list, value, via);
    names_append_term(&text, kind, value);
    ok =
        buffer_ok(&text) && arena_copy(show->arena, buffer_bytes(&text), &name);
    buffer_cleanup(&text);
    return ok ? add_match(show, list, name, via) : no_memory(show);
}

static bool is_plain_label(struct bytes label)
{
    for (size_t i = 0; i < label.len; i++) {
        uint8_t c = label.data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
              c == '_')) {
            return false;
        }
    }
    return !bytes_starts_with(label, bytes_from_text("xn--"));
}

// Tells whether a name may be the one whose irregular label stands left of
// `parent`: a label that is not plain and no wildcard alone on the left.
static bool is_irregular_under(struct bytes name, struct bytes parent)
{
    size_t end, start;

    if (name.len <= parent.len) return false;
    end = name.len - parent.len;
    if (!bytes_equal(bytes_of(name.data + end, parent.len), parent)) {
        return false;
    }
    if (parent.len > 0 && name.data[--end] != '.') return false;
    start = end;
    while (start > 0 && name.data[start - 1] != '.') {
        start--;
    }
    if (start == 0 && parent.len > 0 &&
        bytes_equal_text(bytes_of(name.data, end), "*")) {
        return false;
    }
    return !is_plain_label(bytes_of(name.data + start, end - start));
}

// A TERM_IRREGULAR has only the parent: the names are those that gave it.
static bool add_irregular(struct show *show, struct match_list *list,
                          const struct entry *entry, const struct term *term,
                          uint32_t via)
{
    bool any = false;

    for (size_t i = 0; i < entry->names.num_terms; i++) {
        const struct term *other = &entry->names.terms[i];

        if (other->kind != TERM_DNS ||
            !is_irregular_under(other->value, term->value)) {
            continue;
        }
        any = true;
        if (!add_term(show, list, TERM_DNS, other->value, via)) return false;
    }
    return any || add_term(show, list, TERM_DNS, term->value, via);
}

static bool add_entry_matches(struct show *show, struct match_list *list,
                              const struct entry *entry)
{
    struct buffer key = {0};
    bool ok = true;

    for (size_t i = 0; i < entry->names.num_terms && ok; i++) {
        const struct term *term = &entry->names.terms[i];
        uint32_t via;

        buffer_reset(&key);
        keys_append(&key, term->kind, term->value);
        if (!buffer_ok(&key)) {
            ok = no_memory(show);
        } else if (!question_match(show->question, term, buffer_bytes(&key),
                                   &via)) {
            continue;
        } else if (term->kind == TERM_IRREGULAR) {
            ok = add_irregular(show, list, entry, term, via);
        } else {
            ok = add_term(show, list, term->kind, term->value, via);
        }
    }
    buffer_cleanup(&key);
    return ok;
}

static int compare_matches(const void *a, const void *b)
{
    const struct match *left = a, *right = b;
    int order = bytes_compare(left->name, right->name);

    if (order != 0) return order;
    return strcmp(names_via_word(left->via), names_via_word(right->via));
}

// From the names of the entries.
static bool match_entries(struct show *show, struct match_list *list)
{
    struct issuance *out = show->out;

    for (size_t i = 0; i < out->num_sightings; i++) {
        const struct sighting *sighting = &out->sightings[i];
        const struct entry *entry = sighting->entry;
        bool has_bytes;

        if (i > 0 && sighting[-1].entry == entry) continue;
        if ((entry->parts & ENTRY_NAMES) == 0 &&
            !shelf_entry(show->shelf, sighting->id, ENTRY_NAMES, &entry,
                         &has_bytes, show->arena, show->err)) {
            return false;
        }
        if (!add_entry_matches(show, list, entry)) return false;
    }
    return true;
}

// Tells whether the postings tell all that matched: an irregular wildcard's do
// not tell the name.
static bool are_told(const struct show *show)
{
    const struct question *question = show->question;

    if (show->group->gathering == NULL) return false;
    for (size_t i = 0; i < question->num_ranges; i++) {
        if (question->ranges[i].kind == TERM_IRREGULAR) return false;
    }
    return true;
}

// From the postings that led here.
static bool match_postings(struct show *show, struct match_list *list)
{
    const struct gathering *gathering = show->group->gathering;
    uint32_t wanted = show->question->filters->via;

    for (size_t i = 0; i < gathering->num; i++) {
        const struct gathered *item = &gathering->items[i];
        const struct question_range *range = item->range;

        if (!is_member(show->group, item->id) ||
            range->kind >= TERM_CERT_SHA256 ||
            (range->via_only != 0 && (item->via & range->via_only) == 0) ||
            (wanted != 0 && (item->via & wanted) == 0)) {
            continue;
        }
        if (!add_term(show, list, range->kind, range->value, item->via)) {
            return false;
        }
    }
    return true;
}

static bool find_matches(struct show *show)
{
    struct issuance *out = show->out;
    struct match_list list = {0};
    size_t num = 0;

    if (!(are_told(show) ? match_postings(show, &list)
                         : match_entries(show, &list))) {
        return false;
    }
    if (list.num > 1) {
        qsort(list.matches, list.num, sizeof *list.matches, compare_matches);
    }
    for (size_t i = 0; i < list.num; i++) {
        if (num == 0 ||
            compare_matches(&list.matches[num - 1], &list.matches[i]) != 0) {
            list.matches[num++] = list.matches[i];
        }
    }
    out->matches = list.matches;
    out->num_matches = num;
    return true;
}

bool show_issuance(struct issuance *out, const struct question *question,
                   const struct group *group, struct shelf *shelf,
                   uint64_t end_id, struct arena *arena, struct err *err)
{
    const struct entry_facts *facts = &group->members[0].facts;
    struct show show = {.out = out,
                        .question = question,
                        .group = group,
                        .shelf = shelf,
                        .snapshot = shelf->snapshot,
                        .end_id = end_id,
                        .arena = arena,
                        .err = err};
    bool ok;

    *out = (struct issuance){.id = group->id,
                             .memo = snapshot_memo(shelf->snapshot),
                             .has_tbs = facts->has_tbs};
    if (facts->has_tbs) out->tbs = facts->group;
    ok = prepare(&show) && read_sightings(&show);
    if (ok) settle_issuers(out);
    ok = ok && find_issuer_key(&show) && find_serial_reuse(&show) &&
         find_matches(&show);
    cursor_close(show.serials);
    arena_cleanup(&show.scratch);
    return ok;
}
