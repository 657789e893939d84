// postings.c - see postings.h.

#include "index/store/postings.h"

#include "index/base/varint.h"
#include "index/entry/names.h"

enum {
    VIA_MASK = 7,
    VIA_OTHER = 6, // one for all, told
    VIA_EACH = 7,  // each has its own, told
    NUM_SHIFT = 3,
    NUM_MORE = 31,
    NUM_HEAD_MAX = 31, // that the head alone tells
    FEW_MAX = 8,
    VARINT_LEN_MAX = 8, // of an id less another
};
// What most postings' via is, by its number in the head.
static const uint16_t usual[VIA_OTHER] = {
    VIA_SAN_DNS, VIA_SAN_DNS | VIA_CN, 0, VIA_UNAUTHENTICATED,
    VIA_CN,      VIA_SAN_IP,
};

static size_t varint_len(uint64_t value)
{
    return value < 0x80 ? 1 : 1 + (size_t)(63 - __builtin_clzll(value)) / 7;
}

unsigned postings_id_len(uint64_t span)
{
    uint64_t last = span == 0 ? 0 : span - 1;

    return last < 0x100 ? 1 : 1 + (unsigned)(63 - __builtin_clzll(last)) / 8;
}

// ------------------------------------------------------------ writing

static unsigned via_code(uint32_t via)
{
    for (unsigned i = 0; i < VIA_OTHER; i++) {
        if (usual[i] == via) return i;
    }
    return VIA_OTHER;
}

// What a list is told by before its first id, and how many hits fit.
struct plan {
    unsigned code;
    size_t num;
    size_t rest_len;
};

static size_t head_len(unsigned code, size_t num, unsigned id_len,
                       const struct hit *first)
{
    bool tells_via = code >= VIA_OTHER;

    return 1 + (num > NUM_HEAD_MAX ? varint_len(num - 1 - NUM_HEAD_MAX) : 0) +
           (tells_via ? varint_len(first->via) : 0) + id_len;
}

static struct plan make_plan(size_t room, unsigned id_len,
                             const struct hit *hits, size_t num)
{
    struct plan plan = {.code = via_code(hits[0].via)};
    size_t most = num < room ? num : room, fixed, len = 0, i;

    for (i = 1; i < most && plan.code != VIA_EACH; i++) {
        if (hits[i].via != hits[0].via) plan.code = VIA_EACH;
    }
    fixed = head_len(plan.code, most, id_len, &hits[0]) +
            (num > 1 ? varint_len(room) : 0);
    if (room >= head_len(plan.code, 1, id_len, &hits[0])) plan.num = 1;
    for (i = 1; i < most && plan.num == i; i++) {
        len += varint_len(hits[i].id - hits[i - 1].id - 1) +
               (plan.code == VIA_EACH ? varint_len(hits[i].via) : 0);
        if (fixed + len > room) break;
        plan.num = i + 1;
        plan.rest_len = len;
    }
    return plan;
}

// Most lists: one hit, or a few whose via is one and a usual one.
static bool append_few(struct buffer *out, size_t room, uint64_t first_id,
                       unsigned id_len, const struct hit *hits, size_t num)
{
    uint8_t list[1 + POSTINGS_ID_LEN_MAX + 1 + FEW_MAX * VARINT_LEN_MAX];
    unsigned code = via_code(hits[0].via);
    uint8_t *at = list + 1 + id_len, *rest_len;

    for (size_t i = 1; i < num; i++) {
        if (hits[i].via != hits[0].via) return false;
    }
    if (code == VIA_OTHER) return false;
    list[0] = (uint8_t)(code | (num - 1) << NUM_SHIFT);
    bytes_put_uint(list + 1, hits[0].id - first_id, id_len);
    rest_len = at;
    if (num > 1) at++;
    for (size_t i = 1; i < num; i++) {
        uint64_t more = hits[i].id - hits[i - 1].id - 1;

        for (; more >= 0x80; more >>= 7) {
            *at++ = (uint8_t)(more | 0x80);
        }
        *at++ = (uint8_t)more;
    }
    if (num > 1) *rest_len = (uint8_t)(at - rest_len - 1);
    if ((size_t)(at - list) > room) return false;
    buffer_append(out, bytes_of(list, (size_t)(at - list)));
    return true;
}

