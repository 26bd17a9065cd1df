// SPDX-License-Identifier: BSD-3-Clause
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *expression, const char *file, int line)
{
    fprintf(stderr, "weir: CHECK(%s) failed at %s:%d\n", expression, file, line);
    abort();
}
