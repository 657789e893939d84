// files.c - see files.h.

#include "index/files.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SPARE = 64 }; // what LMDB appends

static const enum catalogue_kind kinds[] = {CATALOGUE_SEGMENT, CATALOGUE_RUN};

static const char *folder_of(enum catalogue_kind kind)
{
    return kind == CATALOGUE_SEGMENT ? "segments" : "runs";
}

bool files_init(struct files *files, const char *dir, struct err *err)
{
    (void)pthread_mutex_init(&files->mutex, NULL);
    files->dir = strdup(dir);
    return files->dir != NULL || err_set(err, ERR_MEMORY, "index: no memory");
}

static void close_file(struct index_file *file)
{
    run_close(file->run);
    segment_close(file->segment);
    free(file);
}

void files_cleanup(struct files *files)
{
    while (files->first != NULL) {
        struct index_file *next = files->first->next;

        close_file(files->first);
        files->first = next;
    }
    (void)pthread_mutex_destroy(&files->mutex);
    free(files->dir);
}

bool files_path(const struct files *files, const struct catalogue_file *info,
                char out[PATH_MAX], struct err *err)
{
    int len = snprintf(out, PATH_MAX, "%s/%s/%" PRIu64, files->dir,
                       folder_of(info->kind), info->number);

    return (len > 0 && len < PATH_MAX - PATH_SPARE) ||
           err_set(err, ERR_USAGE, "the index folder's name is too long");
}

static bool is_same(const struct catalogue_file *a,
                    const struct catalogue_file *b)
{
    return a->kind == b->kind && a->number == b->number;
}

static bool check_info(const struct index_file *file, const char *path,
                       struct err *err)
{
    const struct catalogue_file *info = &file->info;
    uint64_t first, end;

    if (file->run != NULL) {
        first = run_stat(file->run)->first_id;
        end = run_stat(file->run)->end_id;
    } else {
        first = segment_stat(file->segment)->first_id;
        end = segment_stat(file->segment)->end_id;
    }
    return (first == info->first_id && end == info->end_id) ||
           err_set(err, ERR_INDEX,
                   "index damaged: %s is not the file that is noted", path);
}

static bool open_file(struct files *files, struct index_file *file, bool *gone,
                      struct err *err)
{
    char path[PATH_MAX];
    bool ok;

    if (!files_path(files, &file->info, path, err)) return false;
    ok = file->info.kind == CATALOGUE_SEGMENT
             ? segment_open(&file->segment, path, err)
             : run_open(&file->run, path, err);
    if (!ok) {
        *gone = access(path, F_OK) != 0 && errno == ENOENT;
        return false;
    }
    return check_info(file, path, err);
}

static bool take(struct files *files, const struct catalogue_file *info,
                 struct index_file **out, bool *gone, struct err *err)
{
    struct index_file *file;

    for (file = files->first; file != NULL; file = file->next) {
        if (!is_same(&file->info, info)) continue;
        file->num_users++;
        *out = file;
        return true;
    }
    file = calloc(1, sizeof *file);
    if (file == NULL) return err_set(err, ERR_MEMORY, "index: no memory");
    file->info = *info;
    if (!open_file(files, file, gone, err)) {
        close_file(file);
        return false;
    }
    file->num_users = 1;
    file->next = files->first;
    files->first = file;
    *out = file;
    return true;
}

bool files_take(struct files *files, const struct catalogue_file *info,
                struct index_file **out, bool *gone, struct err *err)
{
    bool ok;

    *gone = false;
    (void)pthread_mutex_lock(&files->mutex);
    ok = take(files, info, out, gone, err);
    (void)pthread_mutex_unlock(&files->mutex);
    return ok;
}

void files_give_back(struct files *files, struct index_file *file)
{
    if (file == NULL) return;
    (void)pthread_mutex_lock(&files->mutex);
    file->num_users--;
    (void)pthread_mutex_unlock(&files->mutex);
}

static bool is_named(const struct catalogue_file *list, size_t num,
                     const struct catalogue_file *info)
{
    for (size_t i = 0; i < num; i++) {
        if (is_same(&list[i], info)) return true;
    }
    return false;
}

void files_sweep(struct files *files, const struct catalogue_file *list,
                 size_t num)
{
    struct index_file **link = &files->first;

    (void)pthread_mutex_lock(&files->mutex);
    while (*link != NULL) {
        struct index_file *file = *link;

        if (file->num_users > 0 || is_named(list, num, &file->info)) {
            link = &file->next;
            continue;
        }
        *link = file->next;
        close_file(file);
    }
    (void)pthread_mutex_unlock(&files->mutex);
}

void files_remove(const struct files *files, const struct catalogue_file *list,
                  size_t num)
{
    char path[PATH_MAX];

    for (size_t i = 0; i < num; i++) {
        // What stays behind is removed at the next start.
        if (files_path(files, &list[i], path, NULL)) (void)unlink(path);
    }
}

static bool fail_errno(const char *path, struct err *err)
{
    return err_set(err, errno == ENOMEM ? ERR_MEMORY : ERR_INDEX, "%s: %s",
                   path, strerror(errno));
}

static bool clean_folder(const struct files *files, enum catalogue_kind kind,
                         const struct catalogue_file *list, size_t num,
                         struct err *err)
{
    char path[PATH_MAX];
    struct dirent *entry;
    DIR *dir;
    int len = snprintf(path, sizeof path, "%s/%s", files->dir, folder_of(kind));

    if (len <= 0 || len >= PATH_MAX - PATH_SPARE) {
        return err_set(err, ERR_USAGE, "the index folder's name is too long");
    }
    if (mkdir(path, 0777) != 0 && errno != EEXIST) return fail_errno(path, err);
    dir = opendir(path);
    if (dir == NULL) return fail_errno(path, err);
    while ((entry = readdir(dir)) != NULL) {
        struct catalogue_file info = {.kind = kind};
        char *end;

        if (entry->d_name[0] == '.') continue;
        info.number = strtoull(entry->d_name, &end, 10);
        if (*end == '\0' && is_named(list, num, &info)) continue;
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    }
    (void)closedir(dir);
    return true;
}

bool files_clean(const struct files *files, const struct catalogue_file *list,
                 size_t num, uint64_t *next, struct err *err)
{
    *next = 1;
    for (size_t i = 0; i < num; i++) {
        if (list[i].number >= *next) *next = list[i].number + 1;
    }
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (!clean_folder(files, kinds[i], list, num, err)) return false;
    }
    return true;
}
