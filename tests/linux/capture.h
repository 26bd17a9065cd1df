// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Frames into a file that tcpdump and Wireshark read; headers and the first data of each. */

#include <stdint.h>
#include <stdio.h>

struct rte_mbuf;

struct capture {
    FILE *file; // NULL: nothing is kept
};

void capture_open(struct capture *capture, const char *path); // ends the program when it cannot
void capture_close(struct capture *capture);
void capture_add(struct capture *capture, const struct rte_mbuf *m, uint64_t at_us);
