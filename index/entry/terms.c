// terms.c - see terms.h.

#include "index/entry/terms.h"

#include <stdlib.h>

// Certificates have two names, some a hundred: below this a look at each is
// faster than a sort.
enum { FEW = 16 };

// The length of a term that equals one before it: no value has it.
#define DROPPED SIZE_MAX

struct place {
    const struct term *term;
    size_t index;
};

static bool is_same(const struct term *term, enum term_kind kind,
                    struct bytes value)
{
    return term->kind == kind && bytes_equal(term->value, value);
}

static bool grow(struct terms *terms)
{
    size_t size = terms->size == 0 ? FEW : 2 * terms->size;
    struct term *list = arena_zalloc(terms->arena, size, sizeof *list);

    if (list == NULL) return false;
    if (terms->num > 0) memcpy(list, terms->list, terms->num * sizeof *list);
    terms->list = list;
    terms->size = size;
    return true;
}

void terms_add(struct terms *terms, enum term_kind kind, uint32_t via,
               struct bytes value)
{
    if (terms->failed) return;
    for (size_t i = 0; i < terms->num && terms->num <= FEW; i++) {
        if (!is_same(&terms->list[i], kind, value)) continue;
        terms->list[i].via |= via;
        return;
    }
    if (terms->num == terms->size && !grow(terms)) {
        terms->failed = true;
        return;
    }
    terms->list[terms->num++] = (struct term){kind, via, value};
}

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left, *b = right;
    int order;

    if (a->term->kind != b->term->kind) {
        return a->term->kind < b->term->kind ? -1 : 1;
    }
    order = bytes_compare(a->term->value, b->term->value);
    if (order != 0) return order;
    return a->index < b->index ? -1 : a->index > b->index;
}

// Keeps the first of equals; with `merge` it gathers the ways of all.
static bool drop_equals(struct arena *arena, struct term *list, size_t *num,
                        bool merge)
{
    struct place *places = arena_zalloc(arena, *num, sizeof *places);
    size_t num_kept = 0;

    if (places == NULL) return false;
    for (size_t i = 0; i < *num; i++) {
        places[i] = (struct place){&list[i], i};
    }
    qsort(places, *num, sizeof *places, compare_places);
    for (size_t i = 1, first = 0; i < *num; i++) {
        struct term *kept = &list[places[first].index];
        struct term *other = &list[places[i].index];

        if (!is_same(other, kept->kind, kept->value)) {
            first = i;
            continue;
        }
        if (merge) kept->via |= other->via;
        other->value.len = DROPPED;
    }
    for (size_t i = 0; i < *num; i++) {
        if (list[i].value.len == DROPPED) continue;
        list[num_kept++] = list[i];
    }
    *num = num_kept;
    return true;
}

bool terms_finish(struct terms *terms)
{
    if (terms->failed || terms->num <= FEW) return !terms->failed;
    return drop_equals(terms->arena, terms->list, &terms->num, true);
}

bool names_join(struct term_list *list, const struct term_list *more,
                struct arena *arena)
{
    size_t num = list->num_terms + more->num_terms;
    struct term *terms;

    list->flags |= more->flags;
    if (more->num_terms == 0) return true;
    terms = arena_zalloc(arena, num, sizeof *terms);
    if (terms == NULL) return false;
    for (size_t i = 0; i < num; i++) {
        terms[i] = i < list->num_terms ? list->terms[i]
                                       : more->terms[i - list->num_terms];
    }
    if (!drop_equals(arena, terms, &num, false)) return false;
    list->terms = terms;
    list->num_terms = num;
    return true;
}
