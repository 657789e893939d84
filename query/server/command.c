// command.c - see command.h.

#include "query/server/command.h"

#include <stdio.h>
#include <stdlib.h>

#include "index/base/text.h"
#include "index/stat.h"
#include "index/store/lmdb.h"
#include "query/server/route_parts.h"
#include "query/shape/native.h"

enum {
    CERTS_DEFAULT = 1000, // issuances without COUNT
    INFO_SIZE = 512,
};

static void write_err(struct reply *reply, const struct err *err)
{
    buffer_reset(&reply->body);
    resp_write_error(&reply->body, "ERR", err->text);
    reply->status = 400;
    reply->whole = true;
}

// ------------------------------------------------------------- questions

// CERTS or COUNT as it is being answered.
struct enquiry {
    struct route *route;
    struct arena arena;
    struct filters filters;
    struct question question;
    struct answer *rest; // counts first what CERTS would give; or NULL
    struct answer *answer;
    bool is_count;
    bool is_counted;    // `num` is known
    bool begun;         // the length of the array is written
    uint64_t num;       // of issuances to give
    struct buffer json; // one issuance
};

void enquiry_free(struct enquiry *e)
{
    if (e == NULL) return;
    arena_cleanup(&e->arena);
    free(e);
}

static void drop_enquiry(struct reply *reply)
{
    struct enquiry *e = reply->state;

    answer_close(e->rest);
    answer_close(e->answer);
    buffer_cleanup(&e->json);
    enquiry_free(e->route->enquiry);
    e->route->enquiry = e;
    reply->state = NULL;
    reply->drop = NULL;
}

static void write_step(struct enquiry *e, enum answer_step step,
                       const struct issuance *issuance, struct reply *reply)
{
    struct buffer *out = &reply->body;

    if (step == ANSWER_WORKING) return;
    if (e->is_count) {
        resp_write_int(out, answer_count(e->answer));
        return;
    }
    // How many there are is known before the first is shown.
    if (!e->begun) {
        resp_write_array(out, e->is_counted ? (size_t)e->num
                                            : answer_page_len(e->answer));
    }
    e->begun = true;
    if (step != ANSWER_ISSUANCE) return;
    buffer_reset(&e->json);
    native_append_issuance(&e->json, issuance, 0);
    if (!buffer_ok(&e->json)) out->failed = true;
    resp_write_bulk(out, buffer_bytes(&e->json));
}

// An array says its length ahead of what it holds, which is more here than an
// answer keeps in memory.
static bool count_rest(struct enquiry *e, struct snapshot *snapshot,
                       struct err *err)
{
    const struct issuance *issuance;
    enum answer_step step;

    if (!answer_next(e->rest, snapshot, &step, &issuance, err)) return false;
    if (step != ANSWER_END) return true;
    e->num = answer_count(e->rest);
    if (e->num > e->filters.limit) e->num = e->filters.limit;
    e->is_counted = true;
    answer_close(e->rest);
    e->rest = NULL;
    return true;
}

static bool more_of_enquiry(struct reply *reply, struct err *err)
{
    struct enquiry *e = reply->state;
    enum answer_step step = ANSWER_WORKING;
    const struct issuance *issuance;
    struct snapshot *snapshot;
    bool ok = route_snapshot(e->route, &snapshot, err);

    for (int i = 0; ok && i < REPLY_STEPS && step != ANSWER_END &&
                    reply->body.len < REPLY_PIECE;
         i++) {
        if (e->rest != NULL) {
            ok = count_rest(e, snapshot, err);
            continue;
        }
        ok = answer_next(e->answer, snapshot, &step, &issuance, err);
        if (ok) write_step(e, step, issuance, reply);
    }
    if (e->rest != NULL) answer_park(e->rest);
    answer_park(e->answer);
    if (ok) {
        reply->whole = step == ANSWER_END;
        return true;
    }
    if (e->begun || err->code == ERR_COLD) return false;
    write_err(reply, err);
    return true;
}

static bool has_arg(const struct resp_command *command, size_t *i,
                    const char *word, struct bytes *value)
{
    if (!resp_is(command->args[*i], word) || *i + 1 >= command->num_args) {
        return false;
    }
    *value = command->args[++*i];
    return true;
}

