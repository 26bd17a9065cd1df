// SPDX-License-Identifier: BSD-3-Clause
#include "support/mail_host_fake.h"

#include "contract/counter.h"

#include "base/check.h"

#include <stdlib.h>
#include <string.h>

static struct mail_host_fake *fake_of(struct mail_host *host)
{
    return (struct mail_host_fake *)host; // it is the first member
}

static size_t fake_room(struct mail_host *host, enum mail_side side)
{
    struct mail_host_fake *fake = fake_of(host);
    if (side == SIDE_BACKEND && !fake->opened)
        return 0;
    return fake->pipes[side].room;
}

static void fake_send(struct mail_host *host, enum mail_side side, struct span data)
{
    struct mail_host_fake *fake = fake_of(host);
    struct fake_pipe *pipe = &fake->pipes[side];
    CHECK(!fake->finished);
    CHECK(side == SIDE_CLIENT || fake->opened);
    CHECK(side == SIDE_BACKEND || !fake->tls_wanted);
    CHECK(data.size <= pipe->room);
    CHECK(pipe->out_size + data.size <= FAKE_OUT_MAX);
    if (data.size)
        memcpy(pipe->out + pipe->out_size, data.at, data.size);
    pipe->out_size += data.size;
    pipe->out[pipe->out_size] = '\0';
    pipe->room -= data.size;
}

static void fake_start_tls(struct mail_host *host)
{
    struct mail_host_fake *fake = fake_of(host);
    CHECK(!fake->finished && !host->tls && !fake->tls_wanted);
    fake->tls_wanted = true;
}

static void fake_ask(struct mail_host *host, const struct message *question)
{
    struct mail_host_fake *fake = fake_of(host);
    CHECK(!fake->finished);
    CHECK(question->status == STATUS_ASKED && message_is_sound(question));
    CHECK(!fake->pending[question->kind]);
    fake->pending[question->kind] = true;
    fake->question = *question;
    fake->asked++;
}

static bool fake_tell(struct mail_host *host, const struct message *message)
{
    struct mail_host_fake *fake = fake_of(host);
    CHECK(!fake->finished && message->status == STATUS_ASKED && message_is_sound(message));
    if (fake->tell_full)
        return false;
    fake->told++;
    fake->told_bytes += message->sasl_question.response_size;
    return true;
}

static bool fake_binding(const struct mail_host *host, uint8_t *out)
{
    if (host->tls_version != 3)
        return false;
    if (out)
        memset(out, 'b', SASL_BINDING);
    return true;
}

static void close_backend(struct mail_host_fake *fake)
{
    fake->connecting = false;
    fake->connected = fake->opened = false;
    fake->pipes[SIDE_BACKEND].in_size = 0;
}

static void fake_connect(struct mail_host *host, unsigned backend)
{
    struct mail_host_fake *fake = fake_of(host);
    CHECK(!fake->finished);
    CHECK(backend < host->policy->backends_count);
    close_backend(fake);
    fake->connecting = true;
    fake->backend = backend;
    fake->connects++;
}

static void fake_disconnect(struct mail_host *host)
{
    struct mail_host_fake *fake = fake_of(host);
    CHECK(!fake->finished);
    close_backend(fake);
    fake->disconnects++;
}

static void fake_offer(struct mail_host *host, struct mail_offer *ret_offer)
{
    *ret_offer = fake_of(host)->offer;
}

static void fake_scan_start(struct mail_host *host)
{
    struct mail_host_fake *fake = fake_of(host);
    fake->scans++;
    memset(fake->scanned_size, 0, sizeof fake->scanned_size);
}

static int part_index(enum rule_part part)
{
    return part == RULE_ENVELOPE ? 0 : part == RULE_HEADERS ? 1 : 2;
}

