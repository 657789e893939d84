// page.c - see page.h.
//
//   k  hex of: version 1, end_id 7, id 7, fingerprint 8, key

#include "query/page.h"

#include "index/base/text.h"

enum {
    PAGE_VERSION = 1,
    ID_LEN = 7,
    ID_BITS = 53,
    FINGERPRINT_LEN = 8,
    HEAD_LEN = 1 + 2 * ID_LEN + FINGERPRINT_LEN,
};

void page_append(struct buffer *out, const struct page *page,
                 const struct question *question)
{
    struct sha256_hash fingerprint;
    struct buffer plain = {0};

    if (page->key.len == 0) {
        buffer_printf(out, "%llu", (unsigned long long)page->id);
        return;
    }
    if (!question_fingerprint(question, &fingerprint)) {
        out->failed = true;
        return;
    }
    buffer_append_byte(&plain, PAGE_VERSION);
    buffer_append_uint(&plain, page->end_id, ID_LEN);
    buffer_append_uint(&plain, page->id, ID_LEN);
    buffer_append(&plain, bytes_of(fingerprint.bytes, FINGERPRINT_LEN));
    buffer_append(&plain, page->key);
    if (!buffer_ok(&plain)) out->failed = true;
    buffer_append_byte(out, 'k');
    text_append_hex(out, buffer_bytes(&plain));
    buffer_cleanup(&plain);
}

static bool refuse(const struct question *question, const char *why,
                   struct err *err)
{
    char quoted[64];

    return err_set(err, ERR_USAGE, "%safter: '%s' is %s",
                   question->filters->as_options ? "--" : "",
                   text_escape(quoted, sizeof quoted, question->filters->after),
                   why);
}

static bool parse_key(struct page *page, const struct question *question,
                      struct bytes hex, struct arena *arena, struct err *err)
{
    static const char none[] = "no cursor of a page in key order";
    uint8_t *plain = arena_alloc(arena, hex.len / 2 + 1);
    struct bytes rest = bytes_of(plain, hex.len / 2), fingerprint;
    struct sha256_hash own;
    uint64_t version;

    if (plain == NULL || !question_fingerprint(question, &own)) {
        return err_set(err, ERR_MEMORY, "after: no memory left for it");
    }
    if (!text_parse_hex(plain, hex.len / 2, hex) ||
        !bytes_read_uint(&rest, &version, 1) || version != PAGE_VERSION ||
        !bytes_read_uint(&rest, &page->end_id, ID_LEN) ||
        !bytes_read_uint(&rest, &page->id, ID_LEN) ||
        !bytes_read_take(&rest, &fingerprint, FINGERPRINT_LEN) ||
        rest.len == 0) {
        return refuse(question, none, err);
    }
    page->key = rest;
    if (!bytes_equal(fingerprint, bytes_of(own.bytes, FINGERPRINT_LEN)) ||
        question_find_range(question, page->key) == NULL) {
        return refuse(question, "another question's cursor", err);
    }
    return true;
}

bool page_parse(struct page *page, const struct question *question, bool keyed,
                struct arena *arena, struct err *err)
{
    struct bytes after = question->filters->after;

    *page = (struct page){0};
    if (keyed) {
        if (after.len == 0 || after.data[0] != 'k') {
            return refuse(question, "no cursor of a page in key order", err);
        }
        (void)bytes_skip(&after, 1);
        return parse_key(page, question, after, arena, err);
    }
    if (!text_parse_uint(&page->id, after) || page->id >> ID_BITS != 0) {
        return refuse(question, "no cursor of a page in the order found", err);
    }
    return true;
}
