// visitor.h - a client of the test log.
//
// It asks by plain blocking calls and checks heads with BoringSSL alone:
// nothing of ingest or of index/net is in it.  Whatever goes wrong fails the
// test.

#pragma once

#include <openssl/evp.h>

#include "index/base/json.h"
#include "tests/support/check.h"
#include "tests/support/testlog.h"

enum { VISITOR_HASHES_MAX = 64 };

// What came; `head` ends with a NUL.  visitor_reply_cleanup() it.
struct visitor_reply {
    int status; // 0: no answer
    struct buffer head;
    struct buffer body;
};

// A signed head; `verifies` tells whether its signature does.
struct visitor_head {
    uint64_t size, timestamp;
    struct sha256_hash root;
    bool verifies;
};

// visitor_open opens a log, visitor_start serves one: testlog_stop() it.
struct testlog *visitor_open(const struct testlog_options *options);
struct testlog *visitor_start(const struct testlog_options *options);

// visitor_set_faults is testlog_set_faults.
void visitor_set_faults(struct testlog *log, const char *faults);

// visitor_connect is a connected socket; close it.
int visitor_connect(uint16_t port);

// visitor_fetch asks for one target on a connection of its own.
struct visitor_reply visitor_fetch(struct testlog *log, const char *format, ...)
    PRINTF_LIKE(2, 3);
void visitor_reply_cleanup(struct visitor_reply *reply);

// visitor_json asks for a target that is answered with 200 and JSON;
// json_free() it.
struct json *visitor_json(struct testlog *log, const char *target);

// visitor_status asks and gives only the status.
int visitor_status(struct testlog *log, const char *target);

// visitor_hashes reads an array of hashes in base64 and gives their number.
size_t visitor_hashes(const struct json *array,
                      struct sha256_hash out[VISITOR_HASHES_MAX]);

// visitor_line takes one line, without its LF, off the front.
struct bytes visitor_line(struct bytes *text);

// visitor_log_key is the key that a log's description gives, whose hash is its
// log id; EVP_PKEY_free() it.
EVP_PKEY *visitor_log_key(struct testlog *log, enum testlog_api api,
                          struct sha256_hash *log_id);

// visitor_sth asks for a head of RFC 6962.
struct visitor_head visitor_sth(struct testlog *log);

// visitor_checkpoint asks for a head of static CT: the origin is the
// submission URL's, one line's key id is SHA-256(origin || LF || 05 || log id),
// and lines of others stand around; `place` is where ours was.
struct visitor_head visitor_checkpoint(struct testlog *log, unsigned *place);
