// fuzz_zip.c - any bytes as a zip: every member lies inside of it.

#include <stdlib.h>

#include "ingest/parse/inflate.h"
#include "ingest/parse/zip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool read_memory(void *context, uint64_t offset, uint8_t *out,
                        size_t len, struct err *err)
{
    const struct bytes *file = context;

    if (offset > file->len || len > file->len - offset) {
        return err_set(err, ERR_MALFORMED, "zip: cut off");
    }
    memcpy(out, file->data + offset, len);
    return true;
}

struct walk {
    struct bytes file;
    struct zip_list list;
    struct inflater *inflater;
};

static bool visit(void *context, const struct zip_member *member,
                  struct err *err)
{
    enum { LEN_MAX = 1 << 16 };
    struct walk *walk = context;
    struct bytes rest = walk->file, header, raw;
    struct buffer body = {0};
    size_t len;

    (void)err;
    if (!zip_list_add(&walk->list, member, zip_key(member->name))) return false;
    if (!bytes_skip(&rest, member->offset)) abort();
    if (!zip_local_len(&len, rest, NULL) ||
        !bytes_read_take(&rest, &header, len) ||
        !zip_local_check(member, header, NULL) ||
        !bytes_read_take(&rest, &raw, member->packed_len) ||
        member->len > LEN_MAX) {
        return true;
    }
    if (inflate_raw(walk->inflater, &body, raw, member->len, NULL) &&
        body.len != member->len) {
        abort();
    }
    buffer_cleanup(&body);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct walk walk = {.file = bytes_of(data, size)};
    struct zip zip = {
        .read = read_memory,
        .context = &walk.file,
        .size = size,
    };

    if (!inflater_new(&walk.inflater, NULL)) return 0;
    if (zip_open(&zip, NULL) && zip_walk(&zip, visit, &walk, NULL) &&
        walk.list.num != zip.num_members) {
        abort();
    }
    if (zip_list_sort(&walk.list)) {
        for (size_t i = 0; i < walk.list.num; i++) {
            if (zip_list_find(&walk.list, walk.list.slots[i].key) !=
                &walk.list.slots[i]) {
                abort();
            }
        }
    }
    zip_list_cleanup(&walk.list);
    inflater_free(walk.inflater);
    return 0;
}
