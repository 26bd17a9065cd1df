// SPDX-License-Identifier: BSD-3-Clause

/* spf.rate: evaluations of a record with three includes whose records are known, each for another
 * client address, so that no verdict is: asked through the ring of the dns child, a real one in its
 * own process and sandbox. The peer is bare libspf2, a call of its own for the same records from
 * its own memory, on the child's processor, in turns with it.
 *
 * Usage: bench_spf_rate [--smoke]
 */

#include "dns_rig.h"

#include <netinet/in.h>
#include <spf2/spf.h>
#include <spf2/spf_dns_zone.h>
#include <stdio.h>
#include <string.h>

enum { ROUNDS = 5, EVALUATIONS = 40000, EVALUATIONS_SMOKE = 1000 };

static const char *const zone[][2] = {
    {"example.org",
     "v=spf1 include:a.example.org include:b.example.org include:c.example.org -all"},
    {"a.example.org", "v=spf1 ip4:192.0.2.0/25 ip4:198.51.100.0/24 ip6:2001:db8::/32 ?all"},
    {"b.example.org", "v=spf1 ip4:203.0.113.0/24 ip4:192.0.2.128/25 ?all"},
    {"c.example.org", "v=spf1 ip4:172.16.0.0/12 ip4:10.0.0.0/8 ?all"},
};

static struct dns_rig rig;
static SPF_server_t *peer;

static uint32_t client_of(uint64_t number)
{
    return 10U << 24 | (uint32_t)(number & 0xffffff);
}

static void make(uint64_t number, struct message *ret_question)
{
    static const char sender[] = "someone@example.org";
    *ret_question = message_make(MESSAGE_SPF, STATUS_ASKED, number + 1);
    struct spf_question *spf = &ret_question->spf_question;
    uint32_t client = htonl(client_of(number));
    spf->addr = addr_from_v4((const uint8_t *)&client);
    CHECK(message_name_set(&spf->helo, span_text("mx.example.org")));
    spf->mail_from_size = sizeof sender - 1;
    memcpy(spf->mail_from, sender, sizeof sender - 1);
}

static bool is_right(const struct message *answer)
{
    return answer->spf_answer.result == SPF_PASS;
}

static void records_remember(void)
{
    struct message question;
    for (size_t i = 0; i < sizeof zone / sizeof zone[0]; i++)
        dns_fake_add_txt(&rig.dns, zone[i][0], zone[i][1]);
    make(0, &question);
    struct message answer = dns_rig_ask(&rig, &question);
    CHECK(is_right(&answer));
}

static void peer_open(void)
{
    SPF_dns_server_t *memory = SPF_dns_zone_new(NULL, "memory", 0);
    CHECK(memory);
    for (size_t i = 0; i < sizeof zone / sizeof zone[0]; i++)
        CHECK(SPF_dns_zone_add_str(memory, zone[i][0], ns_t_txt, NETDB_SUCCESS, zone[i][1]) ==
              SPF_E_SUCCESS);
    peer = SPF_server_new_dns(memory, 0);
    CHECK(peer && SPF_server_set_rec_dom(peer, "mail.example.net") == SPF_E_SUCCESS);
}

static double peer_run(uint64_t first, uint64_t count)
{
    dns_rig_stay_on(DNS_RIG_CHILD_CPU);
    uint64_t start_ns = dns_rig_clock_ns();
    for (uint64_t i = 0; i < count; i++) {
        SPF_request_t *request = SPF_request_new(peer);
        SPF_response_t *response = NULL;
        SPF_request_set_ipv4(request, (struct in_addr){htonl(client_of(first + i))});
        SPF_request_set_helo_dom(request, "mx.example.org");
        SPF_request_set_env_from(request, "someone@example.org");
        SPF_request_query_mailfrom(request, &response);
        CHECK(SPF_response_result(response) == SPF_RESULT_PASS);
        SPF_response_free(response);
        SPF_request_free(request);
    }
    double took_s = (double)(dns_rig_clock_ns() - start_ns) / 1e9;
    dns_rig_stay_on(DNS_RIG_WORKER_CPU);
    return took_s;
}

int main(int argc, char **argv)
{
    bool smoke = argc > 1 && strcmp(argv[1], "--smoke") == 0;
    uint64_t count = smoke ? EVALUATIONS_SMOKE : EVALUATIONS;
    double best_s = 1e9, peer_best_s = 1e9;
    dns_rig_open(&rig, "bench_spf_rate");
    records_remember();
    peer_open();
    for (uint64_t round = 0; round < ROUNDS; round++) {
        double took_s = dns_rig_run(&rig, make, is_right, 1 + round * count, count);
        double peer_s = peer_run(1 + round * count, count);
        best_s = took_s < best_s ? took_s : best_s;
        peer_best_s = peer_s < peer_best_s ? peer_s : peer_best_s;
    }
    double value = (double)count / best_s, peer_value = (double)count / peer_best_s;
    printf("{\"bench\":\"spf.rate\",\"case\":\"3 includes\",\"value\":%.0f,"
           "\"unit\":\"evaluations/s\",\"peer\":\"bare libspf2\",\"peer_value\":%.0f,"
           "\"ratio\":%.3f}\n",
           value, peer_value, value / peer_value);
    CHECK(rig.dns.queries == sizeof zone / sizeof zone[0]);
    SPF_server_free(peer);
    return dns_rig_close(&rig);
}
