// fuzz_postings.c - any bytes as a posting list; what reads is written the
// same.

#include <assert.h>
#include <stdlib.h>

#include "index/store/postings.h"

enum { HITS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hit hits[HITS_MAX];
    struct bytes view, skipped;
    struct postings postings;
    struct buffer again = {0};
    uint64_t num = 0;
    bool found = true, whole = true;
    unsigned id_len;

    if (size < 1) return 0;
    id_len = 1 + data[0] % POSTINGS_ID_LEN_MAX;
    view = skipped = bytes_of(data + 1, size - 1);
    if (!postings_read(&postings, &view, 0, id_len)) {
        assert(!postings_skip(&skipped, id_len) || skipped.data != view.data);
        return 0;
    }
    assert(postings_skip(&skipped, id_len) && skipped.data == view.data);
    while (found && num < HITS_MAX) {
        whole = postings_next(&postings, &hits[num], &found);
        if (!whole) break;
        assert(!found || num == 0 || hits[num].id > hits[num - 1].id);
        num += found;
    }
    if (!whole || num == 0 || num == HITS_MAX) return 0;
    assert(postings_append(&again, SIZE_MAX / 2, 0, id_len, hits, num) == num);
    view = buffer_bytes(&again);
    assert(postings_read(&postings, &view, 0, id_len) && view.len == 0);
    for (uint64_t i = 0; i < num; i++) {
        struct hit hit;

        assert(postings_next(&postings, &hit, &found) && found);
        assert(hit.id == hits[i].id && hit.via == hits[i].via);
    }
    buffer_cleanup(&again);
    return 0;
}
