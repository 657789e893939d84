// faults.c - see faults.h.

#include "tests/support/faults.h"

#include <stdio.h>

#include "index/base/text.h"

enum takes {
    TAKES_NOTHING,
    TAKES_NUMBER,
    TAKES_INDEX,
    TAKES_BIT,
    MAY_TAKE_NUMBER,
};

static const struct {
    const char *name;
    enum takes takes;
    const char *help;
} table[NUM_FAULTS] = {
    [FAULT_FLIP_ENTRY] = {"flip-entry", TAKES_BIT,
                          "bit BIT of leaf K is flipped as served"},
    [FAULT_FLIP_EXTRA] = {"flip-extra", TAKES_BIT,
                          "bit BIT of what the tree does not cover in entry K"},
    [FAULT_FLIP_HASH] = {"flip-hash", TAKES_INDEX,
                         "the tree that is signed has leaf hash K wrong"},
    [FAULT_FLIP_TILE] = {"flip-tile", TAKES_INDEX,
                         "leaf hash K is wrong in the hash tile only"},
    [FAULT_UNKNOWN_TYPE] = {"unknown-type", TAKES_INDEX,
                            "entry K is of type 9, in the tree too"},
    [FAULT_LEAF_INDEX] = {"leaf-index", TAKES_INDEX,
                          "entry K has another leaf_index, in the tree too"},
    [FAULT_SWAP] = {"swap", TAKES_INDEX, "entries K and K+1 are exchanged"},
    [FAULT_DUP] = {"dup", TAKES_INDEX, "entry K stands for K+1 too"},
    [FAULT_DROP] = {"drop", TAKES_INDEX, "entry K is left out"},
    [FAULT_FORK] = {"fork", MAY_TAKE_NUMBER,
                    "after N honest heads (0), another history: entry 0 "
                    "differs"},
    [FAULT_FORK_SAME_SIZE] = {"fork-same-size", TAKES_NOTHING,
                              "every second head has that history's root"},
    [FAULT_STH_BADSIG] = {"sth-badsig", TAKES_NOTHING,
                          "the head's signature does not fit"},
    [FAULT_STH_SHRINK] = {"sth-shrink", TAKES_NUMBER,
                          "heads after the first are N smaller"},
    [FAULT_STH_SIZE_TEXT] = {"sth-size-text", TAKES_NOTHING,
                             "tree_size is a JSON string"},
    [FAULT_STH_SIZE] = {"sth-size", TAKES_NUMBER,
                        "get-sth names N as tree_size"},
    [FAULT_STH_TIME] = {"sth-time", TAKES_NUMBER, "heads are of N ms"},
    [FAULT_WRONG_KEY] = {"wrong-key", TAKES_NOTHING,
                         "heads are signed with another key"},
    [FAULT_WRONG_ORIGIN] = {"wrong-origin", TAKES_NOTHING,
                            "the checkpoint is of another origin"},
    [FAULT_STALE] = {"stale", TAKES_NOTHING, "heads are two days old"},
    [FAULT_FUTURE] = {"future", TAKES_NOTHING, "heads are two days ahead"},
    [FAULT_NO_PROOFS] = {"no-proofs", TAKES_NOTHING,
                         "404 for consistency and inclusion"},
    [FAULT_BAD_PROOFS] = {"bad-proofs", TAKES_NOTHING,
                          "one bit of every proof is wrong"},
    [FAULT_LONG_PROOFS] = {"long-proofs", TAKES_NOTHING,
                           "every proof has one hash more"},
    [FAULT_SHORT_PROOFS] = {"short-proofs", TAKES_NOTHING,
                            "every proof has one hash less"},
    [FAULT_CACHED_CONSISTENCY] = {"cached-consistency", TAKES_NOTHING,
                                  "the first answer is given for ever"},
    [FAULT_SHORT] = {"short", TAKES_NUMBER, "at most N entries an answer"},
    [FAULT_ZERO] = {"zero", TAKES_NOTHING, "get-entries gives none"},
    [FAULT_MORE] = {"more", TAKES_NOTHING, "get-entries gives one too many"},
    [FAULT_WRONG_RANGE] = {"wrong-range", TAKES_NOTHING,
                           "entries of the page after the one asked for"},
    [FAULT_TILE_SHORT] = {"tile-short", TAKES_NOTHING,
                          "hash tiles lack their last hash"},
    [FAULT_NO_PARTIALS] = {"no-partials", TAKES_NOTHING,
                           "404 for partial tiles whose full tile exists"},
    [FAULT_NO_ISSUERS] = {"no-issuers", TAKES_NOTHING, "404 for issuers"},
    [FAULT_NO_CHECKPOINT] = {"no-checkpoint", TAKES_NOTHING,
                             "404 for the checkpoint"},
    [FAULT_NO_TILES] = {"no-tiles", MAY_TAKE_NUMBER,
                        "404 for tiles after N of them (0)"},
    [FAULT_NO_ENTRIES] = {"no-entries", TAKES_NOTHING, "404 for get-entries"},
    [FAULT_FLIP_DATA] = {"flip-data", TAKES_BIT,
                         "bit BIT of leaf K is flipped in the data tile only"},
    [FAULT_NO_GZIP] = {"no-gzip", TAKES_NOTHING, "data tiles come plain"},
    [FAULT_GZIP_CUT] = {"gzip-cut", TAKES_NOTHING,
                        "data tiles lack the end of their gzip"},
    [FAULT_GZIP_CRC] = {"gzip-crc", TAKES_NOTHING,
                        "data tiles have a wrong CRC"},
    [FAULT_GZIP_BOMB] = {"gzip-bomb", TAKES_NOTHING,
                         "data tiles inflate to 256 MiB"},
    [FAULT_HTTP_429_EVERY] = {"http-429-every", TAKES_NUMBER,
                              "every Nth answer, Retry-After in both forms or "
                              "none"},
    [FAULT_HTTP_500_EVERY] = {"http-500-every", TAKES_NUMBER,
                              "every Nth answer"},
    [FAULT_HTTP_503_EVERY] = {"http-503-every", TAKES_NUMBER,
                              "every Nth answer"},
    [FAULT_HTML_200_EVERY] = {"html-200-every", TAKES_NUMBER,
                              "every Nth answer is a page that says 200"},
    [FAULT_REDIRECT_EVERY] = {"redirect-every", TAKES_NUMBER,
                              "every Nth answer"},
    [FAULT_DROP_CONNECTION_EVERY] = {"drop-connection-every", TAKES_NUMBER,
                                     "every Nth request gets none"},
    [FAULT_TRUNCATE_EVERY] = {"truncate-body-every", TAKES_NUMBER,
                              "every Nth body ends in the middle"},
    [FAULT_STALL_EVERY] = {"stall-every", TAKES_NUMBER,
                           "every Nth body stops in the middle, unended"},
    [FAULT_TRAIL_EVERY] = {"trail-every", TAKES_NUMBER,
                           "every Nth answer has bytes behind its body"},
    [FAULT_TRICKLE_EVERY] =
        {"trickle-every", TAKES_NUMBER,
         "every Nth body comes a byte at a time, 100 a second"},
    [FAULT_CHUNKED] = {"chunked", TAKES_NOTHING,
                       "bodies are chunked (not a fault)"},
    [FAULT_GZIP_JSON] = {"gzip-json", TAKES_NOTHING,
                         "JSON is gzipped unasked (not a fault)"},
};

