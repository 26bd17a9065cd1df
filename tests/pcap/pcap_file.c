// SPDX-License-Identifier: BSD-3-Clause
#include "pcap_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct head {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t zone, accuracy, snap, link;
};
struct record {
    uint32_t seconds, microseconds, size, original_size;
};

static const struct head our_head = {
    .magic = 0xa1b2c3d4, .major = 2, .minor = 4, .snap = 65535, .link = 1 /* Ethernet */};

static FILE *file_open(const char *path, const char *mode)
{
    FILE *file = fopen(path, mode);
    if (!file)
        fail_msg("%s cannot be opened", path);
    return file;
}

void pcap_file_read(struct pcap_file *file, const char *path)
{
    FILE *in = file_open(path, "re");
    struct head head;
    struct record record;
    assert_int_equal(fread(&head, sizeof head, 1, in), 1);
    assert_memory_equal(&head, &our_head, sizeof head);
    file->count = 0;
    while (fread(&record, sizeof record, 1, in) == 1) {
        assert_true(file->count < PCAP_FRAMES_MAX && record.size <= PCAP_FRAME_MAX);
        struct pcap_frame *frame = &file->frames[file->count++];
        frame->at_us = record.seconds * UINT64_C(1000000) + record.microseconds;
        frame->size = record.size;
        assert_int_equal(fread(frame->bytes, 1, record.size, in), record.size);
    }
    fclose(in);
}

void pcap_file_write(const struct pcap_file *file, const char *path)
{
    FILE *out = file_open(path, "we");
    fwrite(&our_head, sizeof our_head, 1, out);
    for (size_t i = 0; i < file->count; i++) {
        const struct pcap_frame *frame = &file->frames[i];
        struct record record = {(uint32_t)(frame->at_us / 1000000),
                                (uint32_t)(frame->at_us % 1000000), (uint32_t)frame->size,
                                (uint32_t)frame->size};
        fwrite(&record, sizeof record, 1, out);
        fwrite(frame->bytes, 1, frame->size, out);
    }
    assert_int_equal(fclose(out), 0);
}
