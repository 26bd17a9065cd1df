// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The control plane as a whole: one thread on one libuv loop that joins the link to the data plane,
 * the publisher, the children, the reports and (api/) what operators ask.
 *
 * plane_run returns when SIGTERM or SIGINT came, or when the very first policy was refused: exit
 * code 0 and 1. SIGHUP reads the configuration again. Whatever the data plane does, this goes on
 * and attaches again.
 */

#include "link/ops_desk.h"
#include "loop/children.h"
#include "loop/pid_file.h"
#include "loop/publisher.h"
#include "report/metrics_server.h"
#include "report/session_log.h"

struct plane {
    uv_loop_t loop;
    char config_file[4096];
    struct config_control control; // as started with
    struct pid_file pid_file;
    struct dataplane_link link;
    struct ops_desk desk;
    struct publisher publisher;
    struct children children;
    struct session_log session_log;
    struct metrics_server *metrics; // NULL: none
    uv_signal_t signals[3];
    uv_timer_t stop_timer;
    uint64_t started_ms;   // of the loop's clock
    uint64_t attached_ms;  // likewise; since when the link is up
    uint64_t stop_ms;      // likewise; 0: not asked to stop
    char lists_error[512]; // why the last reading of the list files was refused; "": it was not
    int exit_code;
    void (*stop_api)(void *api); // closes what api/ opened; set by main
    void *api;
};

// Takes `config` over. 0 or -errno after one line in the log.
int plane_init(struct plane *plane, const char *config_file, struct config *config) MUST_CHECK;
int plane_run(struct plane *plane) MUST_CHECK; // the exit code; frees everything
void plane_stop(struct plane *plane, int exit_code);

// Reads the file again and publishes it, as any change (loop/publisher.h). 0 or -EBUSY.
int plane_reload(struct plane *plane, publisher_done *done, void *context) MUST_CHECK;
int plane_check(struct plane *plane, struct config_errors *errors) MUST_CHECK; // of the file only
