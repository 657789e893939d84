// files.h - segments and runs that are open, shared between snapshots.
//
//   DIR/segments/NUMBER   segment.h
//   DIR/runs/NUMBER       run.h
//
// A file is opened when the first snapshot takes it and closed when nobody has
// it and no list of files that was loaded since names it.  The catalogue says
// which ones belong to the index (catalogue.h).
//
// Lifetime  of a file: until it is given back.
// Thread    any; what stands in an index_file does not change.

#pragma once

#include <limits.h>
#include <pthread.h>

#include "index/store/catalogue.h"
#include "index/store/run.h"
#include "index/store/segment.h"

struct index_file {
    struct index_file *next;
    struct catalogue_file info;
    size_t num_users;
    struct segment *segment; // one of both
    struct run *run;
};

struct files {
    char *dir;
    pthread_mutex_t mutex;
    struct index_file *first;
};

MUST_USE bool files_init(struct files *files, const char *dir, struct err *err);
void files_cleanup(struct files *files);

// files_path writes where a file lies.
MUST_USE bool files_path(const struct files *files,
                         const struct catalogue_file *info, char out[PATH_MAX],
                         struct err *err);

// files_take opens a file or shares it; files_give_back() it.  `gone` tells
// that it is not there (any more).
MUST_USE bool files_take(struct files *files, const struct catalogue_file *info,
                         struct index_file **out, bool *gone, struct err *err);
void files_give_back(struct files *files, struct index_file *file);

// files_sweep closes what nobody uses and the list does not name.
void files_sweep(struct files *files, const struct catalogue_file *list,
                 size_t num);

// files_remove unlinks files; who reads them goes on reading.
void files_remove(const struct files *files, const struct catalogue_file *list,
                  size_t num);

// files_clean makes the folders where they are missing and removes every file
// that the list does not name.  `next` gets a number above all of them.
MUST_USE bool files_clean(const struct files *files,
                          const struct catalogue_file *list, size_t num,
                          uint64_t *next, struct err *err);
