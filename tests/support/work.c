// SPDX-License-Identifier: BSD-3-Clause
#include "support/work.h"

uint64_t work_done;

void __sanitizer_cov_trace_pc(void); // called by the compiler at each branch

void __sanitizer_cov_trace_pc(void)
{
    work_done++;
}
