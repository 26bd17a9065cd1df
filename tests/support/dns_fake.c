// SPDX-License-Identifier: BSD-3-Clause
#include "support/dns_fake.h"

#include <arpa/inet.h>
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TYPE_MANNER = 0 }; // a record of the fake's own: how its name says that it has nothing
enum { TYPE_A = 1, TYPE_CNAME = 5, TYPE_PTR = 12, TYPE_MX = 15, TYPE_TXT = 16, TYPE_AAAA = 28 };
enum { PACKET_MAX = 65535, UDP_MAX = 1232 };

static int socket_bind(int type, uint16_t port, uint16_t *ret_port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0 ||
        (type == SOCK_STREAM && listen(fd, 16) < 0)) {
        close(fd);
        return -1;
    }
    *ret_port = ntohs(address.sin_port);
    return fd;
}

bool dns_fake_open(struct dns_fake *fake)
{
    memset(fake, 0, sizeof *fake);
    fake->ttl = 300;
    for (int tried = 0; tried < 10; tried++) { // until the port is free for both
        fake->udp = socket_bind(SOCK_DGRAM, 0, &fake->port);
        fake->tcp = fake->udp < 0 ? -1 : socket_bind(SOCK_STREAM, fake->port, &fake->port);
        if (fake->tcp >= 0)
            return true;
        if (fake->udp >= 0)
            close(fake->udp);
    }
    return false;
}

void dns_fake_close(struct dns_fake *fake)
{
    for (unsigned i = 0; i < fake->streams_count; i++)
        close(fake->streams[i]);
    close(fake->udp);
    close(fake->tcp);
}

void dns_fake_server(const struct dns_fake *fake, char *text, size_t size)
{
    snprintf(text, size, "127.0.0.1:%u", fake->port);
}

static size_t name_write(const char *name, uint8_t *to)
{
    size_t at = 0;
    while (*name) {
        size_t label = strcspn(name, ".");
        to[at++] = (uint8_t)label;
        memcpy(to + at, name, label);
        at += label;
        name += label + (name[label] == '.');
    }
    to[at++] = 0;
    return at;
}

static struct dns_fake_record *record_add(struct dns_fake *fake, const char *name, uint16_t type)
{
    assert(fake->records_count < DNS_FAKE_RECORDS_MAX);
    struct dns_fake_record *record = &fake->records[fake->records_count++];
    snprintf(record->name, sizeof record->name, "%s", name);
    record->type = type;
    record->ttl = fake->ttl;
    record->size = 0;
    return record;
}

void dns_fake_add_addr(struct dns_fake *fake, const char *name, const char *addr)
{
    bool v6 = strchr(addr, ':') != NULL;
    struct dns_fake_record *record = record_add(fake, name, v6 ? TYPE_AAAA : TYPE_A);
    int parsed = inet_pton(v6 ? AF_INET6 : AF_INET, addr, record->data);
    assert(parsed == 1);
    (void)parsed;
    record->size = v6 ? 16 : 4;
}

void dns_fake_add_name(struct dns_fake *fake, const char *name, uint16_t type, const char *target)
{
    struct dns_fake_record *record = record_add(fake, name, type);
    size_t at = 0;
    if (type == TYPE_MX) {
        record->data[at++] = 0;
        record->data[at++] = 10;
    }
    record->size = (uint16_t)(at + name_write(target, record->data + at));
}

void dns_fake_add_txt(struct dns_fake *fake, const char *name, const char *text)
{
    struct dns_fake_record *record = record_add(fake, name, TYPE_TXT);
    size_t left = strlen(text);
    do {
        size_t part = left < 200 ? left : 200;
        record->data[record->size++] = (uint8_t)part;
        memcpy(record->data + record->size, text, part);
        record->size = (uint16_t)(record->size + part);
        text += part;
        left -= part;
    } while (left > 0);
}

void dns_fake_add_ptr(struct dns_fake *fake, const char *addr, const char *target)
{
    uint8_t bytes[16];
    char name[256];
    if (inet_pton(AF_INET, addr, bytes) == 1) {
        snprintf(name, sizeof name, "%u.%u.%u.%u.in-addr.arpa", bytes[3], bytes[2], bytes[1],
                 bytes[0]);
    } else {
        int parsed = inet_pton(AF_INET6, addr, bytes);
        assert(parsed == 1);
        (void)parsed;
        size_t at = 0;
        for (int i = 15; i >= 0; i--)
            at += (size_t)snprintf(name + at, sizeof name - at, "%x.%x.", bytes[i] & 15,
                                   bytes[i] >> 4);
        snprintf(name + at, sizeof name - at, "ip6.arpa");
    }
    dns_fake_add_name(fake, name, TYPE_PTR, target);
}

void dns_fake_add_data(struct dns_fake *fake, const char *name, uint16_t type, const void *data,
                       size_t size)
{
    struct dns_fake_record *record = record_add(fake, name, type);
    assert(size <= sizeof record->data);
    memcpy(record->data, data, size);
    record->size = (uint16_t)size;
}