static bool read_count(struct filters *filters, struct bytes text,
                       struct err *err)
{
    if (filters->limit == 0 && text_parse_uint(&filters->limit, text) &&
        filters->limit >= 1) {
        return true;
    }
    return err_set(err, ERR_USAGE, "COUNT: one number, 1 or more, is wanted");
}

static bool read_options(struct enquiry *e, const struct resp_command *command,
                         struct err *err)
{
    struct filters *filters = &e->filters;
    struct bytes yes = bytes_from_text("1");
    char shown[64];

    filters->order = ORDER_FOUND;
    for (size_t i = 2; i < command->num_args; i++) {
        struct bytes value;
        bool ok = true;

        if (has_arg(command, &i, "COUNT", &value)) {
            ok = read_count(filters, value, err);
        } else if (has_arg(command, &i, "AFTER", &value)) {
            ok = (arena_copy(&e->arena, value, &value) ||
                  err_set(err, ERR_MEMORY, "no memory for a question")) &&
                 filters_set(filters, bytes_from_text("after"), value,
                             &e->arena, err);
        } else if (resp_is(command->args[i], "SUBDOMAINS")) {
            ok = filters_set(filters, bytes_from_text("subdomains"), yes,
                             &e->arena, err);
        } else if (resp_is(command->args[i], "COVERING")) {
            ok = filters_set(filters, bytes_from_text("covering"), yes,
                             &e->arena, err);
        } else {
            ok = err_set(err, ERR_USAGE,
                         "'%s' is none of COUNT n, AFTER id, SUBDOMAINS, "
                         "COVERING",
                         text_escape(shown, sizeof shown, command->args[i]));
        }
        if (!ok) return false;
    }
    if (filters->limit == 0) filters->limit = CERTS_DEFAULT;
    return true;
}

static bool open_enquiry(struct enquiry *e, const struct resp_command *command,
                         struct err *err)
{
    struct snapshot *snapshot;
    struct bytes what;

    if (!e->is_count && !read_options(e, command, err)) return false;
    if (!arena_copy(&e->arena, command->args[1], &what)) {
        return err_set(err, ERR_MEMORY, "no memory for a question");
    }
    return question_parse(&e->question, &e->filters, what, "what", &e->arena,
                          err) &&
           route_snapshot(e->route, &snapshot, err) &&
           (e->filters.limit <= ANSWER_SORTED_MAX ||
            answer_open_count_rest(&e->rest, &e->question, snapshot,
                                   clock_wall_ms(), err)) &&
           (e->is_count ? answer_open_count : answer_open)(
               &e->answer, &e->question, snapshot, clock_wall_ms(), err);
}

static bool begin_enquiry(struct route *route,
                          const struct resp_command *command, bool is_count,
                          struct reply *reply, struct err *err)
{
    struct enquiry *e = route->enquiry;

    route->enquiry = NULL;
    if (e == NULL) e = calloc(1, sizeof *e);
    if (e == NULL) return err_set(err, ERR_MEMORY, "no memory for a question");
    arena_reset(&e->arena);
    *e = (struct enquiry){
        .route = route, .arena = e->arena, .is_count = is_count};
    reply->state = e;
    reply->drop = drop_enquiry;
    reply->more = more_of_enquiry;
    reply->of_moment = true;
    return open_enquiry(e, command, err) && more_of_enquiry(reply, err);
}

static bool run_certs(struct route *route, const struct resp_command *command,
                      struct reply *reply, struct err *err)
{
    return begin_enquiry(route, command, false, reply, err);
}

static bool run_count(struct route *route, const struct resp_command *command,
                      struct reply *reply, struct err *err)
{
    return begin_enquiry(route, command, true, reply, err);
}

// ------------------------------------------------------------- the index

static bool run_cert(struct route *route, const struct resp_command *command,
                     struct reply *reply, struct err *err)
{
    struct sha256_hash hash;
    struct buffer der = {0};
    bool ok;

