// SPDX-License-Identifier: BSD-3-Clause
#include "lookup/auth_dovecot.h"

#include "base/log.h"
#include "contract/attach.h"
#include "lookup/dovecot_line.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    OUTPUT_SIZE = 512 << 10,
    SWEEP_MS = 100,
    REQUESTS = AUTH_TRIES_MAX + AUTH_EXCHANGES_MAX, // exchanges behind the tries
};

struct request { // by the asker's id
    bool used;
    bool asked;  // the server owes a reply
    uint32_t id; // on the wire
    uint64_t until_ms;
    uint8_t user_size; // as asked, for a server that does not say
    char user[USER_NAME_MAX];
};

struct auth_dovecot {
    enum auth_dovecot_state state; // written by enter alone
    int dial;
    int fd; // -1 unless GREETING or UP
    int error;
    bool version_said;   // by this connection's greeting
    uint32_t mechanisms; // likewise, bits of enum mechanism
    uint32_t next_id;
    uint64_t generation, next_ms; // next_ms: DOWN: next try; DIALLED, GREETING: deadline
    uint32_t pause_ms, under_way;
    size_t input_size, output_size;
    uint32_t results_count, steps_count;
    struct request requests[REQUESTS];
    struct auth_result results[AUTH_TRIES_MAX];        // a try ends once, so there is room
    struct auth_step_result steps[AUTH_EXCHANGES_MAX]; // likewise, once a step
    char input[DOVECOT_LINE_MAX];
    char output[OUTPUT_SIZE];
};

int auth_dovecot_open(struct auth_dovecot **ret_dovecot, int dial)
{
    struct auth_dovecot *d = calloc(1, sizeof *d);
    if (!d)
        return -ENOMEM;
    d->dial = dial;
    d->fd = -1;
    d->error = ENOTCONN;
    d->pause_ms = DOVECOT_PAUSE_LEAST_MS;
    *ret_dovecot = d;
    return 0;
}

static void connection_close(struct auth_dovecot *d)
{
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    explicit_bzero(d->output, d->output_size);
    explicit_bzero(d->input, d->input_size);
    d->output_size = d->input_size = 0;
    d->version_said = false;
    d->mechanisms = 0;
}

void auth_dovecot_close(struct auth_dovecot *d)
{
    connection_close(d);
    explicit_bzero(d, sizeof *d);
    free(d);
}

static void enter(struct auth_dovecot *d, enum auth_dovecot_state state)
{
    static const uint8_t next[] = {
        // bits
        [DOVECOT_DOWN] = 1 << DOVECOT_DIALLED,
        [DOVECOT_DIALLED] = 1 << DOVECOT_DOWN | 1 << DOVECOT_GREETING,
        [DOVECOT_GREETING] = 1 << DOVECOT_DOWN | 1 << DOVECOT_UP,
        [DOVECOT_UP] = 1 << DOVECOT_DOWN,
    };
    CHECK(next[d->state] & 1 << state);
    d->state = state;
}

static void request_forget(struct auth_dovecot *d, uint32_t index)
{
    d->under_way--;
    explicit_bzero(&d->requests[index], sizeof d->requests[index]);
}

static void step_end(struct auth_dovecot *d, uint32_t index, enum auth_outcome outcome,
                     struct span user, struct span challenge)
{
    struct auth_step_result *step = &d->steps[d->steps_count];
    int size = 0;
    if (!d->requests[index].asked)
        return; // nobody waits: what is said is over
    *step = (struct auth_step_result){.id = index - AUTH_TRIES_MAX, .outcome = outcome};
    if (outcome == OUTCOME_CHALLENGE)
        size = base64_decode(challenge, step->challenge, sizeof step->challenge);
    if (size < 0) // not for us: it is too long, or no base64
        step->outcome = OUTCOME_UNAVAILABLE;
    else
        step->challenge_size = (uint16_t)size;
    if (outcome == OUTCOME_RIGHT) {
        step->user_size = (uint8_t)user.size;
        memcpy(step->user, user.at, user.size);
    }
    d->steps_count++;
    d->requests[index].asked = false;
    if (step->outcome != OUTCOME_CHALLENGE)
        request_forget(d, index);
}

static void try_end(struct auth_dovecot *d, uint32_t index, enum auth_outcome outcome,
                    struct span user)
{
    struct auth_result *result = &d->results[d->results_count++];
    *result = (struct auth_result){.id = index, .outcome = outcome};
    if (outcome == OUTCOME_RIGHT) {
        result->user_size = (uint8_t)user.size;
        memcpy(result->user, user.at, user.size);
    }
    request_forget(d, index);
}