void dns_fake_add_manner(struct dns_fake *fake, const char *name, enum dns_fake_manner manner)
{
    record_add(fake, name, TYPE_MANNER)->data[0] = (uint8_t)manner;
}

void dns_fake_forget(struct dns_fake *fake)
{
    fake->records_count = 0;
}

static void put16(uint8_t *to, size_t *at, uint16_t value)
{
    to[(*at)++] = (uint8_t)(value >> 8);
    to[(*at)++] = (uint8_t)value;
}

static void answer_write(uint8_t *to, size_t *at, const char *owner,
                         const struct dns_fake_record *record)
{
    *at += name_write(owner, to + *at);
    put16(to, at, record->type);
    put16(to, at, 1);
    put16(to, at, (uint16_t)(record->ttl >> 16));
    put16(to, at, (uint16_t)record->ttl);
    put16(to, at, record->size);
    memcpy(to + *at, record->data, record->size);
    *at += record->size;
}

// The query's name as text; returns the offset behind the question, 0 when it is no query.
static size_t query_read(const uint8_t *query, size_t size, char name[256], uint16_t *ret_type)
{
    size_t at = 12, used = 0;
    if (size < 17)
        return 0;
    while (at < size && query[at] != 0) {
        size_t label = query[at++];
        if (label > 63 || at + label >= size || used + label + 2 > 255)
            return 0;
        memcpy(name + used, query + at, label);
        used += label;
        name[used++] = '.';
        at += label;
    }
    name[used ? used - 1 : 0] = '\0';
    if (at + 5 > size)
        return 0;
    *ret_type = (uint16_t)(query[at + 1] << 8 | query[at + 2]);
    return at + 5;
}

struct found {
    bool exists;                 // a record of any type
    enum dns_fake_manner manner; // of what is asked for
    unsigned count;
};

static struct found answers_write(const struct dns_fake *fake, const char *name, uint16_t type,
                                  uint8_t *to, size_t *at)
{
    struct found found = {0};
    char owner[256];
    snprintf(owner, sizeof owner, "%s", name);
    for (int hop = 0; hop < 8; hop++) {
        const struct dns_fake_record *alias = NULL;
        unsigned before = found.count;
        enum dns_fake_manner manner = DNS_FAKE_HONEST;
        for (unsigned i = 0; i < fake->records_count; i++) {
            const struct dns_fake_record *record = &fake->records[i];
            if (strcasecmp(record->name, owner) != 0)
                continue;
            found.exists = true;
            if (record->type == TYPE_MANNER)
                manner = (enum dns_fake_manner)record->data[0];
            if (record->type == TYPE_CNAME)
                alias = record;
            if (record->type == type && *at < PACKET_MAX - 5000) {
                answer_write(to, at, owner, record);
                found.count++;
            }
        }
        found.manner = found.count == before ? manner : DNS_FAKE_HONEST;
        if (!alias || found.count > before)
            break;
        answer_write(to, at, owner, alias);
        found.count++;
        uint16_t unused;
        uint8_t packet[300] = {0};
        memcpy(packet + 12, alias->data, alias->size);
        query_read(packet, sizeof packet, owner, &unused);
    }
    return found;
}

static enum dns_fake_manner manner_for(const struct dns_fake *fake, const char *name)
{
    bool all = fake->manner_name[0] == '\0';
    return all || strcasecmp(fake->manner_name, name) == 0 ? fake->manner : DNS_FAKE_HONEST;
}

static size_t lie_write(const char *owner, uint8_t *to)
{
    struct dns_fake_record lie = {.type = TYPE_A, .ttl = 300, .size = 4};
    size_t at = 0;
    inet_pton(AF_INET, DNS_FAKE_LIE, lie.data);
    answer_write(to, &at, owner, &lie);
    return at;
}

static size_t garbage_write(uint8_t *to, size_t question)
{
    memset(to + question, 0xc0, 100);
    to[7] = 9; // claims nine answers
    to[2] = 0x81;
    to[3] = 0x80;
    return question + 100;
}

// An owner's name that is a pointer to itself.
static size_t loop_write(uint8_t *to, size_t question)
{
    static const uint8_t loop[] = {0xc0, 0, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4};
    memcpy(to + question, loop, sizeof loop);
    to[question + 1] = (uint8_t)question;
    return sizeof loop;
}

static void header_write(uint8_t *to, bool cut, uint8_t rcode, unsigned answers)
{
    to[2] = (uint8_t)(0x81 | (cut ? 2 : 0));
    to[3] = (uint8_t)(0x80 | rcode);
    to[4] = 0, to[5] = 1;
    to[6] = (uint8_t)(answers >> 8), to[7] = (uint8_t)answers;
    memset(to + 8, 0, 4);
}

static void case_mix(uint8_t *name)
{
    for (size_t i = 0; name[i] != 0; i += name[i] + 1U)
        for (size_t c = i + 1; c <= i + name[i]; c += 2)
            if (name[c] >= 'a' && name[c] <= 'z')
                name[c] ^= 0x20;
}