    if (!text_parse_hex(hash.bytes, SHA256_LEN, command->args[1])) {
        return err_set(err, ERR_USAGE, "64 hex digits of a SHA-256 are wanted");
    }
    ok = route_find_certificate(route, &hash, false, &der, err);
    if (ok) {
        resp_write_bulk(&reply->body, buffer_bytes(&der));
    } else if (err->code == ERR_NOT_FOUND) {
        resp_write_null(&reply->body);
        ok = true;
    }
    if (!buffer_ok(&der)) reply->body.failed = true;
    buffer_cleanup(&der);
    return ok;
}

static bool run_stats(struct route *route, const struct resp_command *command,
                      struct reply *reply, struct err *err)
{
    struct snapshot *snapshot;
    struct buffer json = {0};
    bool ok = route_snapshot(route, &snapshot, err) &&
              stat_append_json(&json, snapshot, err);

    (void)command;
    if (ok) resp_write_bulk(&reply->body, buffer_bytes(&json));
    buffer_cleanup(&json);
    return ok;
}

static bool run_coverage(struct route *route,
                         const struct resp_command *command,
                         struct reply *reply, struct err *err)
{
    struct snapshot *snapshot;
    struct buffer text = {0};
    bool is_whole;

    (void)command;
    if (!route_coverage(route, &is_whole, err) ||
        !route_snapshot(route, &snapshot, err)) {
        return false;
    }
    buffer_append_text(&text, is_whole ? "whole" : "partial");
    for (size_t i = 0; i < snapshot_num_logs(snapshot); i++) {
        const struct index_log *log = snapshot_log(snapshot, i);

        if (log_status(log, clock_wall_ms()) == STATUS_COMPLETE) continue;
        buffer_append_byte(&text, ' ');
        buffer_append_text(&text, log->name);
    }
    resp_write_bulk(&reply->body, buffer_bytes(&text));
    buffer_cleanup(&text);
    return true;
}

static bool run_info(struct route *route, const struct resp_command *command,
                     struct reply *reply, struct err *err)
{
    struct snapshot *snapshot;
    char text[INFO_SIZE];
    int len;

    (void)command;
    if (!route_snapshot(route, &snapshot, err)) return false;
    len = snprintf(text, sizeof text,
                   "# Server\r\nserver:sanct\r\nversion:%s\r\n"
                   "index_format:%d\r\nentries:%llu\r\nlogs:%zu\r\n",
                   SANCT_VERSION, INDEX_FORMAT,
                   (unsigned long long)snapshot_next_id(snapshot) - 1,
                   snapshot_num_logs(snapshot));
    resp_write_bulk(&reply->body, bytes_of(text, (size_t)len));
    return true;
}

// ------------------------------------------------------------- manners

static bool run_ping(struct route *route, const struct resp_command *command,
                     struct reply *reply, struct err *err)
{
    (void)route;
    (void)err;
    if (command->num_args > 1) {
        resp_write_bulk(&reply->body, command->args[1]);
    } else {
        resp_write_simple(&reply->body, "PONG");
    }
    return true;
}

static void write_text(struct buffer *out, const char *text)
{
    resp_write_bulk(out, bytes_from_text(text));
}

static bool run_hello(struct route *route, const struct resp_command *command,
                      struct reply *reply, struct err *err)
{
    struct buffer *out = &reply->body;
    bool is_map =
        command->num_args > 1 && bytes_equal_text(command->args[1], "3");

    (void)route;
    (void)err;
    if (command->num_args > 1 && !is_map &&
        !bytes_equal_text(command->args[1], "2")) {
        resp_write_error(out, "NOPROTO", "versions 2 and 3 are spoken here");
        reply->status = 400;
        return true;
    }
    buffer_append_text(out, is_map ? "%5\r\n" : "*10\r\n");
    write_text(out, "server");
    write_text(out, "sanct");
    write_text(out, "version");
    write_text(out, SANCT_VERSION);
    write_text(out, "proto");
    resp_write_int(out, is_map ? 3 : 2);
    write_text(out, "mode");
    write_text(out, "standalone");
    write_text(out, "role");
    write_text(out, "master");
    return true;
}

static bool run_auth(struct route *route, const struct resp_command *command,
                     struct reply *reply, struct err *err)
{
    (void)route;
    (void)command;
    (void)reply;
    return err_set(err, ERR_USAGE,
                   "no password is set here: who may open the "
                   "socket may ask");
}

