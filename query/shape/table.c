// table.c - see table.h.

#include "query/shape/table.h"

#include "index/base/json.h"
#include "index/base/text.h"

enum {
    DATE_WIDTH = 10,
    TYPE_WIDTH = 7,
    ISSUER_WIDTH = 28,
    GAP = 2,
    NAMES_WIDTH =
        TABLE_WIDTH - 2 * DATE_WIDTH - TYPE_WIDTH - ISSUER_WIDTH - 4 * GAP,
};

static size_t count_characters(struct bytes text)
{
    size_t num = 0;

    for (size_t i = 0; i < text.len; i++) {
        if ((text.data[i] & 0xc0) != 0x80) num++;
    }
    return num;
}

// Cuts a text to so many characters, counted as a terminal shows most of them.
static struct bytes cut(struct bytes text, size_t width)
{
    size_t num = 0;

    for (size_t i = 0; i < text.len; i++) {
        if ((text.data[i] & 0xc0) != 0x80 && ++num > width) {
            return bytes_of(text.data, i);
        }
    }
    return text;
}

// A column: the text, cut with "..." where it is too long, then blanks.
static void append_column(struct buffer *out, struct bytes text, size_t width)
{
    size_t used = count_characters(text);

    if (used > width) {
        buffer_append(out, cut(text, width - 3));
        buffer_append_text(out, "...");
        used = width;
    } else {
        buffer_append(out, text);
    }
    for (; used < width + GAP; used++) {
        buffer_append_byte(out, ' ');
    }
}

void table_append_head(struct buffer *out)
{
    append_column(out, bytes_from_text("NOT BEFORE"), DATE_WIDTH);
    append_column(out, bytes_from_text("NOT AFTER"), DATE_WIDTH);
    append_column(out, bytes_from_text("TYPE"), TYPE_WIDTH);
    append_column(out, bytes_from_text("ISSUER"), ISSUER_WIDTH);
    buffer_append_text(out, "NAMES\n");
}

static struct bytes text_of(const struct json *value)
{
    struct bytes text = {0};

    if (value == NULL || !json_text(value, &text)) return (struct bytes){0};
    return text;
}

static void append_date(struct buffer *out, const struct json *value)
{
    struct bytes text = text_of(value);

    if (text.len == 0) text = bytes_from_text("unreadable");
    append_column(out, cut(text, DATE_WIDTH), DATE_WIDTH);
}

// "both" where precertificate and certificate were seen.
static struct bytes type_of(const struct json *certificates)
{
    struct bytes type = bytes_from_text("?");

    for (size_t i = 0; i < json_size(certificates); i++) {
        struct bytes other =
            text_of(json_member(json_at(certificates, i), "type"));

        if (other.len == 0) continue;
        if (!bytes_equal_text(type, "?") && !bytes_equal(type, other)) {
            return bytes_from_text("both");
        }
        type = other;
    }
    return type;
}

// A list that fills the rest of a line: what has no room is counted.
struct names {
    struct buffer text;
    struct bytes last;
    size_t num_left;
};

static void add_name(struct names *names, struct bytes name)
{
    size_t used = count_characters(buffer_bytes(&names->text));
    bool first = names->text.len == 0;

    if (name.len == 0 || bytes_equal(name, names->last)) return;
    names->last = name;
    if (names->num_left > 0 ||
        (!first && used + 2 + count_characters(name) + 8 > NAMES_WIDTH)) {
        names->num_left++;
        return;
    }
    if (!first) buffer_append_text(&names->text, ", ");
    if (count_characters(name) > NAMES_WIDTH - 12) {
        buffer_append(&names->text, cut(name, NAMES_WIDTH - 15));
        buffer_append_text(&names->text, "...");
    } else {
        buffer_append(&names->text, name);
    }
}

static struct bytes name_at(const struct json *list, size_t i)
{
    const struct json *item = json_at(list, i);

    return text_of(json_is_object(item) ? json_member(item, "name") : item);
}

static bool list_has(const struct json *list, size_t num, struct bytes name)
{
    for (size_t i = 0; i < num; i++) {
        if (bytes_equal(name_at(list, i), name)) return true;
    }
    return false;
}

// The names of `list` that are not among those that matched.  A certificate
// may have 100,000: beyond the first LOOK_MAX they are only counted.
static void add_names(struct names *names, const struct json *list,
                      const struct json *matched)
{
    enum { LOOK_MAX = 64 };

    for (size_t i = 0; i < json_size(list); i++) {
        if (list != matched && i < LOOK_MAX &&
            list_has(matched,
                     json_size(matched) < LOOK_MAX ? json_size(matched)
                                                   : LOOK_MAX,
                     name_at(list, i))) {
            continue;
        }
        add_name(names, name_at(list, i));
    }
}

// The names that matched, then the others that the certificate has.
static void append_names(struct buffer *out, const struct json *issuance)
{
    static const char *const lists[] = {"matched", "dns_names", "ip_addresses"};
    const struct json *matched = json_member(issuance, "matched");
    const struct json *flags = json_member(issuance, "flags");
    struct names names = {0};

    for (size_t i = 0; i < COUNT_OF(lists); i++) {
        add_names(&names, json_member(issuance, lists[i]), matched);
    }
    if (names.text.len == 0) {
        add_names(&names, json_member(issuance, "common_names"), NULL);
    }
    buffer_append(out, buffer_bytes(&names.text));
    if (names.num_left > 0) buffer_printf(out, ", +%zu", names.num_left);
    if (!buffer_ok(&names.text)) out->failed = true;
    buffer_cleanup(&names.text);
    for (size_t i = 0; i < json_size(flags); i++) {
        buffer_append_text(out, i == 0 ? " [" : ", ");
        buffer_append(out, text_of(json_at(flags, i)));
    }
    if (json_size(flags) > 0) buffer_append_byte(out, ']');
}

static struct bytes issuer_of(const struct json *issuance)
{
    const struct json *issuer = json_member(issuance, "issuer");
    struct bytes name = text_of(json_member(issuer, "common_name"));

    if (name.len == 0) name = text_of(json_member(issuer, "name"));
    return name;
}

bool table_append_row(struct buffer *out, struct bytes issuance,
                      struct err *err)
{
    struct json *json;

    if (!json_parse(&json, issuance, err)) {
        return err_wrap(err, "an issuance");
    }
    append_date(out, json_member(json, "not_before"));
    append_date(out, json_member(json, "not_after"));
    append_column(out, type_of(json_member(json, "certificates")), TYPE_WIDTH);
    append_column(out, issuer_of(json), ISSUER_WIDTH);
    append_names(out, json);
    buffer_append_byte(out, '\n');
    json_free(json);
    return true;
}

void table_append_summary(struct buffer *out, struct bytes query,
                          uint64_t num_issuances, bool is_cut,
                          uint64_t elapsed_us)
{
    buffer_append(out, cut(query, TABLE_WIDTH / 2));
    buffer_printf(out, ": %llu issuance%s%s in %llu.%03llu ms\n",
                  (unsigned long long)num_issuances,
                  num_issuances == 1 ? "" : "s", is_cut ? ", more follow," : "",
                  (unsigned long long)(elapsed_us / 1000),
                  (unsigned long long)(elapsed_us % 1000));
}
