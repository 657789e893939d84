// http_text.c - see http_text.h.

#include "index/net/http_text.h"

#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "index/base/text.h"

// ---------------------------------------------------------------- fields

bool http_is_token_char(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static struct bytes trim(struct bytes text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        (void)bytes_skip(&text, 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' ||
                            text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

bool http_equal(struct bytes text, const char *word)
{
    return text.len == strlen(word) &&
           (text.len == 0 ||
            strncasecmp((const char *)text.data, word, text.len) == 0);
}

// Takes what stands before `end` off `text`, and `end` itself; false when
// `end` is not there: then all of it is taken.
static bool take_until(struct bytes *text, uint8_t end, struct bytes *out)
{
    const uint8_t *found;
    size_t len;

    *out = *text;
    if (text->len == 0) return false;
    found = memchr(text->data, end, text->len);
    len = found == NULL ? text->len : (size_t)(found - text->data);
    out->len = len;
    (void)bytes_skip(text, found == NULL ? len : len + 1);
    return found != NULL;
}

bool http_field_next(struct bytes *fields, struct bytes *name,
                     struct bytes *value)
{
    while (fields->len > 0) {
        struct bytes line;

        (void)take_until(fields, '\n', &line);
        if (line.len > 0 && line.data[line.len - 1] == '\r') line.len--;
        if (take_until(&line, ':', name)) {
            *value = trim(line);
            return true;
        }
    }
    return false;
}

bool http_field_find(struct bytes fields, const char *name, struct bytes *value)
{
    struct bytes found, content;

    while (http_field_next(&fields, &found, &content)) {
        if (http_equal(found, name)) {
            *value = content;
            return true;
        }
    }
    return false;
}

struct bytes http_list_next(struct bytes *list)
{
    struct bytes item;

    (void)take_until(list, ',', &item);
    return trim(item);
}

bool http_list_has(struct bytes fields, const char *name, const char *token)
{
    struct bytes found, value;

    while (http_field_next(&fields, &found, &value)) {
        if (!http_equal(found, name)) continue;
        while (value.len > 0) {
            struct bytes item = http_list_next(&value), word;

            (void)take_until(&item, ';', &word);
            if (http_equal(trim(word), token)) return true;
        }
    }
    return false;
}

// ---------------------------------------------------------------- targets

bool http_target_split(struct bytes target, struct bytes *authority,
                       struct bytes *path, struct bytes *query)
{
    static const char *const schemes[] = {"http://", "https://"};
    struct bytes rest = target;

    *authority = bytes_of(NULL, 0);
    *query = bytes_of(NULL, 0);
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        size_t len = strlen(schemes[i]);

        if (target.len < len ||
            strncasecmp((const char *)target.data, schemes[i], len) != 0) {
            continue;
        }
        (void)bytes_skip(&rest, len);
        *authority = rest;
        authority->len = 0;
        while (rest.len > 0 && strchr("/?#", rest.data[0]) == NULL) {
            authority->len++;
            (void)bytes_skip(&rest, 1);
        }
        if (authority->len == 0) return false;
        if (rest.len == 0 || rest.data[0] != '/') {
            // "http://host?q" means "/?q" (RFC 9112 section 3.2.1).
            if (rest.len > 0 && rest.data[0] == '?') {
                *query = bytes_of(rest.data + 1, rest.len - 1);
            }
            *path = bytes_from_text("/");
            return rest.len == 0 || rest.data[0] == '?';
        }
    }
    if (!bytes_equal_text(rest, "*") && (rest.len == 0 || rest.data[0] != '/'))
        return false;
    (void)take_until(&rest, '?', path);
    *query = rest;
    return true;
}

bool http_query_next(struct bytes *query, struct bytes *name,
                     struct bytes *value)
{
    while (query->len > 0) {
        struct bytes item;

        (void)take_until(query, '&', &item);
        if (item.len == 0) continue;
        (void)take_until(&item, '=', name);
        *value = item;
        return true;
    }
    return false;
}

static bool decode(struct buffer *out, struct bytes encoded, bool plus,
                   bool loosely)
{
    while (encoded.len > 0) {
        uint8_t byte = encoded.data[0];

        if (byte == '+' && plus) byte = ' ';
        if (byte == '%') {
            if (encoded.len >= 3 &&
                text_parse_hex(&byte, 1, bytes_of(encoded.data + 1, 2))) {
                (void)bytes_skip(&encoded, 2);
            } else if (!loosely) {
                return false;
            }
        }
        buffer_append_byte(out, byte);
        (void)bytes_skip(&encoded, 1);
    }
    return true;
}

bool http_percent_decode(struct buffer *out, struct bytes encoded, bool plus)
{
    return decode(out, encoded, plus, false);
}

void http_percent_decode_loosely(struct buffer *out, struct bytes encoded,
                                 bool plus)
{
    (void)decode(out, encoded, plus, true);
}

// ---------------------------------------------------------------- dates

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char *const weekdays[] = {"Sunday",    "Monday",   "Tuesday",
                                       "Wednesday", "Thursday", "Friday",
                                       "Saturday"};

// A date while its words are read, in whatever order they stand.
struct date {
    int year, month, day;     // -1: not yet
    int hour, minute, second; // hour -1: not yet
    int offset_minutes;
};

// Reads 1 to `max` digits and nothing else.
static bool read_digits(struct bytes text, size_t max, int *value)
{
    int sum = 0;

    if (text.len == 0 || text.len > max) return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9') return false;
        sum = sum * 10 + (text.data[i] - '0');
    }
    *value = sum;
    return true;
}

static bool read_clock(struct date *date, struct bytes word)
{
    struct bytes hour, minute;

    return date->hour < 0 && take_until(&word, ':', &hour) &&
           take_until(&word, ':', &minute) &&
           read_digits(hour, 2, &date->hour) &&
           read_digits(minute, 2, &date->minute) &&
           read_digits(word, 2, &date->second);
}

static bool read_zone(struct date *date, struct bytes word)
{
    int sign = word.data[0] == '-' ? -1 : 1;
    int value;

    if (http_equal(word, "GMT") || http_equal(word, "UTC") ||
        http_equal(word, "UT") || http_equal(word, "Z")) {
        return true;
    }
    if (word.len != 5 || (word.data[0] != '+' && word.data[0] != '-') ||
        !read_digits(bytes_of(word.data + 1, 4), 4, &value)) {
        return false;
    }
    date->offset_minutes = sign * (value / 100 * 60 + value % 100);
    return true;
}

static bool read_month(struct date *date, struct bytes word)
{
    for (int i = 0; i < 12; i++) {
        if (date->month < 0 && http_equal(word, months[i])) {
            date->month = i + 1;
            return true;
        }
    }
    return false;
}

static bool is_weekday(struct bytes word)
{
    for (size_t i = 0; i < COUNT_OF(weekdays); i++) {
        if (word.len >= 3 && word.len <= strlen(weekdays[i]) &&
            strncasecmp((const char *)word.data, weekdays[i], word.len) == 0) {
            return true;
        }
    }
    return false;
}

static bool read_number(struct date *date, struct bytes word)
{
    int value;

    if (!read_digits(word, 4, &value) || word.len == 3) return false;
    if (word.len <= 2 && date->day < 0) {
        date->day = value;
        return true;
    }
    if (word.len == 1 || date->year >= 0) return false;
    // Two digits: RFC 850's years.
    if (word.len == 2) value += value < 70 ? 2000 : 1900;
    date->year = value;
    return true;
}

static bool read_word(struct date *date, struct bytes word)
{
    struct bytes day, month;

    if (memchr(word.data, ':', word.len) != NULL) {
        return read_clock(date, word);
    }
    if (read_zone(date, word) || read_month(date, word) || is_weekday(word)) {
        return true;
    }
    if (memchr(word.data, '-', word.len) == NULL) {
        return read_number(date, word);
    }
    return take_until(&word, '-', &day) && take_until(&word, '-', &month) &&
           read_number(date, day) && read_month(date, month) &&
           read_number(date, word);
}

static bool is_valid(const struct date *date)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap =
        (date->year % 4 == 0 && date->year % 100 != 0) || date->year % 400 == 0;

    return date->year >= 0 && date->month >= 1 && date->day >= 1 &&
           date->day <=
               days[date->month - 1] + (date->month == 2 && leap ? 1 : 0) &&
           date->hour >= 0 && date->hour <= 23 && date->minute <= 59 &&
           date->second <= 60;
}