static void unavailable(struct auth_dovecot *d, uint32_t index)
{
    bool asked = d->requests[index].asked;
    if (index < AUTH_TRIES_MAX)
        try_end(d, index, OUTCOME_UNAVAILABLE, span_of(NULL, 0));
    else if (asked)
        step_end(d, index, OUTCOME_UNAVAILABLE, span_of(NULL, 0), span_of(NULL, 0));
    else
        request_forget(d, index);
}

static void down(struct auth_dovecot *d, int error, const char *cause, uint64_t now_ms)
{
    if (d->error != error) // once for each kind of trouble
        log_warning("what=\"no connection to Dovecot\" cause=\"%s\" error=\"%s\"", cause,
                    strerror(error));
    d->error = error;
    connection_close(d);
    for (uint32_t i = 0; i < REQUESTS; i++)
        if (d->requests[i].used)
            unavailable(d, i);
    enter(d, DOVECOT_DOWN);
    d->next_ms = now_ms + d->pause_ms;
    d->pause_ms *= 2;
    if (d->pause_ms > DOVECOT_PAUSE_MOST_MS)
        d->pause_ms = DOVECOT_PAUSE_MOST_MS;
}

// Asking, and being handed, a connection. The record is an errno; 0 has a descriptor with it.

static void dial(struct auth_dovecot *d, uint64_t now_ms)
{
    static const uint32_t please = 0;
    enter(d, DOVECOT_DIALLED);
    d->next_ms = now_ms + DOVECOT_GREETING_MS;
    int error = attach_send(d->dial, &please, sizeof please, NULL, 0);
    if (error)
        down(d, -error, "the parent cannot be asked", now_ms);
}

static void output_add(struct auth_dovecot *d, const char *bytes, size_t size)
{
    CHECK(d->output_size + size <= OUTPUT_SIZE);
    memcpy(d->output + d->output_size, bytes, size);
    d->output_size += size;
}

static void dialled(struct auth_dovecot *d, uint64_t now_ms)
{
    uint32_t refusal;
    int fd = -1, count = 0;
    int error = attach_receive(d->dial, &refusal, sizeof refusal, &fd, 1, &count);
    if (error == -EAGAIN)
        return;
    if (error || d->state != DOVECOT_DIALLED || count != (refusal == 0)) {
        if (count == 1)
            close(fd); // one that came too late
        if (d->state == DOVECOT_DIALLED)
            down(d,
                 error     ? -error
                 : refusal ? (int)(refusal & INT16_MAX)
                           : EPROTO,
                 "the parent did not connect", now_ms);
        return;
    }
    if (refusal)
        return down(d, (int)(refusal & INT16_MAX), "refused", now_ms);
    char hello[64];
    d->fd = fd;
    enter(d, DOVECOT_GREETING);
    // One connection a process, so the process id is as unique as the server wants it.
    int size = snprintf(hello, sizeof hello, "VERSION\t1\t2\nCPID\t%d\n", (int)getpid());
    output_add(d, hello, (size_t)size);
}

// What the server says.

static struct request *request_find(struct auth_dovecot *d, uint32_t id, uint32_t *ret_index)
{
    for (uint32_t i = 0; i < REQUESTS && d->under_way > 0; i++)
        if (d->requests[i].used && d->requests[i].id == id) {
            *ret_index = i;
            return &d->requests[i];
        }
    return NULL;
}

static bool is_login(struct span user) // as message_is_sound demands of answers
{
    for (size_t i = 0; i < user.size; i++)
        if (user.at[i] <= ' ' || user.at[i] >= 0x7f)
            return false;
    return user.size > 0 && user.size <= USER_NAME_MAX;
}

static enum auth_outcome outcome_of(const struct dovecot_line *line, struct span user)
{
    if (line->verb == DOVECOT_OK)
        return is_login(user) ? OUTCOME_RIGHT : OUTCOME_UNAVAILABLE;
    if (line->verb == DOVECOT_CONT || line->temporary)
        return OUTCOME_UNAVAILABLE; // PLAIN has nothing to go on with
    return line->refused ? OUTCOME_REFUSED : OUTCOME_WRONG;
}