size_t postings_append(struct buffer *out, size_t room, uint64_t first_id,
                       unsigned id_len, const struct hit *hits, size_t num)
{
    struct plan plan;
    size_t num_code;

    if (num == 0) return 0;
    if (num <= FEW_MAX && append_few(out, room, first_id, id_len, hits, num)) {
        return num;
    }
    plan = make_plan(room, id_len, hits, num);
    if (plan.num == 0) return 0;
    num_code = plan.num > NUM_HEAD_MAX ? NUM_MORE : plan.num - 1;
    buffer_append_byte(out, (uint8_t)(plan.code | num_code << NUM_SHIFT));
    if (num_code == NUM_MORE) varint_append(out, plan.num - 1 - NUM_HEAD_MAX);
    if (plan.code == VIA_OTHER) varint_append(out, hits[0].via);
    buffer_append_uint(out, hits[0].id - first_id, id_len);
    if (plan.code == VIA_EACH) varint_append(out, hits[0].via);
    if (plan.num > 1) varint_append(out, plan.rest_len);
    for (size_t i = 1; i < plan.num; i++) {
        varint_append(out, hits[i].id - hits[i - 1].id - 1);
        if (plan.code == VIA_EACH) varint_append(out, hits[i].via);
    }
    return plan.num;
}

// ------------------------------------------------------------ reading

static bool read_via(struct bytes *view, uint32_t *via)
{
    uint64_t value;

    if (!varint_read(view, &value) || value > POSTINGS_VIA_MAX) return false;
    *via = (uint32_t)value;
    return true;
}

bool postings_read(struct postings *list, struct bytes *view, uint64_t first_id,
                   unsigned id_len)
{
    struct bytes rest = *view;
    uint64_t head, num, len = 0;
    unsigned code;

    if (!bytes_read_uint(&rest, &head, 1)) return false;
    code = (unsigned)head & VIA_MASK;
    num = head >> NUM_SHIFT;
    if (num == NUM_MORE) {
        if (!varint_read(&rest, &num) || num > POSTINGS_ID_MAX) return false;
        num += NUM_HEAD_MAX;
    }
    list->num_left = num + 1;
    list->via_each = code == VIA_EACH;
    list->next.via = code < VIA_OTHER ? usual[code] : 0;
    if ((code == VIA_OTHER && !read_via(&rest, &list->next.via)) ||
        !bytes_read_uint(&rest, &list->next.id, id_len) ||
        (code == VIA_EACH && !read_via(&rest, &list->next.via)) ||
        (num > 0 && !varint_read(&rest, &len)) || len > rest.len ||
        list->next.id > POSTINGS_ID_MAX ||
        first_id > POSTINGS_ID_MAX - list->next.id) {
        return false;
    }
    list->next.id += first_id;
    list->rest = bytes_of(rest.data, (size_t)len);
    *view = bytes_of(rest.data + len, rest.len - (size_t)len);
    return true;
}

bool postings_skip(struct bytes *view, unsigned id_len)
{
    struct postings list;
    unsigned head = view->len > 0 ? view->data[0] : VIA_EACH;

    if (postings_is_single((uint8_t)head)) {
        return bytes_skip(view, 1 + id_len);
    }
    return postings_read(&list, view, 0, id_len);
}

bool postings_next(struct postings *list, struct hit *hit, bool *found)
{
    uint64_t delta;

    *found = list->num_left > 0;
    if (!*found) return list->rest.len == 0;
    *hit = list->next;
    if (--list->num_left == 0) return list->rest.len == 0;
    if (!varint_read(&list->rest, &delta) ||
        delta >= POSTINGS_ID_MAX - list->next.id) {
        return false;
    }
    list->next.id += delta + 1;
    return !list->via_each || read_via(&list->rest, &list->next.via);
}

bool postings_seek_after(struct postings *list, uint64_t id)
{
    struct hit hit;
    bool found;

    while (list->num_left > 0 && list->next.id <= id) {
        if (!postings_next(list, &hit, &found)) return false;
    }
    return true;
}
