// SPDX-License-Identifier: BSD-3-Clause
#include "config/config_errors.h"

#include <stdarg.h>
#include <stdio.h>

void config_errors_add(struct config_errors *errors, const struct config_place *place,
                       const char *format, ...)
{
    if (errors->count++ >= CONFIG_ERRORS_SHOWN)
        return;
    char where[64] = "";
    if (place->line > 0)
        snprintf(where, sizeof where, "%zu:%zu:", place->line, place->column);
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    size_t room = sizeof errors->text - errors->size;
    int size = snprintf(errors->text + errors->size, room, "%s:%s %s%s%s\n", place->file, where,
                        place->path, place->path[0] ? ": " : "", what);
    if (size < 0 || (size_t)size >= room)
        errors->text[errors->size] = '\0'; // a line is there whole or not at all
    else
        errors->size += (size_t)size;
}