static void reply_take(struct auth_dovecot *d, const struct dovecot_line *line)
{
    uint32_t index;
    const struct request *request = request_find(d, line->id, &index);
    if (!request)
        return; // it came too late
    struct span user = line->user.size ? line->user : span_of(request->user, request->user_size);
    enum auth_outcome outcome = outcome_of(line, user);
    if (index < AUTH_TRIES_MAX)
        try_end(d, index, outcome, user);
    else
        step_end(d, index, line->verb == DOVECOT_CONT ? OUTCOME_CHALLENGE : outcome, user,
                 line->challenge);
}

// NULL, or why the server is hung up on.
static const char *line_take(struct auth_dovecot *d, struct span text)
{
    struct dovecot_line line = dovecot_line_read(text);
    bool greeting = d->state == DOVECOT_GREETING;
    switch (line.verb) {
    case DOVECOT_UNKNOWN:
        return NULL;
    case DOVECOT_VERSION:
        d->version_said = true;
        return line.major == 1 ? NULL : "another version of the protocol";
    case DOVECOT_MECH:
        d->mechanisms |= 1U << line.mechanism;
        return NULL;
    case DOVECOT_DONE:
        if (!greeting || !d->version_said)
            return "greeting out of order";
        if (!mechanism_is_in(MECHANISM_PLAIN, d->mechanisms))
            return "the server does not offer PLAIN";
        enter(d, DOVECOT_UP);
        d->error = 0;
        d->pause_ms = DOVECOT_PAUSE_LEAST_MS;
        d->generation++;
        log_info("what=\"connected to Dovecot\"");
        return NULL;
    case DOVECOT_OK:
    case DOVECOT_FAIL:
    case DOVECOT_CONT:
        if (greeting)
            return "reply before the greeting";
        reply_take(d, &line);
        return NULL;
    case DOVECOT_MALFORMED:
        return "malformed line";
    }
    return "malformed line";
}

static const char *input_take(struct auth_dovecot *d)
{
    struct span left = span_of(d->input, d->input_size);
    const char *wrong = NULL;
    for (size_t end; !wrong && (end = span_find(left, '\n')) < left.size;) {
        wrong = line_take(d, span_head(left, end));
        left = span_skip(left, end + 1);
    }
    if (!wrong && left.size == sizeof d->input)
        wrong = "line too long";
    if (left.size)
        memmove(d->input, left.at, left.size);
    d->input_size = left.size;
    return wrong;
}

static void input_read(struct auth_dovecot *d, uint64_t now_ms)
{
    for (int i = 0; i < 16; i++) { // then others have their turn
        ssize_t got = read(d->fd, d->input + d->input_size, sizeof d->input - d->input_size);
        if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN))
            return; // still connecting, or nothing there
        if (got <= 0)
            return down(d, got < 0 ? errno : ECONNRESET, "the connection ended", now_ms);
        d->input_size += (size_t)got;
        const char *wrong = input_take(d);
        if (wrong)
            return down(d, EPROTO, wrong, now_ms);
    }
}

static void output_write(struct auth_dovecot *d, uint64_t now_ms)
{
    if (d->output_size == 0)
        return;
    ssize_t sent = send(d->fd, d->output, d->output_size, MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN))
        return;
    if (sent < 0)
        return down(d, errno, "the connection ended", now_ms);
    size_t left = d->output_size - (size_t)sent;
    memmove(d->output, d->output + sent, left);
    explicit_bzero(d->output + left, (size_t)sent);
    d->output_size = left;
}

static void overdue_end(struct auth_dovecot *d, uint64_t now_ms)
{
    for (uint32_t i = 0; i < REQUESTS && d->under_way > 0; i++)
        if (d->requests[i].asked && d->requests[i].until_ms <= now_ms)
            unavailable(d, i);
}

void auth_dovecot_run(struct auth_dovecot *d, uint64_t now_ms)
{
    if (d->state == DOVECOT_DOWN && now_ms >= d->next_ms)
        dial(d, now_ms);
    dialled(d, now_ms);
    if (d->fd >= 0)
        output_write(d, now_ms);
    if (d->fd >= 0)
        input_read(d, now_ms);
    if ((d->state == DOVECOT_DIALLED || d->state == DOVECOT_GREETING) && now_ms >= d->next_ms)
        down(d, ETIMEDOUT, "no greeting in time", now_ms);
    overdue_end(d, now_ms);
}