static bool fake_scan_feed(struct mail_host *host, enum rule_part part, struct span data,
                           uint32_t *ret_rule)
{
    struct mail_host_fake *fake = fake_of(host);
    int index = part_index(part);
    CHECK(fake->scans > 0);
    size_t left = FAKE_SCAN_MAX - fake->scanned_size[index];
    size_t n = data.size < left ? data.size : left;
    if (n)
        memcpy(fake->scanned[index] + fake->scanned_size[index], data.at, n);
    fake->scanned_size[index] += n;
    if (!fake->scan_word || !(fake->scan_parts & part))
        return false;
    *ret_rule = 0;
    return memmem(fake->scanned[index], fake->scanned_size[index], fake->scan_word,
                  strlen(fake->scan_word)) != NULL;
}

static void fake_deadline(struct mail_host *host, uint64_t at_us)
{
    fake_of(host)->deadline_us = at_us;
}

static void fake_finish(struct mail_host *host, enum reason reason)
{
    struct mail_host_fake *fake = fake_of(host);
    CHECK(!fake->finished);
    CHECK(reason < REASON_COUNT);
    fake->finished = true;
    fake->reason = reason;
}

static enum reason fake_charge(struct mail_host *host, enum charge charge, struct span user)
{
    struct mail_host_fake *fake = fake_of(host);
    fake->charged[charge]++;
    fake->charged_user = user.size > 0;
    return fake->charge_reason;
}

static enum reason fake_login(struct mail_host *host, struct span user)
{
    struct mail_host_fake *fake = fake_of(host);
    CHECK(user.size > 0 && !fake->logged_in);
    fake->logged_in = fake->login_reason == REASON_NONE;
    return fake->login_reason;
}

static void fake_logout(struct mail_host *host)
{
    fake_of(host)->logged_in = false;
}

static void fake_shadow(struct mail_host *host, enum reason reason);

static bool fake_enforce(struct mail_host *host, enum limit limit, bool ends)
{
    struct mail_host_fake *fake = fake_of(host);
    CHECK(limit < LIMIT_COUNT && !limit_why_modeless(limit));
    enum reason reason = limit_facts(limit)->reason;
    if (host->modes[limit] == MODE_SHADOW && (!ends || fake->shadowed[reason] == 0))
        fake_shadow(host, reason);
    return host->modes[limit] == MODE_ENFORCE;
}

static void fake_hold(struct mail_host *host, uint64_t us)
{
    fake_of(host)->held_us += us;
}

static void fake_count(struct mail_host *host, enum reason reason)
{
    CHECK(reason > REASON_NONE && reason < REASON_COUNT);
    fake_of(host)->counted[reason]++;
}

static void fake_shadow(struct mail_host *host, enum reason reason)
{
    CHECK(counter_may_shadow(reason));
    fake_of(host)->shadowed[reason]++;
}

static bool fake_is_known(const struct mail_host *host)
{
    return !((const struct mail_host_fake *)host)->unknown;
}

static const struct mail_host_ops fake_ops = {
    .room = fake_room,
    .send = fake_send,
    .start_tls = fake_start_tls,
    .ask = fake_ask,
    .tell = fake_tell,
    .binding = fake_binding,
    .connect = fake_connect,
    .disconnect = fake_disconnect,
    .offer = fake_offer,
    .scan_start = fake_scan_start,
    .scan_feed = fake_scan_feed,
    .deadline = fake_deadline,
    .finish = fake_finish,
    .charge = fake_charge,
    .login = fake_login,
    .logout = fake_logout,
    .enforce = fake_enforce,
    .hold = fake_hold,
    .count = fake_count,
    .shadow = fake_shadow,
    .is_known = fake_is_known,
};

static const struct policy_service fake_services[] = {
    {"smtp", 25, PROTOCOL_SMTP, TLS_STARTTLS, 0, false},
    {"submission", 587, PROTOCOL_SMTP, TLS_STARTTLS, 0, true},
    {"submissions", 465, PROTOCOL_SMTP, TLS_IMPLICIT, 0, true},
    {"imap", 143, PROTOCOL_IMAP, TLS_STARTTLS, 1, false},
    {"imaps", 993, PROTOCOL_IMAP, TLS_IMPLICIT, 1, false},
    {"pop3", 110, PROTOCOL_POP3, TLS_STARTTLS, 2, false},
    {"pop3s", 995, PROTOCOL_POP3, TLS_IMPLICIT, 2, false},
};

