/* sanct.h - every certificate ever issued for a name: the client library.
 *
 *   struct sanct *sanct;
 *   struct sanct_answer *answer;
 *   const struct sanct_issuance *issuance;
 *
 *   if (sanct_connect(&sanct, NULL) == SANCT_OK &&       (or sanct_open)
 *       sanct_ask(sanct, "example.com", "unexpired=1", &answer) == SANCT_OK) {
 *       while (sanct_next(answer, &issuance) == SANCT_OK && issuance != NULL)
 *           puts(sanct_text(issuance, "not_before"));
 *       sanct_answer_close(answer);
 *   }
 *   if (sanct_status(sanct) != SANCT_OK) fprintf(stderr, "%s\n",
 *                                                sanct_error(sanct));
 *   sanct_close(sanct);
 *
 * Questions go to an index on this machine (sanct_open) or to sanctd over its
 * Unix socket (sanct_connect); answers are the same.
 *
 * Lifetime  what is returned lives until the next call about the same answer;
 *           an answer lives no longer than its source.  Closing NULL is fine.
 * Order     over a socket many questions may be under way at once; their
 *           answers are read in the order in which they were asked.  Closing
 *           one early passes over what is left of it.
 * Result    an enum sanct_status; of a failure the sentence is sanct_error().
 *           Over a socket what is wrong with a question is told by the first
 *           sanct_next of its answer.
 * Thread    a source belongs to one thread at a time, with its answers.
 * Limit     SANCT_ASKED_MAX questions under way.  An answer of any length
 *           takes bounded memory.  An open answer from an index keeps the
 *           index from reusing space: close it.  Where an index is so damaged
 *           that its mapping faults, the process ends with exit code 6.
 *           It brings BoringSSL: not for a process that holds OpenSSL too.
 */

#ifndef SANCT_H
#define SANCT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#ifdef __GNUC__
#pragma GCC visibility push(default)
#endif

enum { SANCT_ASKED_MAX = 4096 };

/* The numbers are also the exit codes of sanct-query. */
enum sanct_status {
    SANCT_OK = 0,
    SANCT_NOT_FOUND = 1,
    SANCT_USAGE = 2,   /* no question, no such filter, a call out of order */
    SANCT_NETWORK = 4, /* no server there, or no answer that can be read */
    SANCT_INDEX = 6,   /* no index there, or it is damaged */
    SANCT_MEMORY = 8   /* no memory left */
};

struct sanct;          /* a source: an index or a server */
struct sanct_answer;   /* the answer to one question */
struct sanct_issuance; /* a certificate and its precertificate, in any logs */

/* sanct_version is the library's version, "0.1.0". */
const char *sanct_version(void);

/* sanct_open opens the index in `dir`; NULL is the usual place.  The source is
 * made, for sanct_error, also where it fails; it is NULL without memory. */
enum sanct_status sanct_open(struct sanct **source, const char *dir);

/* sanct_connect connects to sanctd at `path`; NULL is the usual place. */
enum sanct_status sanct_connect(struct sanct **source, const char *path);

/* sanct_close closes it; its answers are closed before. */
void sanct_close(struct sanct *source);

/* sanct_status is what became of the last call, sanct_error the sentence about
 * it, "" where it went well. */
enum sanct_status sanct_status(const struct sanct *source);
const char *sanct_error(const struct sanct *source);

/* sanct_ask asks for a name, an address, a prefix or a hash, as sanct-query(1)
 * takes them.  `filters` are parameters as a URL has them, percent-encoded:
 * "subdomains=1&since=2024-01-01"; NULL for none.  sanct_answer_close() it. */
enum sanct_status sanct_ask(struct sanct *source, const char *what,
                            const char *filters, struct sanct_answer **answer);

/* sanct_next gives the next issuance; at the end it is NULL. */
enum sanct_status sanct_next(struct sanct_answer *answer,
                             const struct sanct_issuance **issuance);

/* sanct_answer_close ends an answer at any point. */
void sanct_answer_close(struct sanct_answer *answer);

/* After the end of an answer:
 * sanct_is_whole tells whether every log was read up to date: else more may
 * have been issued.  sanct_cursor is what the filter `after` takes to go on
 * where `limit` cut, NULL where nothing was cut. */
int sanct_is_whole(const struct sanct_answer *answer);
const char *sanct_cursor(const struct sanct_answer *answer);

/* sanct_count counts issuances; `limit` and `after` make no difference. */
enum sanct_status sanct_count(struct sanct *source, const char *what,
                              const char *filters, uint64_t *count);

/* sanct_json is the issuance as JSON (sanct-query(1)), ended by a zero byte;
 * `len`, where not NULL, is its length without that. */
const char *sanct_json(const struct sanct_issuance *issuance, size_t *len);

/* sanct_text is a member that is a text, by its name or, inside of others, by
 * names with dots ("key.type"); NULL where there is none. */
const char *sanct_text(const struct sanct_issuance *issuance,
                       const char *member);

/* sanct_num counts the elements of a member that is a list; sanct_text_at is
 * one of them, NULL where it is no text. */
size_t sanct_num(const struct sanct_issuance *issuance, const char *member);
const char *sanct_text_at(const struct sanct_issuance *issuance,
                          const char *member, size_t index);

#ifdef __GNUC__
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif

#endif
