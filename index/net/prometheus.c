// prometheus.c - see prometheus.h.

#include "index/net/prometheus.h"

void prometheus_append_head(struct buffer *out, const char *name,
                            const char *type, const char *help)
{
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void prometheus_append_label(struct buffer *out, const char *value)
{
    buffer_append_byte(out, '"');
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            buffer_append_text(out, "\\n");
            continue;
        }
        if (*value == '"' || *value == '\\') buffer_append_byte(out, '\\');
        buffer_append_byte(out, (uint8_t)*value);
    }
    buffer_append_byte(out, '"');
}
