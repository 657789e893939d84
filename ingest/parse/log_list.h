// log_list.h - what is said about a log before it is read: key, URL, state.
//
// One log as JSON (the object of a log list, a log.v3.json, or "CT Log
// Metadata" with submission_endpoint and monitoring_endpoint), or a log list
// of version 3.  The key is all that a log's data is trusted by: a log_id that
// is not the SHA-256 of the key makes a description, and the whole of a list,
// unusable.  Members that are not known are ignored.
//
// An entry of a list that fits its key and still cannot be read from (no URL,
// a key of another kind, a placeholder) has a `problem`: it is never selected
// and costs only itself.
//
// Lifetime  a description owns nothing and may be copied.
// Result    ERR_CONFIG: unusable; ERR_USAGE: nothing there that was asked for.
// Limit     JSON_DOCUMENT_MAX bytes of JSON, LOG_LIST_LOGS_MAX logs.

#pragma once

#include "index/base/json.h"
#include "index/index.h"

enum {
    LOG_LIST_LOGS_MAX = 4096,
    LOG_KEY_LEN_MAX = 1100, // RSA of 8192 bits has 1,062
};

// The state of a list's entry.  The order is that of a log's life.
enum log_state {
    LOG_STATE_NONE, // none given, as in log files
    LOG_STATE_PENDING,
    LOG_STATE_QUALIFIED,
    LOG_STATE_USABLE,
    LOG_STATE_READONLY,
    LOG_STATE_RETIRED,
    LOG_STATE_REJECTED,
    LOG_STATE_OTHER, // a word that is not known
};

enum log_type { LOG_TYPE_PROD, LOG_TYPE_OTHER }; // absent is PROD

struct log_description {
    char name[128];               // description, escaped; else the origin
    char operator_name[128];      // escaped; empty in a log file
    char url[512];                // that it is read from, with "/" at its end
    char fallback_url[512];       // RFC 6962, where `url` gives tiles; or empty
    char origin[256];             // submission URL without scheme and last "/"
    enum log_api api;             // 0: not said
    uint8_t key[LOG_KEY_LEN_MAX]; // DER SubjectPublicKeyInfo
    size_t key_len;               // 0: none is given
    bool has_id;
    struct sha256_hash id; // the log id: of the key, or said without a key
    bool has_mmd;
    uint64_t mmd_seconds;
    enum log_state state;
    enum log_type type;
    bool ended; // readonly, retired, rejected, inactive
    bool has_final;
    uint64_t final_size; // final_tree_head
    struct sha256_hash final_root;
    bool placeholder;  // never connect to it
    char problem[128]; // why it cannot be read from; empty: it can
};

// log_description_parse reads one log.  `key_len` is 0 and `url` is empty
// where the file gives none: the caller has --key and a URL, or refuses.
MUST_USE bool log_description_parse(struct log_description *log,
                                    struct bytes json, struct err *err);

// log_description_read reads one out of a document.  What makes it unreadable
// alone goes to `problem`; false is for what no list may hold.
MUST_USE bool log_description_read(struct log_description *log,
                                   const struct json *json, struct err *err);

// log_description_set_key gives a log its key (--key: DER, PEM or base64);
// ERR_CONFIG when it does not fit the id that the log has.
MUST_USE bool log_description_set_key(struct log_description *log,
                                      struct bytes key, struct err *err);

// log_description_set_url checks an http or https URL, closes it with "/" and
// takes it; an empty origin is filled from it, an empty name from the origin.
// It is what is read, and nothing in its place.
MUST_USE bool log_description_set_url(struct log_description *log,
                                      const char *url, struct err *err);

// ---------------------------------------------------------------- lists

struct log_list {
    bool has_timestamp;
    int64_t timestamp; // log_list_timestamp, in seconds since 1970
    char version[32];  // escaped; empty where there is none
    size_t num_logs;
    struct log_description *logs; // as they stand in the list
};

// log_list_parse reads a list; log_list_cleanup() it.
MUST_USE bool log_list_parse(struct log_list *list, struct bytes json,
                             struct err *err);
void log_list_cleanup(struct log_list *list);

// log_list_verify checks a list's signature (RSA PKCS #1 v1.5 or ECDSA, with
// SHA-256, over the whole file) by `key` (DER, PEM or base64), where that is
// empty by Google's, which is built in.
MUST_USE bool log_list_verify(struct bytes json, struct bytes signature,
                              struct bytes key, struct err *err);

// log_list_signature_url appends where the signature of `url` lies: X.sig for
// X.json (a query stays behind it), else .sig is added.
void log_list_signature_url(struct buffer *out, const char *url);

// What became of a log of the list.
enum log_verdict {
    LOG_NOT_ASKED,   // outside of --operator, or no name asks for it
    LOG_SELECTED,    //
    LOG_PASSED_OVER, // would be meant, but: name it on stderr with the reason
};

// What is asked of a list.
struct log_choice {
    bool all;                     // --all
    const char *const *operators; // --operator, any case
    size_t num_operators;
    const char *states; // --state: "usable,readonly"; NULL: not given
    // Names as SOURCE: description, origin, URL or log id, any case; else
    // the part in quotes ('Argon2026h1') or a word that only one log has.
    const char *const *names;
    size_t num_names;
};

// log_list_select fills `verdicts` and `reasons` (one a log; a reason is
// static text or the log's `problem`, NULL unless passed over).  --all means
// qualified, usable and readonly logs of log_type prod; --operator and --state
// narrow that and imply it; a name selects whatever the state and type.
// ERR_USAGE: a state or operator that does not exist, a name that no log or
// more than one has, a named placeholder, or nothing selected at all.
MUST_USE bool log_list_select(const struct log_list *list,
                              const struct log_choice *choice,
                              enum log_verdict *verdicts, const char **reasons,
                              struct err *err);

// log_list_find finds a log by its id; NULL when the list has none.
const struct log_description *log_list_find(const struct log_list *list,
                                            const struct sha256_hash *id);

// log_state_word is a state as lists write it; "" for none or another.
const char *log_state_word(enum log_state state);
