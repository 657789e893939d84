// entries.c - see entries.h; reading from disk is in entries_read.c.

#include "tests/support/entries.h"

#include <stdlib.h>

enum {
    TIME_FROM = 1704067200, // 2024-01-01: the log's entries are spread
    TIME_TO = 1756684800,   // until 2025-09-01
    JITTER_MS = 10000,      // timestamps are not in order
    PRECERT_LOGGED_AFTER_S = 90,
    FINAL_LOGGED_AFTER_S = 97,
};

static int64_t place_time_ms(const struct entries *entries, uint64_t place)
{
    unsigned __int128 span = (uint64_t)(TIME_TO - TIME_FROM) * 1000;

    return (int64_t)TIME_FROM * 1000 + (int64_t)(span * place / entries->size);
}

static int64_t special_time_ms(const struct fina *fina, unsigned special)
{
    static _Thread_local struct issuance issuance;

    fina_issue(fina, special / 2, &issuance);
    return (issuance.spec.not_before + (special % 2 == 0
                                            ? PRECERT_LOGGED_AFTER_S
                                            : FINAL_LOGGED_AFTER_S)) *
           1000;
}

// place_specials puts the replay's entries where their time is, each at a
// place of its own.
static void place_specials(struct entries *entries)
{
    int64_t times[FINA_ENTRIES];
    uint64_t last;

    for (unsigned i = 0; i < FINA_ENTRIES; i++) { // insertion sort by time
        int64_t time = special_time_ms(entries->fina, i);
        size_t at = i;

        for (; at > 0 && times[at - 1] > time; at--) {
            times[at] = times[at - 1];
            entries->specials[at] = entries->specials[at - 1];
        }
        times[at] = time;
        entries->specials[at] = (uint8_t)i;
    }
    entries->num_specials = FINA_ENTRIES;
    for (size_t i = 0; i < FINA_ENTRIES; i++) {
        int64_t since = times[i] - (int64_t)TIME_FROM * 1000;
        unsigned __int128 span = (uint64_t)(TIME_TO - TIME_FROM) * 1000;
        uint64_t place =
            since < 0
                ? 0
                : (uint64_t)((unsigned __int128)since * entries->size / span);

        if (i > 0 && place <= entries->places[i - 1]) {
            place = entries->places[i - 1] + 1;
        }
        entries->places[i] = place;
    }
    last = entries->size; // none beyond the end
    for (size_t i = FINA_ENTRIES; i > 0; i--) {
        if (entries->places[i - 1] < last) break;
        entries->places[i - 1] = --last;
    }
}

static void add_authority(struct entries *entries,
                          const struct authority *authority)
{
    struct buffer fingerprints = {0}, wire = {0};

    authority_fingerprints(authority, &fingerprints);
    authority_chain(authority, &wire);
    (void)entries_add_chain(entries, buffer_bytes(&fingerprints),
                            buffer_bytes(&wire));
    buffer_cleanup(&fingerprints);
    buffer_cleanup(&wire);
}

static void add_source(struct entries *entries,
                       const struct testlog_source *source)
{
    entries->source = source;
    entries->generated = false;
    for (size_t i = 0; i < source->num_chains; i++) {
        struct buffer fingerprints = {0}, wire = {0};

        source->chain(source->context, i, &fingerprints, &wire);
        (void)entries_add_chain(entries, buffer_bytes(&fingerprints),
                                buffer_bytes(&wire));
        buffer_cleanup(&fingerprints);
        buffer_cleanup(&wire);
    }
}

bool entries_generate(struct entries *entries,
                      const struct testlog_options *options, struct err *err)
{
    *entries = (struct entries){
        .size = options->entries,
        .generated = true,
        .leaf_index = !options->no_leaf_index,
        .name = options->name,
        .num_blocks = (options->entries + ENTRY_BLOCK - 1) / ENTRY_BLOCK,
    };
    if (options->fina && options->entries < FINA_ENTRIES) {
        return err_set(err, ERR_USAGE, "the Fina replay needs %d entries",
                       (int)FINA_ENTRIES);
    }
    entries->kept =
        calloc((size_t)entries->num_blocks + 1, sizeof *entries->kept);
    if (entries->kept != NULL && options->source != NULL) {
        add_source(entries, options->source);
        return true;
    }
    entries->world = world_new(options->seed);
    if (entries->world == NULL || entries->kept == NULL) {
        return err_set(err, ERR_MEMORY, "no memory for the test log");
    }
    for (unsigned i = 0; i < WORLD_ISSUERS; i++) {
        add_authority(entries, &entries->world->issuers[i]);
    }
    if (!options->fina) return true;
    entries->fina = fina_new(options->seed);
    if (entries->fina == NULL) {
        return err_set(err, ERR_MEMORY, "no memory for the Fina replay");
    }
    for (unsigned i = 0; i < FINA_ISSUERS; i++) {
        add_authority(entries, &entries->fina->issuers[i]);
    }
    place_specials(entries);
    return true;
}