static const struct policy_backend fake_backends[] = {
    {.name = "postfix", .protocol = PROTOCOL_SMTP, .identity = IDENTITY_FORWARD},
    {.name = "dovecot-imap", .protocol = PROTOCOL_IMAP, .identity = IDENTITY_FORWARD},
    {.name = "dovecot-pop3", .protocol = PROTOCOL_POP3, .identity = IDENTITY_FORWARD},
    {.name = "other", .protocol = PROTOCOL_SMTP, .identity = IDENTITY_FORWARD},
};

enum {
    FAKE_SERVICES = sizeof fake_services / sizeof fake_services[0],
    FAKE_BACKENDS = sizeof fake_backends / sizeof fake_backends[0],
};

static void policy_init(struct fake_policy *fake)
{
    struct policy *p = &fake->policy;
    p->magic = POLICY_MAGIC;
    p->version = contract_version;
    p->size = sizeof *fake;
    for (int i = 0; i < LIMIT_COUNT; i++)
        p->limits[i] = limit_facts((enum limit)i)->value;
    policy_verdicts_default(&p->smtp);
    p->smtp.verdicts[FINDING_HELO_MISMATCH].action = ACTION_OFF;
    memcpy(p->smtp.host_name, "mail.example.net", sizeof "mail.example.net");
    p->services_count = FAKE_SERVICES;
    memcpy(p->services, fake_services, sizeof fake_services);
    p->backends_count = FAKE_BACKENDS;
    memcpy(p->backends, fake_backends, sizeof fake_backends);
    memcpy(fake->domains[0].name, "example.net", sizeof "example.net");
    memcpy(fake->domains[1].name, "example.org", sizeof "example.org");
    fake->domains[1].backend = 3;
    CHECK(prefix_parse("192.0.2.0/28", &fake->relay_networks[0]));
    memcpy(fake->rules[0].name, "fake", sizeof "fake");
    fake->rules[0].action = ACTION_REJECT;
    p->domains = (struct policy_range){offsetof(struct fake_policy, domains), FAKE_DOMAINS, 0};
    p->relay_networks = (struct policy_range){offsetof(struct fake_policy, relay_networks), 1, 0};
    CHECK(prefix_parse("198.51.100.10/32", &fake->lenient_networks[0]));
    p->lenient_networks =
        (struct policy_range){offsetof(struct fake_policy, lenient_networks), 0, 0};
    p->rules = (struct policy_range){offsetof(struct fake_policy, rules), 1, 0};
}

static uint8_t service_find(const struct policy *policy, const char *name)
{
    for (uint8_t i = 0; i < policy->services_count; i++)
        if (strcmp(policy->services[i].name, name) == 0)
            return i;
    CHECK(!"a service of that name");
    return 0;
}

struct mail_host_fake *mail_host_fake_open(const struct mail_protocol *protocol,
                                           const char *service)
{
    struct mail_host_fake *fake = calloc(1, sizeof *fake);
    CHECK(fake);
    fake->state = calloc(1, protocol->state_size);
    CHECK(fake->state);
    fake->protocol = protocol;
    fake->now_us = 1000000;
    fake->deadline_us = UINT64_MAX;
    fake->offer = (struct mail_offer){.bits = OFFER_8BITMIME | OFFER_SMTPUTF8, .known = true};
    fake->pipes[SIDE_CLIENT].room_call = REPLY_MAX;
    fake->pipes[SIDE_BACKEND].room_call = LINE_BYTES_MAX + REPLY_MAX;
    policy_init(&fake->policy);

    struct mail_host *host = &fake->host;
    host->ops = &fake_ops;
    host->policy = &fake->policy.policy;
    host->limits = host->policy->limits;
    host->modes = host->policy->modes;
    host->masters = fake->masters;
    host->mechanisms = &fake->mechanisms;
    host->service = service_find(host->policy, service);
    host->tls = host->policy->services[host->service].tls == TLS_IMPLICIT;
    host->tls_version = host->tls ? 3 : 0;
    CHECK(addr_parse("198.51.100.10", &host->client));
    CHECK(addr_parse("198.51.100.1", &host->local));
    host->client_port = 40000;
    host->local_port = host->policy->services[host->service].port;
    host->id = 0xabcd;
    fake->unix_us_offset = 1700000000LL * 1000000;
    host->unix_us_offset = &fake->unix_us_offset;
    host->report.dnsbl = INT16_MIN;
    host->report.rdns = host->report.helo_match = host->report.spf = host->report.backend = 255;
    host->report.spf_helo = 255;
    return fake;
}