static bool run_select(struct route *route, const struct resp_command *command,
                       struct reply *reply, struct err *err)
{
    (void)route;
    if (!bytes_equal_text(command->args[1], "0")) {
        return err_set(err, ERR_USAGE, "there is only database 0");
    }
    resp_write_simple(&reply->body, "OK");
    return true;
}

static bool run_client(struct route *route, const struct resp_command *command,
                       struct reply *reply, struct err *err)
{
    (void)route;
    if (!resp_is(command->args[1], "SETINFO") &&
        !resp_is(command->args[1], "SETNAME")) {
        return err_set(err, ERR_USAGE, "CLIENT SETINFO and SETNAME are known");
    }
    resp_write_simple(&reply->body, "OK");
    return true;
}

static bool run_command(struct route *route, const struct resp_command *command,
                        struct reply *reply, struct err *err)
{
    (void)route;
    if (command->num_args > 1 && !resp_is(command->args[1], "DOCS")) {
        return err_set(err, ERR_USAGE, "COMMAND and COMMAND DOCS are known");
    }
    resp_write_array(&reply->body, 0);
    return true;
}

static bool run_config(struct route *route, const struct resp_command *command,
                       struct reply *reply, struct err *err)
{
    (void)route;
    if (!resp_is(command->args[1], "GET")) {
        return err_set(err, ERR_USAGE, "CONFIG GET is known");
    }
    resp_write_array(&reply->body, 2);
    resp_write_bulk(&reply->body, command->args[2]);
    write_text(&reply->body, "");
    return true;
}

static bool run_quit(struct route *route, const struct resp_command *command,
                     struct reply *reply, struct err *err)
{
    (void)route;
    (void)command;
    (void)err;
    resp_write_simple(&reply->body, "OK");
    reply->then_quit = true;
    return true;
}

// ------------------------------------------------------------- the table

static const struct {
    const char *name;
    bool (*run)(struct route *route, const struct resp_command *command,
                struct reply *reply, struct err *err);
    size_t min_args, max_args; // with the name
} commands[] = {
    {"CERTS", run_certs, 2, RESP_ARGS_MAX},
    {"COUNT", run_count, 2, 2},
    {"CERT", run_cert, 2, 2},
    {"STATS", run_stats, 1, 1},
    {"COVERAGE", run_coverage, 1, 1},
    {"PING", run_ping, 1, 2},
    {"INFO", run_info, 1, RESP_ARGS_MAX},
    {"HELLO", run_hello, 1, RESP_ARGS_MAX},
    {"AUTH", run_auth, 1, RESP_ARGS_MAX},
    {"SELECT", run_select, 2, 2},
    {"CLIENT", run_client, 2, RESP_ARGS_MAX},
    {"COMMAND", run_command, 1, RESP_ARGS_MAX},
    {"CONFIG", run_config, 3, 3},
    {"QUIT", run_quit, 1, RESP_ARGS_MAX},
};

static bool run(struct route *route, const struct resp_command *command,
                struct reply *reply, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (!resp_is(command->args[0], commands[i].name)) continue;
        if (command->num_args < commands[i].min_args ||
            command->num_args > commands[i].max_args) {
            return err_set(err, ERR_USAGE, "%s: wrong number of arguments",
                           commands[i].name);
        }
        return commands[i].run(route, command, reply, err);
    }
    return err_set(err, ERR_USAGE, "no such command");
}

// A command that is being run.
struct running {
    struct route *route;
    const struct resp_command *command;
    struct reply *reply;
};

static bool run_it(void *context, struct err *err)
{
    const struct running *r = context;

    return run(r->route, r->command, r->reply, err);
}

void command_run(struct route *route, const struct resp_command *command,
                 struct reply *reply)
{
    struct err err = {0};

    reply->status = 200;
    if (!lmdb_try(run_it, &(struct running){route, command, reply}, &err)) {
        if (err.code != ERR_COLD) {
            write_err(reply, &err);
        } else if (reply->more == NULL) {
            reply->cold = true;
        }
    } else if (reply->more == NULL) {
        reply->whole = true;
    }
}
