// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* All counters and refusal reasons as Prometheus text (exposition format 0.0.4).
 *
 *   weir_<counter>_total{worker="N"}, gauges without _total; weir_refused_total{reason=,station=,
 *   worker=}; weir_shadow_refused_total and weir_shadow_logins_total{reason=,worker=}; and the
 * control plane's own figures. No label holds foreign text.
 */

#include "contract/counter.h"

#include <stdbool.h>
#include <stdio.h>

struct metrics_facts {                   // beside the counters
    const struct counter_area *counters; // NULL: not attached
    unsigned workers;
    uint64_t policy_generation;
    uint64_t session_lines, session_lines_lost;
    struct {
        const char *name;
        bool running;
        uint64_t restarts;
    } children[2];
};

bool metrics_text_is_gauge(enum counter counter); // it also falls
// weir_<name>, weir_<name>_total for what is no gauge.
void metrics_text_figure(FILE *out, const char *name, bool gauge, const char *help, uint64_t value);
void metrics_text_write(const struct metrics_facts *facts, FILE *out);
