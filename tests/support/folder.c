// folder.c - see folder.h.

#include "tests/support/folder.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>

#include "tests/support/check.h"

static int remove_one(const char *path, const struct stat *info, int flag,
                      struct FTW *ftw)
{
    (void)info;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void folder_make(char path[FOLDER_LEN])
{
    (void)snprintf(path, FOLDER_LEN, "/tmp/sanct-test-XXXXXX");
    if (mkdtemp(path) == NULL) fail_msg("cannot make %s", path);
}

void folder_remove(const char *path)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 &&
        errno != ENOENT) {
        fail_msg("cannot remove %s", path);
    }
}

void folder_empty(const char *path)
{
    folder_remove(path);
    if (mkdir(path, 0700) != 0) fail_msg("cannot make %s again", path);
}
