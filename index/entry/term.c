// term.c - terms of questions, and terms and their bits as text; see names.h.

#include "index/base/text.h"
#include "index/entry/derive.h"
#include "index/entry/host.h"

bool names_from_text(struct term_list *out, struct bytes text,
                     struct arena *arena, struct err *err)
{
    struct terms terms = {.arena = arena};

    *out = (struct term_list){0};
    derive_question(&terms, text);
    if (!terms_finish(&terms)) {
        return err_set(err, ERR_MEMORY, "no memory for a name");
    }
    if (terms.num == 0) {
        return err_set(err, ERR_USAGE,
                       "a name has nothing but blanks and dots");
    }
    *out = (struct term_list){terms.list, terms.num, terms.flags};
    return true;
}

struct bytes names_cn_text(struct bytes text)
{
    return host_trim_blanks(text);
}

bool names_is_text(enum term_kind kind)
{
    return kind == TERM_DNS || kind == TERM_IRREGULAR || kind == TERM_CN_TEXT;
}

void names_append_term(struct buffer *out, enum term_kind kind,
                       struct bytes value)
{
    if (names_is_text(kind)) {
        buffer_append(out, value);
        return;
    }
    switch (kind) {
    case TERM_IPV4:
    case TERM_IPV6:
        names_append_ip(out, value);
        return;
    default:
        text_append_hex(out, value);
        return;
    }
}

struct word {
    uint32_t bit;
    const char *text;
};

static const struct word via_words[] = {
    {VIA_SAN_DNS, "san-dns"},
    {VIA_SAN_IP, "san-ip"},
    {VIA_CN, "cn"},
    {VIA_SAN_EMAIL, "san-email"},
    {VIA_SAN_URI, "san-uri"},
    {VIA_SAN_OTHER, "san-other"},
    {VIA_SAN_DIRECTORY, "san-directory"},
    {VIA_SUBJECT_EMAIL, "subject-email"},
    {VIA_SALVAGED, "salvaged"},
    {VIA_UNAUTHENTICATED, "unauthenticated"},
    {VIA_DERIVED, "derived"},
    {VIA_WILDCARD, "wildcard"},
    {VIA_IRREGULAR, "irregular"},
};

static const struct word flag_words[] = {
    {FLAG_IP_IN_DNS_NAME, "ip-in-dns-name"},
    {FLAG_IP_IN_CN, "ip-in-cn"},
    {FLAG_IP_BAD_LENGTH, "ip-bad-length"},
    {FLAG_NUL_IN_NAME, "nul-in-name"},
    {FLAG_UNPRINTABLE_NAME, "unprintable-name"},
    {FLAG_EMPTY_NAME, "empty-name"},
    {FLAG_LONG_NAME, "long-name"},
    {FLAG_ODD_WILDCARD, "odd-wildcard"},
    {FLAG_NAME_NOT_ASCII, "name-not-ascii"},
    {FLAG_URL_IN_NAME, "url-in-name"},
    {FLAG_DUPLICATE_SAN, "duplicate-san"},
    {FLAG_SALVAGED, "salvaged"},
    {FLAG_NO_NAMES, "no-names"},
    {FLAG_CN_NOT_IN_SAN, "cn-not-in-san"},
    {FLAG_UNPARSED, "unparsed"},
    {FLAG_PRECERT_MISMATCH, "precert-mismatch"},
    {FLAG_WRONG_LEAF_INDEX, "wrong-leaf-index"},
    {FLAG_BAD_DATE, "bad-date"},
    {FLAG_CHAIN_UNREADABLE, "chain-unreadable"},
    {FLAG_ISSUER_UNVERIFIED, "issuer-unverified"},
    {FLAG_SERIAL_REUSED, "serial-reused"},
};

static const char *word_of(const struct word *words, size_t num, uint32_t bit)
{
    for (size_t i = 0; i < num; i++) {
        if (words[i].bit == bit) return words[i].text;
    }
    return NULL;
}

const char *names_via_word(uint32_t bit)
{
    return word_of(via_words, COUNT_OF(via_words), bit);
}

const char *names_flag_word(uint32_t bit)
{
    return word_of(flag_words, COUNT_OF(flag_words), bit);
}