bool http_parse_date(int64_t *seconds, struct bytes text)
{
    struct date date = {.year = -1, .month = -1, .day = -1, .hour = -1};
    struct bytes rest = text;

    if (text_parse_time(seconds, trim(text))) return true;
    while (rest.len > 0) {
        struct bytes word = rest;

        word.len = 0;
        while (rest.len > 0 && memchr(" ,\t", rest.data[0], 3) == NULL) {
            word.len++;
            (void)bytes_skip(&rest, 1);
        }
        if (rest.len > 0) (void)bytes_skip(&rest, 1);
        if (word.len > 0 && !read_word(&date, word)) return false;
    }
    if (!is_valid(&date)) return false;
    *seconds = text_days_from_civil(date.year, (unsigned)date.month,
                                    (unsigned)date.day) *
                   86400 +
               date.hour * 3600 + date.minute * 60 + date.second -
               date.offset_minutes * 60;
    return true;
}

bool http_parse_retry_after(uint64_t *ms, struct bytes text, int64_t now)
{
    static const uint64_t forever = UINT64_C(1000000000) * 1000;
    struct bytes value = trim(text);
    uint64_t sum = 0;
    int64_t until;
    size_t i = 0;

    for (; i < value.len && value.data[i] >= '0' && value.data[i] <= '9'; i++) {
        if (sum < forever) sum = sum * 10 + (uint64_t)(value.data[i] - '0');
    }
    if (i > 0 && i == value.len) {
        *ms = sum >= forever / 1000 ? forever : sum * 1000;
        return true;
    }
    if (!http_parse_date(&until, value)) return false;
    if (until <= now) {
        *ms = 0;
    } else if (until - now >= (int64_t)(forever / 1000)) {
        *ms = forever;
    } else {
        *ms = (uint64_t)(until - now) * 1000;
    }
    return true;
}