// Size of the response in `to`, 0: none.
static size_t respond(struct dns_fake *fake, const uint8_t *query, size_t size, bool tcp,
                      uint8_t *to)
{
    char name[256] = "";
    uint16_t type;
    size_t question = query_read(query, size, name, &type);
    enum dns_fake_manner manner = manner_for(fake, name);
    if (question == 0 || manner == DNS_FAKE_SILENT)
        return 0;
    memcpy(to, query, question);
    if (manner == DNS_FAKE_GARBAGE)
        return garbage_write(to, question);
    struct found found = {0};
    size_t at = question;
    if (manner == DNS_FAKE_LOOPS) {
        at += loop_write(to, question);
        found.count = 1;
    } else if (manner == DNS_FAKE_ADDS) {
        at += lie_write(DNS_FAKE_VICTIM, to + at);
        found = answers_write(fake, name, type, to, &at);
        found.count++;
    } else if (manner != DNS_FAKE_SERVFAIL && manner != DNS_FAKE_REFUSES) {
        found = answers_write(fake, name, type, to, &at);
    }
    if (found.manner == DNS_FAKE_SILENT)
        return 0;
    bool cut = !tcp && (manner == DNS_FAKE_TRUNCATES || at > UDP_MAX);
    bool fails = manner == DNS_FAKE_SERVFAIL || found.manner == DNS_FAKE_SERVFAIL;
    uint8_t nothing = found.exists || found.count ? 0 : 3;
    if (cut) {
        at = question;
        found.count = 0;
    }
    header_write(to, cut, fails ? 2 : manner == DNS_FAKE_REFUSES ? 5 : nothing, found.count);
    if (manner == DNS_FAKE_ADDS) {
        to[11] = 1; // additional
        at += lie_write(DNS_FAKE_VICTIM, to + at);
    } else if (manner == DNS_FAKE_MIXES_CASE) {
        case_mix(to + 12);
        if (found.count)
            case_mix(to + question); // the first record's owner
    } else if (manner == DNS_FAKE_OTHER_NAME) {
        to[13] ^= 1;
    } else if (manner == DNS_FAKE_OTHER_ID) {
        to[1] ^= 1;
    }
    return at;
}

// What somebody sends in the server's name who did not see the query's id.
static size_t forge(const uint8_t *query, size_t size, uint8_t *to)
{
    char name[256];
    uint16_t type;
    size_t question = query_read(query, size, name, &type);
    memcpy(to, query, question);
    header_write(to, false, 0, 1);
    to[1] ^= 1;
    return question ? question + lie_write(name, to + question) : 0;
}

static void seen_add(struct dns_fake *fake, const uint8_t *query, uint16_t port)
{
    if (fake->queries < DNS_FAKE_SEEN_MAX)
        fake->seen[fake->queries] =
            (struct dns_fake_seen){(uint16_t)(query[0] << 8 | query[1]), port};
    fake->queries++;
}

static void udp_turn(struct dns_fake *fake)
{
    static uint8_t query[PACKET_MAX], response[PACKET_MAX];
    struct sockaddr_in peer;
    for (;;) {
        socklen_t peer_size = sizeof peer;
        ssize_t size =
            recvfrom(fake->udp, query, sizeof query, 0, (struct sockaddr *)&peer, &peer_size);
        if (size < 2)
            return;
        seen_add(fake, query, ntohs(peer.sin_port));
        if (fake->manner == DNS_FAKE_FORGED)
            sendto(fake->udp, response, forge(query, (size_t)size, response), 0,
                   (struct sockaddr *)&peer, peer_size);
        size_t sent = respond(fake, query, (size_t)size, false, response);
        if (sent)
            sendto(fake->udp, response, sent, 0, (struct sockaddr *)&peer, peer_size);
    }
}

// One query a connection. Nothing is waited for: the peer may be the same thread.
static bool stream_turn(struct dns_fake *fake, int fd)
{
    static uint8_t query[PACKET_MAX + 2], response[PACKET_MAX + 2];
    ssize_t got = recv(fd, query, sizeof query, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0)
        return true;
    size_t size = got >= 2 ? (size_t)(query[0] << 8 | query[1]) : 0;
    if (got == 0)
        return false;
    if (got < 2 || (size_t)got < size + 2)
        return true;
    fake->tcp_queries++;
    size_t sent = respond(fake, query + 2, size, true, response + 2);
    response[0] = (uint8_t)(sent >> 8);
    response[1] = (uint8_t)sent;
    if (sent)
        send(fd, response, sent + 2, MSG_NOSIGNAL);
    return false;
}

static void tcp_turn(struct dns_fake *fake)
{
    while (fake->streams_count < DNS_FAKE_STREAMS_MAX) {
        int fd = accept4(fake->tcp, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            break;
        fake->streams[fake->streams_count++] = fd;
    }
    for (unsigned i = 0; i < fake->streams_count;) {
        if (stream_turn(fake, fake->streams[i])) {
            i++;
            continue;
        }
        close(fake->streams[i]);
        fake->streams[i] = fake->streams[--fake->streams_count];
    }
}

void dns_fake_turn(struct dns_fake *fake)
{
    udp_turn(fake);
    tcp_turn(fake);
}
