// SPDX-License-Identifier: BSD-3-Clause

/* Records of attachment as a hostile data plane sends them: the input says which is waited for,
 * what comes, and with what descriptors. None may stay open, whatever was wrong.
 */

#include "fuzz/fuzz.h"
#include "link/attach_client.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RECORD_MAX = 300 };

static int pair[2];
static int offers[5]; // what a descriptor may be: a channel, counters, others

static int counters(uint16_t version, int seals)
{
    struct counter_area area = {.version = version, .workers = 1};
    int fd = memfd_create("counters", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0 && write(fd, &area, sizeof area) == (ssize_t)sizeof area);
    CHECK(fcntl(fd, F_ADD_SEALS, seals) == 0);
    return fd;
}

static void start(void)
{
    if (offers[0] > 0)
        return;
    CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    offers[0] = spsc_channel_create();
    offers[1] = counters(contract_version, F_SEAL_SHRINK);
    offers[2] = counters(contract_version, 0);
    offers[3] = memfd_create("empty", MFD_CLOEXEC);
    offers[4] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    for (int i = 0; i < 5; i++)
        CHECK(offers[i] >= 0);
}

static int free_descriptor(void)
{
    int fd = dup(pair[0]);
    close(fd);
    return fd;
}

static bool record_send(struct reader *r)
{
    uint8_t record[RECORD_MAX] = {0};
    struct span bytes = span_head(reader_bytes(r, reader_u8(r)), sizeof record);
    if (bytes.size)
        memcpy(record, bytes.at, bytes.size);
    struct attach_welcome welcome;
    memcpy(&welcome, record, sizeof welcome);
    if (welcome.version == 1) { // in the corpus: ours, whatever that is today
        welcome.version = contract_version;
        memcpy(record, &welcome, sizeof welcome);
    }
    int fds[ATTACH_FDS_MAX], count = reader_u8(r) % (ATTACH_FDS_MAX + 1);
    for (int i = 0; i < count; i++)
        fds[i] = offers[reader_u8(r) % 5];
    return attach_send(pair[0], record, bytes.size, fds, count) == 0;
}

static void welcome_take(enum attach_role role)
{
    struct attach_client client;
    if (attach_client_welcome(&client, pair[1], role) < 0)
        return;
    CHECK(client.workers >= 1 && client.workers <= WORKERS_MAX);
    CHECK((client.counters != NULL) == (role == ROLE_OPS));
    struct message message;
    for (unsigned i = 0; i < client.workers; i++)
        CHECK(!spsc_take(&client.channels[i].in, &message));
    client.socket = -1; // ours
    attach_client_close(&client);
}

static void record_take(uint8_t way)
{
    struct attach_result result;
    struct attach_hello hello;
    int fds[ATTACH_FDS_MAX], count = 0, most = way % (ATTACH_FDS_MAX + 1);
    switch (way % 3) {
    case 0:
        welcome_take((enum attach_role)(way / 3 % ROLE_COUNT));
        break;
    case 1:
        if (attach_client_result(pair[1], &result) == 0)
            CHECK(memchr(result.text, 0, sizeof result.text) != NULL && result.error <= 0);
        break;
    case 2:
        if (attach_receive(pair[1], &hello, sizeof hello, fds, most, &count) == 0)
            CHECK(count <= most);
        for (int i = 0; i < count; i++)
            close(fds[i]);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader r = reader_of(span_of(data, size));
    start();
    int before = free_descriptor();
    while (r.left.size > 0 && !r.short_read) {
        uint8_t way = reader_u8(&r);
        if (record_send(&r))
            record_take(way);
    }
    CHECK(free_descriptor() == before);
    return 0;
}
