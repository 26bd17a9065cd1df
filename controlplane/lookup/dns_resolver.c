// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/dns_resolver.h"

#include "base/log.h"
#include "base/pool.h"
#include "lookup/dns_cache.h"

#include <ares.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    CLASS_IN = 1,
    TRIES = 2,
    EDNS_SIZE = 1232, // does not fragment on the way
    EVENTS_MAX = 64,
    BUCKETS = 4096, // of queries under way
};

struct channel {
    struct dns_resolver *resolver;
    ares_channel ares;
    uint32_t pending; // queries under way
};

struct asker {
    dns_resolver_done *done;
    void *context;
    struct asker *next;
    handle self;
};

struct query {
    struct channel *channel;
    handle self;
    struct lookup_digest key;
    struct query *chain; // of the same bucket
    struct asker *askers;
    enum dns_type type;
    char name[DNS_NAME_SIZE];
};

struct dns_resolver {
    struct channel channels[DNS_CHANNELS];
    uint32_t turn;         // index of the channel that takes new questions
    uint32_t turn_queries; // asked in this turn
    uint64_t turn_since_ms;
    uint64_t now_ms;
    struct dns_resolver_counters counters;
    int epoll;
    bool closing; // answers make people ask again; no more
    struct pool queries, askers;
    struct query *buckets[BUCKETS];
    struct dns_cache cache;
    // What is handed out during a call of done, which may well ask for what is known, but gets no
    // new answer from a server meanwhile: so that one is the same for all that asked for it.
    struct dns_answer answer, known;
};

static const struct dns_answer failure = {.status = DNS_FAILED, .ttl = DNS_TTL_EMPTY};
static const struct dns_answer nothing = {.status = DNS_EMPTY, .ttl = DNS_TTL_EMPTY};

static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
    struct channel *channel = data;
    int epoll = channel->resolver->epoll;
    if (!readable && !writable) {
        epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
        return;
    }
    uint64_t index = (uint64_t)(channel - channel->resolver->channels);
    struct epoll_event event = {
        .events = (readable ? EPOLLIN : 0U) | (writable ? EPOLLOUT : 0U),
        .data.u64 = index << 32 | (uint32_t)fd,
    };
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 && errno == EEXIST)
        epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
}

static int servers_count(const char *servers)
{
    int count = 1;
    for (const char *c = servers; *c; c++)
        count += *c == ',';
    return count;
}

static int channel_open(struct dns_resolver *resolver, struct channel *channel,
                        const struct dns_resolver_config *config)
{
    // c-ares doubles the time when it comes to a server again: t + 2 t for each of them.
    int timeout_ms = (int)config->timeout_ms / (3 * servers_count(config->servers));
    char lookups[] = "b"; // no /etc/hosts
    struct ares_options options = {
        .flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
        .timeout = timeout_ms > 10 ? timeout_ms : 10,
        .tries = TRIES,
        .ednspsz = EDNS_SIZE,
        .lookups = lookups,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = channel,
    };
    channel->resolver = resolver;
    int status =
        ares_init_options(&channel->ares, &options,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
                              ARES_OPT_LOOKUPS | ARES_OPT_SOCK_STATE_CB);
    if (status != ARES_SUCCESS) {
        channel->ares = NULL;
        return status == ARES_ENOMEM ? -ENOMEM : -EINVAL;
    }
    return ares_set_servers_ports_csv(channel->ares, config->servers) == ARES_SUCCESS ? 0 : -EINVAL;
}

static int entropy_prove(void)
{
    uint8_t byte;
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t got = read(fd, &byte, 1);
    close(fd);
    return got == 1 ? 0 : -EIO;
}

