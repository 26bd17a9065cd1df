// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Why something was refused or ended. The code is the index of its counter (contract/counter.h), so
 * a station that returns a reason and a station's edge that counts it cannot disagree. Counted
 * once, by the worker or session that ends the packet's or the session's way.
 */

enum reason {
#define REASON(name, station, text) REASON_##name,
#include "contract/reason.def"
#undef REASON
    REASON_COUNT,
};

const char *reason_name(enum reason reason); // lower case, as metrics and weirctl print it
const char *reason_station(enum reason reason);
const char *reason_text(enum reason reason);
