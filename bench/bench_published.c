// bench_published.c - published log sizes at the figures of this run.
//
//   bench_published CSV FIGURES
//
// FIGURES is the figures.json that bench_ingest has left in its folder.

#include "bench/measure.h"
#include "bench/published.h"

static void read_file(struct buffer *out, const char *path)
{
    FILE *file = fopen(path, "re");
    size_t len = 1;

    if (file == NULL) die("%s: cannot be read", path);
    while (len > 0) {
        if (!buffer_reserve(out, 65536)) die("no memory");
        len = fread(out->data + out->len, 1, 65536, file);
        out->len += len;
    }
    if (ferror(file)) die("%s: cannot be read", path);
    (void)fclose(file);
}

int main(int argc, char **argv)
{
    struct buffer csv = {0}, figures = {0}, out = {0};
    struct published_run run;
    struct err err = {0};
    struct json *json;

    if (argc != 3) die("usage: bench_published CSV FIGURES");
    read_file(&csv, argv[1]);
    read_file(&figures, argv[2]);
    if (!json_parse(&json, buffer_bytes(&figures), &err) ||
        !published_read_run(&run, json, &err)) {
        die("%s: %s", argv[2], err.text);
    }
    if (!published_write(&out, buffer_bytes(&csv), &run, &err)) {
        die("%s: %s", argv[1], err.text);
    }
    (void)fwrite(out.data, 1, out.len, stdout);
    json_free(json);
    buffer_cleanup(&csv);
    buffer_cleanup(&figures);
    buffer_cleanup(&out);
    return 0;
}