int dns_resolver_open(struct dns_resolver **ret_resolver, const struct dns_resolver_config *config)
{
    int error = entropy_prove();
    if (error)
        return error;
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS)
        return -ENOMEM;
    struct dns_resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver) {
        ares_library_cleanup();
        return -ENOMEM;
    }
    resolver->epoll = epoll_create1(EPOLL_CLOEXEC);
    error = resolver->epoll < 0 ? -errno : 0;
    if (!error)
        error = pool_init(&resolver->queries, DNS_QUERIES_MAX, sizeof(struct query));
    if (!error)
        error = pool_init(&resolver->askers, DNS_QUERIES_MAX, sizeof(struct asker));
    if (!error)
        error = dns_cache_init(&resolver->cache, DNS_CACHE_BYTES);
    for (int i = 0; i < DNS_CHANNELS && !error; i++)
        error = channel_open(resolver, &resolver->channels[i], config);
    if (error)
        dns_resolver_close(resolver);
    else
        *ret_resolver = resolver;
    return error;
}

void dns_resolver_close(struct dns_resolver *resolver)
{
    resolver->closing = true;
    for (int i = 0; i < DNS_CHANNELS; i++)
        if (resolver->channels[i].ares)
            ares_destroy(resolver->channels[i].ares);
    if (resolver->queries.objects)
        pool_done(&resolver->queries);
    if (resolver->askers.objects)
        pool_done(&resolver->askers);
    dns_cache_done(&resolver->cache);
    if (resolver->epoll >= 0)
        close(resolver->epoll);
    free(resolver);
    ares_library_cleanup();
}

static struct channel *channel_choose(struct dns_resolver *resolver)
{
    bool over = resolver->turn_queries >= DNS_TURN_QUERIES ||
                resolver->now_ms - resolver->turn_since_ms >= DNS_TURN_MS;
    if (over) {
        uint32_t next = (resolver->turn + 1) % DNS_CHANNELS;
        // One that still waits for a dead server would come back with old ports: stay.
        if (resolver->channels[next].pending == 0)
            resolver->turn = next;
        resolver->turn_queries = 0;
        resolver->turn_since_ms = resolver->now_ms;
    }
    resolver->turn_queries++;
    return &resolver->channels[resolver->turn];
}

static bool has_response(int status)
{
    return status == ARES_SUCCESS || status == ARES_ENODATA || status == ARES_ENOTFOUND;
}

static struct query **link_of(struct dns_resolver *resolver, struct lookup_digest key)
{
    struct query **link = &resolver->buckets[key.word[0] % BUCKETS];
    while (*link && !lookup_digest_equal((*link)->key, key))
        link = &(*link)->chain;
    return link;
}

static void on_answer(void *argument, int status, int timeouts, unsigned char *packet, int size)
{
    struct query *query = argument;
    struct dns_resolver *resolver = query->channel->resolver;
    const struct dns_answer *answer = &failure;
    if (has_response(status) && packet && size > 0) {
        dns_answer_parse(span_of(packet, (size_t)size), query->name, query->type,
                         &resolver->answer);
        dns_cache_put(&resolver->cache, query->key, &resolver->answer, resolver->now_ms);
        answer = &resolver->answer;
    }
    struct asker *asker = query->askers;
    query->channel->pending--;
    *link_of(resolver, query->key) = query->chain;
    pool_give(&resolver->queries, query->self);
    while (asker) {
        struct asker copy = *asker;
        pool_give(&resolver->askers, asker->self);
        copy.done(copy.context, answer);
        asker = copy.next;
    }
}

static struct query *query_open(struct dns_resolver *resolver, struct lookup_digest key,
                                const char *name, enum dns_type type)
{
    void *memory;
    handle self = pool_take(&resolver->queries, &memory);
    if (self == HANDLE_NONE)
        return NULL;
    struct query *query = memory;
    query->channel = channel_choose(resolver);
    query->self = self;
    query->key = key;
    query->chain = NULL;
    query->askers = NULL;
    query->type = type;
    memcpy(query->name, name, strlen(name) + 1); // askable: 253 bytes at most
    query->channel->pending++;
    return query;
}