static void make_room(struct mail_host_fake *fake)
{
    for (int side = 0; side < 2; side++)
        fake->pipes[side].room = fake->pipes[side].room_call;
}

// To call the machine with. What it does not keep while it rests is gone.
static void *machine(struct mail_host_fake *fake)
{
    const struct mail_protocol *protocol = fake->protocol;
    if (protocol->rests && protocol->rests(fake->state))
        memset((uint8_t *)fake->state + protocol->rest_size, 0,
               protocol->state_size - protocol->rest_size);
    return fake->state;
}

static void tell(struct mail_host_fake *fake, enum mail_backend_event event)
{
    make_room(fake);
    fake->protocol->backend_event(machine(fake), event, fake->now_us);
}

static size_t open_backend(struct mail_host_fake *fake, struct span input)
{
    struct fake_pipe *pipe = &fake->pipes[SIDE_BACKEND];
    char say[OPENING_SAY_SIZE];
    size_t taken;
    enum opening_result result =
        opening_input(&fake->opening, input, fake->policy.policy.smtp.host_name, &taken, say);
    size_t size = strlen(say);
    memcpy(pipe->out + pipe->out_size, say, size + 1);
    pipe->out_size += size;
    if (result == OPENING_READY) {
        fake->opened = true;
        fake->host.offered = fake->opening.offer;
        tell(fake, BACKEND_CONNECTED);
    } else if (result != OPENING_WAIT) {
        close_backend(fake);
        tell(fake, BACKEND_FAILED);
    }
    return taken;
}

static bool offer(struct mail_host_fake *fake, enum mail_side side)
{
    struct fake_pipe *pipe = &fake->pipes[side];
    bool open = side == SIDE_CLIENT ? !fake->tls_wanted : fake->connected;
    if (fake->finished || !open || pipe->in_size == 0)
        return false;
    make_room(fake);
    struct span waiting = span_of(pipe->in, pipe->in_size);
    size_t taken =
        side == SIDE_CLIENT ? fake->protocol->client_input(machine(fake), waiting, fake->now_us)
        : fake->opened      ? fake->protocol->backend_input(machine(fake), waiting, fake->now_us)
                            : open_backend(fake, waiting);
    if (pipe->in_size == 0)
        return true; // disconnect() threw it away in the call
    CHECK(taken <= pipe->in_size);
    memmove(pipe->in, pipe->in + taken, pipe->in_size - taken);
    pipe->in_size -= taken;
    return taken > 0;
}

void mail_host_fake_pump(struct mail_host_fake *fake)
{
    bool moved = true;
    for (int i = 0; moved && i < 2 * INPUT_BUFFER_SIZE + 2; i++) {
        moved = offer(fake, SIDE_BACKEND);
        moved = offer(fake, SIDE_CLIENT) || moved;
    }
    CHECK(!moved);
    if (fake->finished && !fake->done) {
        fake->done = true;
        fake->protocol->done(machine(fake));
    }
}

void mail_host_fake_drain(struct mail_host_fake *fake, bool now)
{
    make_room(fake);
    fake->host.leaving = true;
    fake->protocol->drain(machine(fake), now, fake->now_us);
    mail_host_fake_pump(fake);
}

void mail_host_fake_start(struct mail_host_fake *fake)
{
    make_room(fake);
    fake->protocol->start(machine(fake), &fake->host, fake->now_us);
    mail_host_fake_pump(fake);
}

void mail_host_fake_close(struct mail_host_fake *fake)
{
    if (!fake->done)
        fake->protocol->done(machine(fake));
    free(fake->state);
    free(fake);
}

