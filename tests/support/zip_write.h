// zip_write.h - zip files as archivers write them, good and subtly bad.
//
// Written from PKWARE's APPNOTE; nothing of ingest/parse/zip is in it.

#pragma once

#include <stdio.h>

#include "index/base/buffer.h"

enum zip_style {
    ZIP_PLAIN,  // no Zip64
    ZIP_64,     // as the APPNOTE says it, everywhere
    ZIP_64_GO,  // sizes behind the member, all three values in the extra field
                // though the offset is not all ones
    ZIP_64_BAD, // three values though none is all ones, and no locator
    ZIP_NUM_STYLES,
};

struct zip_writer {
    FILE *file;
    enum zip_style style;
    uint64_t offset, num;
    struct buffer directory;
};

// zip_write_open begins a file; zip_write_close ends it, and aborts when the
// disk has failed.
bool zip_write_open(struct zip_writer *zip, const char *path,
                    enum zip_style style);
void zip_write_close(struct zip_writer *zip);

// zip_write_add adds a member, stored or as raw deflate.
void zip_write_add(struct zip_writer *zip, const char *name,
                   struct bytes content, bool deflate);
