// check.c - see check.h.

#include "tests/support/check.h"

#include <ctype.h>
#include <unistd.h>

const char *test_case = "";

struct bytes heap_copy(struct bytes bytes)
{
    uint8_t *copy = malloc(bytes.len == 0 ? 1 : bytes.len);

    assert_non_null(copy);
    if (bytes.len != 0) memcpy(copy, bytes.data, bytes.len);
    return bytes_of(copy, bytes.len);
}

struct bytes from_hex(const char *hex)
{
    struct buffer out = {0};
    struct bytes exact;
    int high = -1;

    for (; *hex != '\0'; hex++) {
        int c = tolower((unsigned char)*hex);
        int value = c >= 'a' ? c - 'a' + 10 : c - '0';

        if (isspace((unsigned char)*hex)) continue;
        assert_true(value >= 0 && value < 16);
        if (high < 0) {
            high = value;
        } else {
            buffer_append_byte(&out, (uint8_t)(high << 4 | value));
            high = -1;
        }
    }
    assert_int_equal(high, -1);
    exact = heap_copy(buffer_bytes(&out));
    buffer_cleanup(&out);
    return exact;
}

const char *test_data(const char *path)
{
    static char full[4096];
    const char *base = getenv("SANCT_TEST_DATA");

    (void)snprintf(full, sizeof full, "%s/%s",
                   base != NULL ? base : "../shared/data", path);
    if (access(full, R_OK) == 0) return full;
    if (getenv("CI") != NULL) fail_msg("no test data: %s", full);
    return NULL;
}

struct bytes read_file(const char *path)
{
    struct buffer out = {0};
    FILE *file = fopen(path, "rb");

    if (file == NULL) fail_msg("cannot open %s", path);
    while (!feof(file)) {
        if (!buffer_reserve(&out, 65536)) fail_msg("no memory");
        out.len += fread(out.data + out.len, 1, 65536, file);
        if (ferror(file)) fail_msg("cannot read %s", path);
    }
    (void)fclose(file);
    return buffer_bytes(&out);
}