void entries_cleanup(struct entries *entries)
{
    for (uint64_t i = 0; i < entries->num_blocks; i++) {
        if (entries->kept[i] == NULL) continue;
        buffer_cleanup(&entries->kept[i]->data);
        free(entries->kept[i]);
    }
    free(entries->kept);
    for (size_t i = 0; i < entries->num_chains; i++) {
        buffer_cleanup(&entries->chains[i].fingerprints);
        buffer_cleanup(&entries->chains[i].wire);
    }
    free(entries->chains);
    buffer_cleanup(&entries->issuers);
    world_free(entries->world);
    fina_free(entries->fina);
    *entries = (struct entries){0};
}

// special_at finds the special at a place, or how many come before it.
static bool special_at(const struct entries *entries, uint64_t index,
                       size_t *number)
{
    size_t low = 0, high = entries->num_specials;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (entries->places[middle] < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *number = low;
    return low < entries->num_specials && entries->places[low] == index;
}

bool entries_issue(const struct entries *entries, uint64_t index,
                   struct issuance *out)
{
    struct world_place place;
    size_t specials;
    uint64_t number;

    if (special_at(entries, index, &specials)) {
        fina_issue(entries->fina, entries->specials[specials] / 2u, out);
        return entries->specials[specials] % 2 == 0;
    }
    number = index - specials;
    place = world_place(entries->world, number);
    world_issue(
        entries->world, place.issuance,
        place_time_ms(entries, number / WORLD_BLOCK * WORLD_BLOCK) / 1000, out);
    if (entries->name != NULL) issuance_add_name(out, entries->name);
    return place.precert;
}

static uint64_t timestamp_ms(const struct entries *entries, uint64_t index,
                             const struct issuance *issuance, bool precert)
{
    struct random random = random_for(entries->world->seed, "time", index);

    if (issuance->special) {
        return (uint64_t)(issuance->spec.not_before +
                          (precert ? PRECERT_LOGGED_AFTER_S
                                   : FINAL_LOGGED_AFTER_S)) *
                   1000 +
               random_below(&random, 1000);
    }
    return (uint64_t)place_time_ms(entries, index) +
           random_below(&random, JITTER_MS);
}

static uint32_t chain_of(const struct entries *entries,
                         const struct issuance *issuance)
{
    if (issuance->special) {
        return (uint32_t)(WORLD_ISSUERS +
                          (issuance->authority - entries->fina->issuers));
    }
    return (uint32_t)(issuance->authority - entries->world->issuers);
}

// make_entry appends entry `index` to the block.
static void make_entry(const struct entries *entries, uint64_t index,
                       struct entry_slot *slot, struct buffer *out)
{
    static _Thread_local struct issuance issuance;
    bool precert = entries_issue(entries, index, &issuance);

    slot->leaf_len = (uint32_t)issuance_logged(
        &issuance, precert, timestamp_ms(entries, index, &issuance, precert),
        entries->leaf_index ? (int64_t)index : LEAF_INDEX_NONE, out);
    slot->chain = chain_of(entries, &issuance);
}

static void take_entry(const struct entries *entries, uint64_t index,
                       struct entry_slot *slot, struct buffer *out)
{
    size_t leaf_len = 0, chain = 0;

    entries->source->entry(entries->source->context, index, out, &leaf_len,
                           &chain);
    slot->leaf_len = (uint32_t)leaf_len;
    slot->chain = (uint32_t)chain;
}

const struct entry_block *entries_block(const struct entries *entries,
                                        uint64_t number,
                                        struct entry_block *scratch)
{
    uint64_t first = number * ENTRY_BLOCK;

    if (entries->kept[number] != NULL) return entries->kept[number];
    buffer_reset(&scratch->data);
    scratch->num = 0;
    for (uint64_t i = first; i < first + ENTRY_BLOCK && i < entries->size;
         i++) {
        struct entry_slot *slot = &scratch->slots[scratch->num++];

        slot->offset = (uint32_t)scratch->data.len;
        if (entries->source != NULL) {
            take_entry(entries, i, slot, &scratch->data);
        } else {
            make_entry(entries, i, slot, &scratch->data);
        }
        slot->precert_len =
            (uint32_t)(scratch->data.len - slot->offset) - slot->leaf_len;
    }
    if (!buffer_ok(&scratch->data)) abort();
    return scratch;
}

void entries_keep(struct entries *entries, uint64_t number,
                  const struct entry_block *block)
{
    struct entry_block *copy = malloc(sizeof *copy);

    if (copy == NULL) return; // made again when it is asked for
    *copy = *block;
    copy->data = (struct buffer){0};
    buffer_append(&copy->data, buffer_bytes(&block->data));
    if (!buffer_ok(&copy->data)) abort();
    entries->kept[number] = copy;
}

struct bytes entry_leaf(const struct entry_block *block, size_t slot)
{
    return bytes_of(block->data.data + block->slots[slot].offset,
                    block->slots[slot].leaf_len);
}

struct bytes entry_precert(const struct entry_block *block, size_t slot)
{
    return bytes_of(block->data.data + block->slots[slot].offset +
                        block->slots[slot].leaf_len,
                    block->slots[slot].precert_len);
}

// add_issuers collects every certificate that stands in a chain, once.
static void add_issuers(struct entries *entries, struct bytes wire)
{
    struct bytes list, der, known, rest;

    if (!bytes_read_vector(&wire, &list, 3)) return;
    while (bytes_read_vector(&list, &der, 3)) {
        bool found = false;

        rest = buffer_bytes(&entries->issuers);
        while (!found && bytes_read_vector(&rest, &known, 3)) {
            found = bytes_equal(known, der);
        }
        if (found) continue;
        buffer_append_uint(&entries->issuers, der.len, 3);
        buffer_append(&entries->issuers, der);
    }
}

uint32_t entries_add_chain(struct entries *entries, struct bytes fingerprints,
                           struct bytes wire)
{
    struct entry_chain *chains;

    for (size_t i = 0; i < entries->num_chains; i++) {
        if (bytes_equal(buffer_bytes(&entries->chains[i].fingerprints),
                        fingerprints)) {
            return (uint32_t)i;
        }
    }
    chains = realloc(entries->chains,
                     (entries->num_chains + 1) * sizeof *entries->chains);
    if (chains == NULL) abort();
    entries->chains = chains;
    chains[entries->num_chains] = (struct entry_chain){0};
    buffer_append(&chains[entries->num_chains].fingerprints, fingerprints);
    buffer_append(&chains[entries->num_chains].wire, wire);
    if (wire.len == 0) { // an empty list is what remains
        buffer_append_uint(&chains[entries->num_chains].wire, 0, 3);
    }
    add_issuers(entries, wire);
    return (uint32_t)entries->num_chains++;
}

void entries_append(struct entries *entries, struct bytes leaf,
                    struct bytes precert, uint32_t chain)
{
    struct entry_block *block;
    struct entry_slot *slot;

    if (entries->size % ENTRY_BLOCK == 0) {
        struct entry_block **kept = realloc(
            entries->kept, ((size_t)entries->num_blocks + 1) * sizeof *kept);

        if (kept == NULL) abort();
        entries->kept = kept;
        kept[entries->num_blocks] = calloc(1, sizeof **kept);
        if (kept[entries->num_blocks++] == NULL) abort();
    }
    block = entries->kept[entries->num_blocks - 1];
    slot = &block->slots[block->num++];
    slot->offset = (uint32_t)block->data.len;
    slot->leaf_len = (uint32_t)leaf.len;
    slot->precert_len = (uint32_t)precert.len;
    slot->chain = chain;
    buffer_append(&block->data, leaf);
    buffer_append(&block->data, precert);
    if (!buffer_ok(&block->data)) abort();
    entries->size++;
}
