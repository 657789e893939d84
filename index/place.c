// place.c - see place.h.

#include "index/place.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *variable(const char *name)
{
    const char *value = getenv(name);

    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *place_of_index(const char *given)
{
    static char place[PATH_MAX];
    const char *home = variable("HOME");

    if (given != NULL) return given;
    if (variable("SANCT_INDEX") != NULL) return variable("SANCT_INDEX");
    if (geteuid() == 0) return "/var/lib/sanct";
    if (variable("XDG_DATA_HOME") != NULL) {
        (void)snprintf(place, sizeof place, "%s/sanct",
                       variable("XDG_DATA_HOME"));
    } else {
        (void)snprintf(place, sizeof place, "%s/.local/share/sanct",
                       home != NULL ? home : "");
    }
    return place;
}
