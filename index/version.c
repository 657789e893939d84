// version.c - see version.h.

#include "index/version.h"

#include <limits.h>
#include <link.h>
#include <openssl/base.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/store/lmdb.h"
#include "index/store/zstd.h"

// liburing has no call that tells its version before 2.4, but the file that is
// loaded bears it in its name.
static int find_liburing(struct dl_phdr_info *info, size_t size, void *out)
{
    char path[PATH_MAX];
    const char *version;

    (void)size;
    if (strstr(info->dlpi_name, "/liburing.so") == NULL) return 0;
    if (realpath(info->dlpi_name, path) == NULL) return 0;
    version = strstr(path, ".so.");
    if (version != NULL) (void)snprintf(out, 32, "%s", version + 4);
    return 1;
}

void version_print(const char *program, const char *more)
{
    char liburing[32] = "";

    printf("%s %s\n", program, SANCT_VERSION);
    if (dl_iterate_phdr(find_liburing, liburing) != 0) {
        printf("liburing %s\n", liburing);
    }
    printf("BoringSSL API %d\nLMDB %s\nzstd %s\n", BORINGSSL_API_VERSION,
           lmdb_version(), zstd_version());
    if (more != NULL) printf("%s\n", more);
}
