// log_form.c - see log_form.h.

#include "index/entry/log_form.h"

#include "index/entry/cert_walk.h"

enum { RUNS_MAX = 4 };

// Where the extensions stand in a TBSCertificate.
struct layout {
    struct der tbs;
    struct bytes before; // content of the TBSCertificate before [3]
    struct der wrapper;  // [3]
    struct der list;     // Extensions
    struct bytes behind_list;
    struct bytes after; // content of the TBSCertificate after [3]
    size_t removed_len; // bytes of the extensions that go
    // What stays of the list, as few and long pieces as there are; those that
    // are too many are looked for once more.
    struct bytes runs[RUNS_MAX];
    size_t num_runs;
};

static bool is_removed(struct bytes extension)
{
    enum extension_id id;
    struct der oid;

    if (!der_read(&extension, &oid)) return false;
    id = extension_id(oid.content);
    return id == EXTENSION_POISON || id == EXTENSION_SCT_LIST;
}

// Takes a run of extensions that stay off the list, and what goes behind it;
// false where an extension cannot be read.
static bool next_run(struct bytes *view, struct bytes *run, size_t *removed_len)
{
    const uint8_t *start = view->data;
    struct der extension;

    *removed_len = 0;
    while (view->len > 0) {
        if (!der_read(view, &extension)) return false;
        if (!is_removed(extension.content)) continue;
        *run = bytes_of(start, (size_t)(extension.whole.data - start));
        *removed_len = extension.whole.len;
        return true;
    }
    *run = bytes_of(start, (size_t)(view->data - start));
    return true;
}

static bool measure(struct layout *layout)
{
    struct bytes view = layout->list.content, run;
    size_t removed_len;

    while (view.len > 0) {
        if (!next_run(&view, &run, &removed_len)) return false;
        layout->removed_len += removed_len;
        if (run.len == 0) continue;
        if (layout->num_runs < RUNS_MAX) layout->runs[layout->num_runs] = run;
        layout->num_runs++;
    }
    return true;
}

// Finds [3]; a TBSCertificate without one has nothing to remove.
static bool lay_out(struct layout *layout, struct bytes tbs)
{
    struct bytes view;
    struct der part;

    *layout = (struct layout){0};
    if (!der_read(&tbs, &layout->tbs) || tbs.len != 0) return false;
    view = layout->tbs.content;
    while (view.len > 0) {
        size_t before_len = layout->tbs.content.len - view.len;

        if (!der_read(&view, &part)) return false;
        if ((part.tag & DER_CLASS_MASK) == 0 || der_number(part.tag) != 3) {
            continue;
        }
        layout->before = bytes_of(layout->tbs.content.data, before_len);
        layout->wrapper = part;
        layout->after = view;
        layout->behind_list = part.content;
        return der_read(&layout->behind_list, &layout->list) && measure(layout);
    }
    return true;
}

static bool visit_runs(const struct layout *layout, log_form_piece *visit,
                       void *context)
{
    struct bytes view = layout->list.content, run;
    size_t removed_len;

    if (layout->num_runs <= RUNS_MAX) {
        for (size_t i = 0; i < layout->num_runs; i++) {
            if (!visit(context, layout->runs[i])) return false;
        }
        return true;
    }
    while (view.len > 0 && next_run(&view, &run, &removed_len)) {
        if (run.len > 0 && !visit(context, run)) return false;
    }
    return true;
}

static size_t header_len(size_t content_len)
{
    uint8_t header[DER_HEADER_MAX];

    return der_put_header(header, 0, content_len);
}

static bool visit_header(uint8_t tag, size_t content_len, log_form_piece *visit,
                         void *context)
{
    uint8_t header[DER_HEADER_MAX];
    size_t len = der_put_header(header, tag, content_len);

    return visit(context, bytes_of(header, len));
}

static bool visit_rewritten(const struct layout *layout, log_form_piece *visit,
                            void *context)
{
    size_t list_len = layout->list.content.len - layout->removed_len;
    size_t wrapper_len =
        header_len(list_len) + list_len + layout->behind_list.len;
    bool has_wrapper = list_len > 0 || layout->behind_list.len > 0;
    size_t tbs_len = layout->before.len + layout->after.len;

    if (has_wrapper) tbs_len += header_len(wrapper_len) + wrapper_len;
    if (!visit_header(layout->tbs.tag, tbs_len, visit, context) ||
        !visit(context, layout->before)) {
        return false;
    }
    if (has_wrapper &&
        (!visit_header(layout->wrapper.tag, wrapper_len, visit, context) ||
         !visit_header(layout->list.tag, list_len, visit, context) ||
         !visit_runs(layout, visit, context) ||
         !visit(context, layout->behind_list))) {
        return false;
    }
    return visit(context, layout->after);
}

bool log_form_visit(struct bytes tbs, log_form_piece *visit, void *context)
{
    struct layout layout;

    if (!lay_out(&layout, tbs)) return false;
    if (layout.removed_len == 0) return visit(context, tbs);
    return visit_rewritten(&layout, visit, context);
}

// What is short may be a header, which is good for the call only.
static bool collect_piece(void *context, struct bytes piece)
{
    struct log_form *form = context;

    if (form->num_pieces == LOG_FORM_PIECES_MAX) return false;
    if (piece.len > 0 && piece.len <= DER_HEADER_MAX) {
        uint8_t *copy = form->copies[form->num_pieces];

        memcpy(copy, piece.data, piece.len);
        piece.data = copy;
    }
    form->pieces[form->num_pieces++] = piece;
    return true;
}

bool log_form_collect(struct log_form *form, struct bytes tbs)
{
    form->num_pieces = 0;
    return log_form_visit(tbs, collect_piece, form);
}

static bool hash_piece(void *context, struct bytes piece)
{
    SHA256_Update(context, piece.data, piece.len);
    return true;
}

bool log_form_sha256(struct bytes tbs, struct sha256_hash *hash)
{
    SHA256_CTX context;

    SHA256_Init(&context);
    if (!log_form_visit(tbs, hash_piece, &context)) return false;
    SHA256_Final(hash->bytes, &context);
    return true;
}

static bool compare_piece(void *context, struct bytes piece)
{
    struct bytes *expected = context;

    return bytes_starts_with(*expected, piece) &&
           bytes_skip(expected, piece.len);
}

bool log_form_equals(struct bytes tbs, struct bytes expected)
{
    return log_form_visit(tbs, compare_piece, &expected) && expected.len == 0;
}
