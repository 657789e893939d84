// crtsh.c - see crtsh.h.

#include "query/shape/crtsh.h"

#include "index/base/json.h"
#include "index/base/text.h"
#include "index/store/keys.h"

enum {
    // Ways to be found that are places in a certificate: each is an identity.
    VIA_PLACES = VIA_SAN_DNS | VIA_SAN_IP | VIA_CN | VIA_SAN_EMAIL |
                 VIA_SAN_URI | VIA_SAN_OTHER | VIA_SAN_DIRECTORY |
                 VIA_SUBJECT_EMAIL,
};

// The columns, in crt.sh's order.
enum column {
    ISSUER_CA_ID,
    ISSUER_NAME,
    COMMON_NAME,
    NAME_VALUE,
    ID,
    ENTRY_TIMESTAMP,
    NOT_BEFORE,
    NOT_AFTER,
    SERIAL_NUMBER,
    RESULT_COUNT,
    NUM_COLUMNS,
};

static const struct {
    const char *name;
    bool is_number, in_json_only;
} columns[NUM_COLUMNS] = {
    [ISSUER_CA_ID] = {"issuer_ca_id", true, false},
    [ISSUER_NAME] = {"issuer_name", false, false},
    [COMMON_NAME] = {"common_name", false, false},
    [NAME_VALUE] = {"name_value", false, false},
    [ID] = {"id", true, false},
    [ENTRY_TIMESTAMP] = {"entry_timestamp", false, false},
    [NOT_BEFORE] = {"not_before", false, false},
    [NOT_AFTER] = {"not_after", false, false},
    [SERIAL_NUMBER] = {"serial_number", false, false},
    [RESULT_COUNT] = {"result_count", true, true},
};

// One value: `end` is where it ends in the row's text; it begins where the one
// before ends.
struct values {
    struct buffer text; // printable UTF-8 and newlines
    size_t ends[NUM_COLUMNS];
    bool is_null[NUM_COLUMNS];
};

// ------------------------------------------------------------- names

static bool asks_by_name(const struct question *question)
{
    return question->kind != QUESTION_HASH;
}

// Tells whether a term is asked for; `via` is set to how it matched.
static bool is_asked(const struct question *question, const struct term *term,
                     struct buffer *key, uint32_t *via)
{
    if (term->kind == TERM_IRREGULAR) return false;
    // What has no blank inside is there as TERM_DNS too.
    if (term->kind == TERM_CN_TEXT && question->kind != QUESTION_CN &&
        memchr(term->value.data, ' ', term->value.len) == NULL) {
        return false;
    }
    *via = term->via;
    if (!asks_by_name(question)) return true;
    buffer_reset(key);
    keys_append(key, term->kind, term->value);
    if (!question_match(question, term, buffer_bytes(key), via)) return false;
    if (question->filters->via != 0) *via &= question->filters->via;
    return true;
}

bool crtsh_has_match(const struct entry *entry, const struct question *question)
{
    struct buffer key = {0};
    bool has = !asks_by_name(question);
    uint32_t via;

    for (size_t i = 0; i < entry->names.num_terms && !has; i++) {
        has = is_asked(question, &entry->names.terms[i], &key, &via);
    }
    buffer_cleanup(&key);
    return has;
}

// Appends the names, one per line, and counts the places where they stand.
static unsigned append_names(struct buffer *out, const struct entry *entry,
                             const struct question *question)
{
    struct buffer key = {0}, name = {0};
    unsigned count = 0;
    bool any = false;

    for (size_t i = 0; i < entry->names.num_terms; i++) {
        const struct term *term = &entry->names.terms[i];
        unsigned places;
        uint32_t via;

        if (!is_asked(question, term, &key, &via)) continue;
        places = (unsigned)__builtin_popcount(via & VIA_PLACES);
        count += places > 0 ? places : 1;
        buffer_reset(&name);
        names_append_term(&name, term->kind, term->value);
        if (any) buffer_append_byte(out, '\n');
        any = true;
        text_append_escaped(out, buffer_bytes(&name));
    }
    if (!buffer_ok(&key) || !buffer_ok(&name)) out->failed = true;
    buffer_cleanup(&key);
    buffer_cleanup(&name);
    return count;
}

// ------------------------------------------------------------- values

static void append_made(struct buffer *out,
                        void (*make)(struct buffer *text, struct bytes from),
                        struct bytes from)
{
    struct buffer text = {0};

    make(&text, from);
    text_append_escaped(out, buffer_bytes(&text));
    if (!buffer_ok(&text)) out->failed = true;
    buffer_cleanup(&text);
}

// A time as text without its zone; an empty one is null.
static void append_time(struct values *values, enum column column,
                        const char *text)
{
    size_t len = strlen(text);

    values->is_null[column] = len == 0;
    if (len > 0) len--; // the Z
    buffer_append(&values->text, bytes_of(text, len));
}

static void append_seconds(struct values *values, enum column column,
                           int64_t seconds)
{
    char text[TEXT_TIME_LEN_MAX] = "";

    if (seconds != CERT_TIME_UNREADABLE) (void)text_time_utc(text, seconds);
    append_time(values, column, text);
}

static uint32_t issuer_number(struct bytes issuer)
{
    struct sha256_hash hash = sha256(issuer);
    struct bytes view = sha256_bytes(&hash);
    uint64_t number;

    (void)!bytes_read_uint(&view, &number, 4);
    return (uint32_t)number & 0x7fffffff;
}