static struct asker *asker_open(struct dns_resolver *resolver, dns_resolver_done *done,
                                void *context)
{
    void *memory;
    handle self = resolver->closing ? HANDLE_NONE : pool_take(&resolver->askers, &memory);
    if (self == HANDLE_NONE)
        return NULL;
    struct asker *asker = memory;
    *asker = (struct asker){.done = done, .context = context, .self = self};
    return asker;
}

void dns_resolver_ask(struct dns_resolver *resolver, const char *name, enum dns_type type,
                      dns_resolver_done *done, void *context)
{
    if (!dns_name_is_askable(span_text(name)))
        return done(context, &nothing);
    struct lookup_digest key = dns_cache_key(&resolver->cache, name, type);
    if (dns_cache_find(&resolver->cache, key, resolver->now_ms, &resolver->known)) {
        resolver->counters.from_cache++;
        return done(context, &resolver->known);
    }
    struct asker *asker = asker_open(resolver, done, context);
    if (!asker)
        return done(context, &failure);
    struct query **link = link_of(resolver, key), *query = *link;
    if (query) {
        resolver->counters.joined++;
        asker->next = query->askers;
        query->askers = asker;
        return;
    }
    query = query_open(resolver, key, name, type); // there is one for each asker
    CHECK(query);
    query->askers = asker;
    *link = query;
    resolver->counters.asked++;
    ares_query(query->channel->ares, name, CLASS_IN, (int)type, on_answer, query);
    // The query may be gone after this call.
}

int dns_resolver_fd(const struct dns_resolver *resolver)
{
    return resolver->epoll;
}

int dns_resolver_timeout_ms(const struct dns_resolver *resolver)
{
    int least_ms = -1;
    for (int i = 0; i < DNS_CHANNELS; i++) {
        struct timeval left;
        if (resolver->channels[i].pending == 0 ||
            !ares_timeout(resolver->channels[i].ares, NULL, &left))
            continue;
        int ms = (int)(left.tv_sec * 1000 + left.tv_usec / 1000) + 1;
        if (least_ms < 0 || ms < least_ms)
            least_ms = ms;
    }
    return least_ms;
}

void dns_resolver_run(struct dns_resolver *resolver, uint64_t now_ms)
{
    resolver->now_ms = now_ms;
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(resolver->epoll, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        // A socket closed by an earlier event's answer is unknown to c-ares and does nothing.
        struct channel *channel = &resolver->channels[events[i].data.u64 >> 32];
        ares_socket_t fd = (ares_socket_t)(uint32_t)events[i].data.u64;
        bool readable = events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP);
        bool writable = events[i].events & EPOLLOUT;
        ares_process_fd(channel->ares, readable ? fd : ARES_SOCKET_BAD,
                        writable ? fd : ARES_SOCKET_BAD);
    }
    for (int i = 0; i < DNS_CHANNELS; i++) // time-outs
        if (resolver->channels[i].pending > 0)
            ares_process_fd(resolver->channels[i].ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

const struct dns_resolver_counters *dns_resolver_counters(const struct dns_resolver *resolver)
{
    return &resolver->counters;
}

void dns_reverse_name(const struct addr *addr, const char *zone, char ret_name[DNS_NAME_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    char labels[65];
    size_t size = 0;
    if (addr_is_v4(addr)) {
        const uint8_t *v4 = addr->bytes + 12;
        size = (size_t)snprintf(labels, sizeof labels, "%u.%u.%u.%u.", v4[3], v4[2], v4[1], v4[0]);
    } else {
        for (int i = 15; i >= 0; i--) {
            labels[size++] = digits[addr->bytes[i] & 15];
            labels[size++] = '.';
            labels[size++] = digits[addr->bytes[i] >> 4];
            labels[size++] = '.';
        }
    }
    int made = snprintf(ret_name, DNS_NAME_SIZE, "%.*s%s", (int)size, labels, zone);
    CHECK(made > 0 && made < DNS_NAME_SIZE);
}