static bool parse_value(struct faults *faults, enum fault fault,
                        struct bytes value, bool given, struct err *err)
{
    enum takes takes = table[fault].takes;
    struct bytes number = value;
    const uint8_t *colon =
        value.len == 0 ? NULL : memchr(value.data, ':', value.len);
    struct bytes bit = {0};

    if (given == (takes == TAKES_NOTHING) && takes != MAY_TAKE_NUMBER) {
        return err_set(err, ERR_USAGE, "fault %s takes %s value",
                       table[fault].name, given ? "no" : "a");
    }
    if (colon != NULL && takes == TAKES_BIT) {
        number.len = (size_t)(colon - value.data);
        bit = bytes_of(colon + 1, value.len - number.len - 1);
    }
    if ((given && !text_parse_uint(&faults->value[fault], number)) ||
        (bit.len != 0 && !text_parse_uint(&faults->bit[fault], bit))) {
        return err_set(err, ERR_USAGE, "fault %s: not a number",
                       table[fault].name);
    }
    if (takes == TAKES_NUMBER && strstr(table[fault].name, "-every") != NULL &&
        faults->value[fault] == 0) {
        return err_set(err, ERR_USAGE, "fault %s: every 0th",
                       table[fault].name);
    }
    faults->on[fault] = true;
    return true;
}

bool faults_parse(struct faults *faults, const char *text, struct err *err)
{
    for (; text != NULL && *text != '\0'; text += *text == ',') {
        size_t len = strcspn(text, ","), name_len = strcspn(text, "=,");
        bool given = name_len < len;
        struct bytes value =
            bytes_of(text + name_len + given, len - name_len - given);
        unsigned fault = 0;

        if (len == 0) continue; // nothing between two commas
        while (fault < NUM_FAULTS &&
               !bytes_equal_text(bytes_of(text, name_len), table[fault].name)) {
            fault++;
        }
        if (fault == NUM_FAULTS) {
            return err_set(err, ERR_USAGE, "no fault '%.*s'", (int)name_len,
                           text);
        }
        if (!parse_value(faults, fault, value, given, err)) return false;
        text += len;
    }
    return true;
}

void faults_help(struct buffer *out)
{
    static const char *const values[] = {"", "=N", "=K", "=K:BIT", "[=N]"};

    for (unsigned i = 0; i < NUM_FAULTS; i++) {
        char name[64];

        (void)snprintf(name, sizeof name, "%s%s", table[i].name,
                       values[table[i].takes]);
        buffer_printf(out, "  %-26s %s\n", name, table[i].help);
    }
}
