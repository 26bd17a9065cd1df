// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Capture files of whole Ethernet frames, in the format that tcpdump and Wireshark have always
 * read: pcap 2.4 of this machine's byte order, microseconds. Fails the cmocka test it is called
 * from.
 */

#include <stddef.h>
#include <stdint.h>

enum { PCAP_FRAME_MAX = 2048, PCAP_FRAMES_MAX = 512 };

struct pcap_frame {
    uint64_t at_us;
    size_t size;
    uint8_t bytes[PCAP_FRAME_MAX];
};

struct pcap_file {
    size_t count;
    struct pcap_frame frames[PCAP_FRAMES_MAX];
};

void pcap_file_read(struct pcap_file *file, const char *path);
void pcap_file_write(const struct pcap_file *file, const char *path);
