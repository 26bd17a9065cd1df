// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A name server for tests, on a UDP and a TCP port of loopback, that misbehaves as it is told.
 *
 * It has no thread: whoever waits for answers calls dns_fake_turn, which handles all that has come.
 * Names are compared without case. A label of a record's name may hold any byte but a dot.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum dns_fake_manner {
    DNS_FAKE_HONEST,
    DNS_FAKE_SILENT, // never answers
    DNS_FAKE_SERVFAIL,
    DNS_FAKE_TRUNCATES,  // by UDP only: TCP has all of it
    DNS_FAKE_GARBAGE,    // the right id, then noise
    DNS_FAKE_OTHER_NAME, // answers another question
    DNS_FAKE_LOOPS,      // a name that points at itself
    DNS_FAKE_REFUSES,    // lame: REFUSED
    DNS_FAKE_OTHER_ID,   // the id of another query
    DNS_FAKE_FORGED,     // by UDP a forged answer first, DNS_FAKE_LIE with another id, then its own
    DNS_FAKE_MIXES_CASE, // of the names, those of the question too
    DNS_FAKE_ADDS,       // an A record DNS_FAKE_LIE for DNS_FAKE_VICTIM, in two sections
};

#define DNS_FAKE_VICTIM "victim.example.net"
#define DNS_FAKE_LIE    "192.0.2.66"

enum { DNS_FAKE_RECORDS_MAX = 512, DNS_FAKE_SEEN_MAX = 4096, DNS_FAKE_STREAMS_MAX = 16 };

struct dns_fake_record {
    char name[256];
    uint16_t type;
    uint32_t ttl;
    uint16_t size;
    uint8_t data[4096]; // as on the wire, uncompressed
};

struct dns_fake_seen { // a query
    uint16_t id, port;
};

struct dns_fake {
    int udp, tcp;
    int streams[DNS_FAKE_STREAMS_MAX]; // TCP connections
    unsigned streams_count;
    uint16_t port;
    uint32_t ttl; // of the records added next
    unsigned records_count, queries, tcp_queries;
    enum dns_fake_manner manner; // for all names
    char manner_name[256];       // or, when not empty, for this one
    struct dns_fake_record records[DNS_FAKE_RECORDS_MAX];
    struct dns_fake_seen seen[DNS_FAKE_SEEN_MAX];
};

bool dns_fake_open(struct dns_fake *fake);
void dns_fake_close(struct dns_fake *fake);
void dns_fake_server(const struct dns_fake *fake, char *text, size_t size); // "127.0.0.1:port"

void dns_fake_add_addr(struct dns_fake *fake, const char *name, const char *addr); // A or AAAA
void dns_fake_add_name(struct dns_fake *fake, const char *name, uint16_t type, const char *target);
void dns_fake_add_txt(struct dns_fake *fake, const char *name, const char *text);
// A PTR record of an address, text of either family.
void dns_fake_add_ptr(struct dns_fake *fake, const char *addr, const char *target);

// Any record, its data as on the wire.
void dns_fake_add_data(struct dns_fake *fake, const char *name, uint16_t type, const void *data,
                       size_t size);
// How to answer what the name has no record for: DNS_FAKE_SILENT or DNS_FAKE_SERVFAIL.
void dns_fake_add_manner(struct dns_fake *fake, const char *name, enum dns_fake_manner manner);
void dns_fake_forget(struct dns_fake *fake); // all records

void dns_fake_turn(struct dns_fake *fake);
