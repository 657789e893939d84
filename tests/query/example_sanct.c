/* example_sanct.c - asks an index or a server and prints what was issued.
 *
 *   cc example_sanct.c $(pkg-config --cflags --libs sanct)
 *   ./a.out DIR|SOCKET WHAT [FILTERS]
 */

#include <inttypes.h>
#include <sanct.h>
#include <stdio.h>
#include <sys/stat.h>

static int is_folder(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static void print(const struct sanct_issuance *issuance)
{
    const char *text = sanct_text(issuance, "not_before");
    size_t i, num = sanct_num(issuance, "dns_names");

    printf("%s", text != NULL ? text : "-");
    for (i = 0; i < num; i++) {
        text = sanct_text_at(issuance, "dns_names", i);
        printf(" %s", text != NULL ? text : "-");
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    const struct sanct_issuance *issuance;
    struct sanct_answer *answer = NULL;
    struct sanct *sanct;
    const char *filters = argc > 3 ? argv[3] : NULL;
    uint64_t count = 0;
    int status;

    if (argc < 3) {
        fprintf(stderr, "usage: %s DIR|SOCKET WHAT [FILTERS]\n", argv[0]);
        return SANCT_USAGE;
    }
    status = is_folder(argv[1]) ? sanct_open(&sanct, argv[1])
                                : sanct_connect(&sanct, argv[1]);
    if (status == SANCT_OK) {
        status = sanct_ask(sanct, argv[2], filters, &answer);
    }
    while (status == SANCT_OK) {
        status = sanct_next(answer, &issuance);
        if (status != SANCT_OK || issuance == NULL) break;
        print(issuance);
    }
    sanct_answer_close(answer);
    if (status == SANCT_OK) {
        status = sanct_count(sanct, argv[2], filters, &count);
    }
    if (status == SANCT_OK) {
        printf("%" PRIu64 " issuances\n", count);
    } else {
        fprintf(stderr, "%s\n", sanct_error(sanct));
    }
    sanct_close(sanct);
    return status;
}
