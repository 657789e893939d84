// err.c - see err.h.

#include "index/base/err.h"

#include <stdarg.h>
#include <stdio.h>

bool err_set(struct err *err, enum err_code code, const char *format, ...)
{
    va_list args;

    if (err == NULL) return false;
    err->code = code;
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    return false;
}

bool err_wrap(struct err *err, const char *format, ...)
{
    char inner[ERR_TEXT_MAX];
    va_list args;
    size_t len;

    if (err == NULL) return false;
    memcpy(inner, err->text, sizeof inner);
    va_start(args, format);
    (void)vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    len = strlen(err->text);
    (void)snprintf(err->text + len, sizeof err->text - len, ": %.*s",
                   (int)sizeof inner - 1, inner);
    return false;
}

int err_exit_code(enum err_code code)
{
    switch (code) {
    case ERR_NONE:
        return 0;
    case ERR_NOT_FOUND:
        return 1;
    case ERR_USAGE:
        return 2;
    case ERR_CONFIG:
        return 3;
    case ERR_NETWORK:
        return 4;
    case ERR_MALFORMED:
    case ERR_UNSUPPORTED:
    case ERR_VERIFY:
        return 5;
    case ERR_INDEX:
    case ERR_MEMORY:
        return 6;
    case ERR_INTERRUPTED:
        return 130;
    case ERR_COLD: // nobody is left with it
        break;
    }
    return 6;
}
