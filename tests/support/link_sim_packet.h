// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* IP packets with TCP for tests: from fields to an mbuf and back, written apart from the product's
 * own code so that one checks the other.
 */

#include "base/packet.h"
#include "base/span.h"

struct rte_mbuf;
struct rte_mempool;

// From packet's addresses, ports, flags, seq, ack, window and options. Checksums are complete.
struct rte_mbuf *link_sim_packet_make(struct rte_mempool *pool, const struct packet *packet,
                                      struct span payload);
// False when a length or checksum is wrong.
bool link_sim_packet_parse(const struct rte_mbuf *m, enum leg leg, struct packet *ret_packet);
// One line of text, as tcpdump's.
const char *link_sim_packet_text(const struct packet *packet, char text[256]);