static void append_value(struct values *values, enum column column,
                         const struct crtsh_row *row, const struct entry *entry,
                         const struct question *question, unsigned *num_names)
{
    const struct cert *cert = &entry->cert;
    struct buffer *out = &values->text;
    char time_text[TEXT_TIME_LEN_MAX];
    size_t start = out->len;

    switch (column) {
    case ISSUER_CA_ID:
        buffer_printf(out, "%u", (unsigned)issuer_number(cert->issuer));
        break;
    case ISSUER_NAME:
        append_made(out, cert_append_name_plain, cert->issuer);
        break;
    case COMMON_NAME:
        append_made(out, cert_append_common_name, cert->subject);
        values->is_null[column] = out->len == start;
        break;
    case NAME_VALUE:
        *num_names = append_names(out, entry, question);
        break;
    case ID:
        buffer_printf(out, "%llu", (unsigned long long)row->id);
        break;
    case ENTRY_TIMESTAMP:
        append_time(values, column,
                    text_time_utc_ms(time_text, row->timestamp_ms));
        break;
    case NOT_BEFORE:
        append_seconds(values, column, cert->not_before);
        break;
    case NOT_AFTER:
        append_seconds(values, column, cert->not_after);
        break;
    case SERIAL_NUMBER:
        text_append_hex(out, cert->serial);
        break;
    case RESULT_COUNT:
        buffer_printf(out, "%u", *num_names);
        break;
    case NUM_COLUMNS:
        break;
    }
}

// ------------------------------------------------------------- outputs

static void write_json(struct buffer *out, enum column column,
                       struct bytes text, bool is_null)
{
    buffer_append_byte(out, column == 0 ? '{' : ',');
    buffer_printf(out, "\"%s\":", columns[column].name);
    if (is_null) {
        buffer_append_text(out, "null");
    } else if (columns[column].is_number) {
        buffer_append(out, text);
    } else if (!json_append_verbatim(out, text)) {
        json_append_string(out, text);
    }
    if (column == NUM_COLUMNS - 1) buffer_append_byte(out, '}');
}

// RFC 4180.
static void write_csv(struct buffer *out, enum column column, struct bytes text)
{
    bool is_quoted = false;

    for (size_t i = 0; i < text.len; i++) {
        if (memchr(",\"\r\n", text.data[i], 4) != NULL) is_quoted = true;
    }
    if (column > 0) buffer_append_byte(out, ',');
    if (is_quoted) buffer_append_byte(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == '"') buffer_append_byte(out, '"');
        buffer_append_byte(out, text.data[i]);
    }
    if (is_quoted) buffer_append_byte(out, '"');
    if (column == SERIAL_NUMBER) buffer_append_text(out, "\r\n");
}

static void append_html(struct buffer *out, struct bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.data[i]) {
        case '<':
            buffer_append_text(out, "&lt;");
            break;
        case '>':
            buffer_append_text(out, "&gt;");
            break;
        case '&':
            buffer_append_text(out, "&amp;");
            break;
        case '"':
            buffer_append_text(out, "&quot;");
            break;
        case '\n':
            buffer_append_text(out, "<br>");
            break;
        default:
            buffer_append_byte(out, text.data[i]);
        }
    }
}

static void write_html(struct buffer *out, enum column column,
                       struct bytes text)
{
    buffer_append_text(out, column == 0 ? "<tr><td>" : "<td>");
    if (column == ID) {
        buffer_append_text(out, "<a href=\"?d=");
        buffer_append(out, text);
        buffer_append_text(out, "\">");
    }
    append_html(out, text);
    buffer_append_text(out, column == ID ? "</a></td>" : "</td>");
    if (column == SERIAL_NUMBER) buffer_append_text(out, "</tr>\n");
}

void crtsh_begin(struct buffer *out, enum crtsh_output output)
{
    if (output == CRTSH_JSON) {
        buffer_append_byte(out, '[');
        return;
    }
    if (output == CRTSH_HTML) {
        buffer_append_text(
            out, "<!DOCTYPE html>\n<html lang=\"en\"><head>"
                 "<meta charset=\"utf-8\"><title>certificates</title></head>"
                 "<body><table border=\"1\">\n");
    }
    for (enum column i = 0; i < NUM_COLUMNS; i++) {
        if (columns[i].in_json_only) continue;
        if (output == CRTSH_CSV) {
            write_csv(out, i, bytes_from_text(columns[i].name));
        } else {
            buffer_printf(out, "%s<th>%s</th>%s", i == 0 ? "<tr>" : "",
                          columns[i].name, i == SERIAL_NUMBER ? "</tr>\n" : "");
        }
    }
}

void crtsh_end(struct buffer *out, enum crtsh_output output)
{
    if (output == CRTSH_JSON) buffer_append_text(out, "]\n");
    if (output == CRTSH_HTML) {
        buffer_append_text(out, "</table></body></html>\n");
    }
}

void crtsh_append_row(struct buffer *out, enum crtsh_output output,
                      const struct crtsh_row *row, const struct entry *entry,
                      const struct question *question)
{
    struct values values = {0};
    unsigned num_names = 0;
    size_t start = 0;

    for (enum column i = 0; i < NUM_COLUMNS; i++) {
        append_value(&values, i, row, entry, question, &num_names);
        values.ends[i] = values.text.len;
    }
    for (enum column i = 0; i < NUM_COLUMNS; i++) {
        struct bytes text =
            bytes_of(values.text.data + start, values.ends[i] - start);

        start = values.ends[i];
        if (output == CRTSH_JSON) {
            write_json(out, i, text, values.is_null[i]);
        } else if (columns[i].in_json_only) {
            continue;
        } else if (output == CRTSH_CSV) {
            write_csv(out, i, text);
        } else {
            write_html(out, i, text);
        }
    }
    if (!buffer_ok(&values.text)) out->failed = true;
    buffer_cleanup(&values.text);
}