unsigned auth_dovecot_poll(const struct auth_dovecot *d, uint64_t now_ms, struct pollfd fds[2],
                           int *ret_timeout_ms)
{
    uint64_t left_ms = d->next_ms > now_ms ? d->next_ms - now_ms : 0;
    *ret_timeout_ms = d->state != DOVECOT_UP ? (int)left_ms : d->under_way > 0 ? SWEEP_MS : -1;
    fds[0] = (struct pollfd){.fd = d->dial, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = d->fd,
                             .events = (short)(POLLIN | (d->output_size > 0 ? POLLOUT : 0))};
    return d->fd >= 0 ? 2 : 1;
}

enum auth_dovecot_state auth_dovecot_state(const struct auth_dovecot *d)
{
    return d->state;
}

int auth_dovecot_error(const struct auth_dovecot *d)
{
    return d->error;
}

// The back end's face.

static bool has_room(const struct auth_dovecot *d)
{
    return d->state == DOVECOT_UP && d->output_size + DOVECOT_REQUEST_MAX <= OUTPUT_SIZE;
}

static struct request *request_take(struct auth_dovecot *d, uint32_t index, struct span user)
{
    struct request *request = &d->requests[index];
    CHECK(!request->used);
    if (++d->next_id == 0) // an id comes again after 4 billion only; 0 is no id
        d->next_id = 1;
    *request = (struct request){.used = true, .id = d->next_id, .user_size = (uint8_t)user.size};
    memcpy(request->user, user.at, user.size);
    d->under_way++;
    return request;
}

static bool dovecot_begin(void *context, const struct auth_try *try, uint64_t now_ms)
{
    struct auth_dovecot *d = context;
    char line[DOVECOT_REQUEST_MAX];
    if (!has_room(d))
        return false;
    struct request *request = request_take(d, try->id, try->user);
    request->asked = true;
    request->until_ms = try->until_ms;
    size_t size = dovecot_line_plain(try->question, request->id, line);
    output_add(d, line, size);
    explicit_bzero(line, size);
    return true;
}

static bool dovecot_step(void *context, const struct auth_step *step, uint64_t now_ms)
{
    struct auth_dovecot *d = context;
    char line[DOVECOT_REQUEST_MAX];
    struct request *request = &d->requests[AUTH_TRIES_MAX + step->id];
    if (!has_room(d) || request->used == step->first ||
        !mechanism_is_in(step->mechanism, d->mechanisms))
        return false;
    if (step->first)
        request = request_take(d, AUTH_TRIES_MAX + step->id, step->user);
    request->asked = true;
    request->until_ms = step->until_ms;
    size_t size = step->first ? dovecot_line_begin(&step->question->client, request->id,
                                                   step->mechanism, step->response, line)
                              : dovecot_line_go_on(request->id, step->response, line);
    output_add(d, line, size);
    explicit_bzero(line, size);
    return true;
}

static bool dovecot_take_step(void *context, struct auth_step_result *ret_result)
{
    struct auth_dovecot *d = context;
    if (d->steps_count == 0)
        return false;
    *ret_result = d->steps[--d->steps_count];
    return true;
}

static void dovecot_drop(void *context, uint32_t id)
{
    struct auth_dovecot *d = context;
    char line[DOVECOT_REQUEST_MAX];
    uint32_t index = AUTH_TRIES_MAX + id;
    for (uint32_t i = 0; i < d->steps_count; i++)
        if (d->steps[i].id == id)
            d->steps[i] = d->steps[--d->steps_count];
    if (!d->requests[index].used)
        return;
    if (has_room(d))
        output_add(d, line, dovecot_line_cancel(d->requests[index].id, line));
    request_forget(d, index);
}

static uint32_t dovecot_mechanisms(void *context)
{
    const struct auth_dovecot *d = context;
    return d->state == DOVECOT_UP
               ? d->mechanisms & (MECHANISMS_TOKEN | 1U << MECHANISM_SCRAM_SHA_256)
               : 0;
}

static bool dovecot_take(void *context, struct auth_result *ret_result)
{
    struct auth_dovecot *d = context;
    if (d->results_count == 0)
        return false;
    *ret_result = d->results[--d->results_count];
    return true;
}

static uint64_t dovecot_generation(void *context)
{
    return ((const struct auth_dovecot *)context)->generation;
}

struct auth_backend auth_dovecot_backend(struct auth_dovecot *d)
{
    return (struct auth_backend){
        .context = d,
        .begin = dovecot_begin,
        .take = dovecot_take,
        .step = dovecot_step,
        .take_step = dovecot_take_step,
        .drop = dovecot_drop,
        .mechanisms = dovecot_mechanisms,
        .generation = dovecot_generation,
    };
}
