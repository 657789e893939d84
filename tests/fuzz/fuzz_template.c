// fuzz_template.c - any bytes as a table of templates, and as a frame of
// records told by templates: what is read stays within them.

#include <stdlib.h>

#include "index/base/varint.h"
#include "index/store/frame.h"
#include "index/store/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// One of every op that has a length of its own, and what they need.
static const uint8_t ops[] = {
    1, // log
    0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
    0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
    0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
    1,  // template
    12, // ops: kind, header, tag, prefix, item tag, suffix, num, len
    0,    0,    0,    0,    0,    0,    0,    3,   // constant
    1,    2,    0x30, 0,    0,    0,    10,   40,  // open: all that follows
    2,    2,    0x0c, 0,    0,    0,    0,    5,   // text
    3,    1,    0,    0,    0,    0,    0,    5,   // raw
    4,    2,    0x03, 1,    0,    0,    0,    9,   // fixed, after a constant
    5,    2,    0x02, 0,    0,    0,    0,    9,   // integer
    6,    2,    0x03, 1,    0,    0,    0,    9,   // zeros
    7,    2,    0x30, 2,    0x82, 1,    0,    9,   // list
    8,    2,    0x30, 0,    0,    0,    0,    9,   // list of any tags
    9,    2,    0x17, 0,    0,    0,    0,    13,  // date
    12,   2,    0x04, 0,    0,    0,    0,    20,  // key identifier
    14,   2,    0x04, 0,    0,    0,    0,    80,  // SCTs
    1,    2,    3,    0,    0,    'w',  '.',  '/', // constants
};

static void use(const struct templates *templates, uint32_t number,
                struct bytes text, struct bytes raw)
{
    const struct entry_facts facts = {.index = 5,
                                      .timestamp_ms = 1700000000000,
                                      .not_before = 1700000000,
                                      .not_after = 1800000000};
    struct buffer out = {0};

    if (template_decode(templates, number, &facts, text, &raw, &out) &&
        number != 0 && out.len > 2 * TEMPLATE_BODY_MAX) {
        abort();
    }
    buffer_cleanup(&out);
}

static void use_frame(const struct templates *templates, struct bytes view)
{
    struct frame frame;

    while (frame_read(&frame, &view)) {
        for (size_t i = 0; i <= frame.num; i++) {
            struct bytes text, raw;
            uint32_t number;

            // As if it had been decompressed.
            if (frame_record(&frame, frame.packed, i, &number, &text, &raw)) {
                if (i == frame.num) abort();
                use(templates, number, text, raw);
            }
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes view = bytes_of(data, size);
    struct templates *templates;
    bool no_memory;
    uint64_t split;

    if (!templates_read(&templates, bytes_of(ops, sizeof ops), &no_memory)) {
        abort();
    }
    use_frame(templates, view);
    if (bytes_read_uint(&view, &split, 1) && split <= view.len) {
        use(templates, 1, bytes_of(view.data, (size_t)split),
            bytes_of(view.data + split, view.len - (size_t)split));
    }
    templates_free(templates);
    if (templates_read(&templates, bytes_of(data, size), &no_memory)) {
        use_frame(templates, bytes_of(data, size));
        use(templates, 1, bytes_of(data, size), bytes_of(data, size));
        templates_free(templates);
    }
    return 0;
}