void mail_host_fake_input(struct mail_host_fake *fake, enum mail_side side, struct span data)
{
    struct fake_pipe *pipe = &fake->pipes[side];
    while (data.size && !fake->finished) { // as TCP would: what has no room waits outside
        size_t left = sizeof pipe->in - pipe->in_size;
        struct span piece = span_head(data, left);
        CHECK(piece.size > 0); // the machine lets the buffer stand full
        memcpy(pipe->in + pipe->in_size, piece.at, piece.size);
        pipe->in_size += piece.size;
        data = span_skip(data, piece.size);
        mail_host_fake_pump(fake);
    }
}

void mail_host_fake_client(struct mail_host_fake *fake, const char *text)
{
    mail_host_fake_input(fake, SIDE_CLIENT, span_text(text));
}

void mail_host_fake_backend(struct mail_host_fake *fake, const char *text)
{
    CHECK(fake->connected || fake->finished);
    mail_host_fake_input(fake, SIDE_BACKEND, span_text(text));
}

void mail_host_fake_client_eof(struct mail_host_fake *fake)
{
    if (fake->finished)
        return;
    make_room(fake);
    fake->protocol->client_closed(machine(fake), fake->now_us);
    mail_host_fake_pump(fake);
}

void mail_host_fake_event(struct mail_host_fake *fake, enum mail_backend_event event)
{
    CHECK(event == BACKEND_CLOSED ? fake->connected : fake->connecting);
    if (event == BACKEND_CONNECTED) {
        fake->connecting = false;
        fake->connected = true;
        opening_start(&fake->opening, fake->protocol, false);
    } else {
        bool opened = fake->opened;
        close_backend(fake);
        tell(fake, opened ? event : BACKEND_FAILED);
    }
    mail_host_fake_pump(fake);
}

void mail_host_fake_tls(struct mail_host_fake *fake)
{
    struct fake_pipe *pipe = &fake->pipes[SIDE_CLIENT];
    CHECK(fake->tls_wanted);
    fake->tls_wanted = false;
    fake->plaintext_discarded += pipe->in_size;
    pipe->in_size = 0;
    fake->host.tls = true;
    fake->host.tls_version = 3;
    memcpy(fake->host.tls_cipher, "TLS_AES_128_GCM_SHA256", sizeof "TLS_AES_128_GCM_SHA256");
    make_room(fake);
    fake->protocol->tls_started(machine(fake), fake->now_us);
    mail_host_fake_pump(fake);
}

void mail_host_fake_answer(struct mail_host_fake *fake, const struct message *answer)
{
    CHECK(message_is_sound(answer) && answer->status != STATUS_ASKED);
    CHECK(fake->pending[answer->kind]);
    fake->pending[answer->kind] = false;
    if (fake->finished)
        return;
    make_room(fake);
    fake->protocol->answer(machine(fake), answer, fake->now_us);
    mail_host_fake_pump(fake);
}

void mail_host_fake_unavailable(struct mail_host_fake *fake, enum message_kind kind)
{
    struct message answer = message_make(kind, STATUS_UNAVAILABLE, 0);
    mail_host_fake_answer(fake, &answer);
}

void mail_host_fake_wait(struct mail_host_fake *fake, uint64_t us)
{
    fake->now_us += us;
    if (fake->finished || fake->deadline_us > fake->now_us)
        return;
    fake->deadline_us = UINT64_MAX;
    make_room(fake);
    fake->protocol->timeout(machine(fake), fake->now_us);
    mail_host_fake_pump(fake);
}

struct span mail_host_fake_sent_span(struct mail_host_fake *fake, enum mail_side side)
{
    struct fake_pipe *pipe = &fake->pipes[side];
    struct span sent = span_of(pipe->out + pipe->out_told, pipe->out_size - pipe->out_told);
    pipe->out_told = pipe->out_size;
    return sent;
}

const char *mail_host_fake_sent(struct mail_host_fake *fake, enum mail_side side)
{
    return (const char *)mail_host_fake_sent_span(fake, side).at;
}

void mail_host_fake_forget(struct mail_host_fake *fake)
{
    for (int side = 0; side < 2; side++)
        fake->pipes[side].out_size = fake->pipes[side].out_told = 0;
}

const char *mail_host_fake_state(const struct mail_host_fake *fake)
{
    return fake->host.state;
}
