// SPDX-License-Identifier: BSD-3-Clause

/* Plays captures against a whole worker without a NIC: pcap_play FOLDER [CASE…]
 *
 * For every CASE.want in the folder: the frames of CASE.in.pcap arrive on the outside leg at their
 * time; what Weir sends there must be CASE.out.pcap, byte by byte (numbers of its own made
 * relative, see pcap_flow.h) and within a turn's time; and the counters must have risen as
 * CASE.want says, refusals that it does not name not at all. The clock and the keys are fixed. When
 * a case fails, CASE.actual.pcap is what was sent, and the first difference is printed.
 */

#include "contract/counter.h"
#include "pcap_flow.h"
#include "unit/worker/worker_rig.h"

#include <ctype.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    START_US = 10000000, // of the worker's clock; a case begins at 0
    TICK_US = 10000,
    TURNS_A_STEP = 20, // until all that was given is taken
    PATH_SIZE = 512,
    CASES_MAX = 256,
};

struct want {
    uint64_t ends_us, late_us; // late: what a frame may come too late
    uint64_t reasons[REASON_COUNT];
    bool counted[COUNTER_COUNT];
    uint64_t counters[COUNTER_COUNT];
};

static struct play {
    const char *folder, *name;
    struct pcap_file in, out, actual;
    struct want want;
    struct pcap_flows flows;
    struct worker_rig rig;
} play;

static const char *path_of(const char *ending)
{
    static char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s%s", play.folder, play.name, ending);
    return path;
}

static void want_line(const char *name, uint64_t value)
{
    if (strcmp(name, "ends_us") == 0 || strcmp(name, "late_us") == 0) {
        *(name[0] == 'e' ? &play.want.ends_us : &play.want.late_us) = value;
        return;
    }
    for (int i = 0; i < REASON_COUNT; i++)
        if (strcmp(reason_name((enum reason)i), name) == 0) {
            play.want.reasons[i] = value;
            return;
        }
    for (int i = 0; i < COUNTER_COUNT; i++)
        if (strcmp(counter_name((enum counter)i), name) == 0) {
            play.want.counted[i] = true;
            play.want.counters[i] = value;
            return;
        }
    fail_msg("%s: no such counter or reason: %s", play.name, name);
}

static void want_read(void)
{
    FILE *file = fopen(path_of(".want"), "re");
    char line[128], name[64];
    unsigned long value;
    assert_non_null(file);
    play.want = (struct want){.late_us = TICK_US};
    while (fgets(line, sizeof line, file)) {
        assert_int_equal(sscanf(line, "%63s %lu", name, &value), 2);
        want_line(name, value);
    }
    fclose(file);
}

static void take_sent(uint64_t at_us)
{
    struct rte_mbuf *m;
    while ((m = worker_rig_sent(LEG_INSIDE)) != NULL)
        rte_pktmbuf_free(m);
    while ((m = worker_rig_sent(LEG_OUTSIDE)) != NULL) {
        assert_true(play.actual.count < PCAP_FRAMES_MAX);
        struct pcap_frame *frame = &play.actual.frames[play.actual.count++];
        frame->at_us = at_us;
        frame->size = rte_pktmbuf_data_len(m);
        assert_true(frame->size <= PCAP_FRAME_MAX && m->nb_segs == 1);
        memcpy(frame->bytes, rte_pktmbuf_mtod(m, void *), frame->size);
        rte_pktmbuf_free(m);
        if (!pcap_flow_out(&play.flows, frame))
            fail_msg("%s: frame %zu was sent with a wrong checksum", play.name, play.actual.count);
    }
}

// Runs the clock on to `to_us`, tick by tick.
static void run(uint64_t *now_us, uint64_t to_us)
{
    do {
        uint64_t tick_us = *now_us / TICK_US * TICK_US + TICK_US;
        *now_us = tick_us < to_us ? tick_us : to_us;
        for (int i = 0; i < TURNS_A_STEP; i++) {
            worker_turn_at(play.rig.worker, START_US + *now_us);
            take_sent(*now_us);
        }
    } while (*now_us < to_us);
}

static void frames_play(void)
{
    uint64_t now_us = 0;
    memset(&play.flows, 0, sizeof play.flows);
    play.actual.count = 0;
    run(&now_us, 0);
    for (size_t i = 0; i < play.in.count; i++) {
        struct pcap_frame frame = play.in.frames[i];
        if (frame.at_us > now_us)
            run(&now_us, frame.at_us);
        pcap_flow_in(&play.flows, &frame);
        worker_rig_frame(span_of(frame.bytes, frame.size), LEG_OUTSIDE);
        run(&now_us, now_us);
    }
    if (play.want.ends_us > now_us)
        run(&now_us, play.want.ends_us);
}

static void frame_print(const char *what, const struct pcap_frame *frame, size_t from)
{
    fprintf(stderr, "  %s, %zu bytes at %lu us, from byte %zu on:", what, frame->size,
            (unsigned long)frame->at_us, from);
    for (size_t i = from; i < frame->size && i < from + 32; i++)
        fprintf(stderr, " %02x", frame->bytes[i]);
    fputc('\n', stderr);
}

static bool frames_agree(void)
{
    const struct pcap_file *want = &play.out, *actual = &play.actual;
    for (size_t i = 0; i < want->count && i < actual->count; i++) {
        const struct pcap_frame *w = &want->frames[i], *a = &actual->frames[i];
        size_t same = 0;
        while (same < w->size && same < a->size && w->bytes[same] == a->bytes[same])
            same++;
        bool timely = a->at_us >= w->at_us && a->at_us <= w->at_us + play.want.late_us;
        if (same == w->size && same == a->size && timely)
            continue;
        fprintf(stderr, "%s: frame %zu differs\n", play.name, i + 1);
        frame_print("wanted", w, same);
        frame_print("sent  ", a, same);
        return false;
    }
    if (want->count == actual->count)
        return true;
    fprintf(stderr, "%s: %zu frames wanted, %zu sent\n", play.name, want->count, actual->count);
    return false;
}

static bool counts_agree(void)
{
    const struct counter_block *is = &play.rig.counters;
    bool agree = true;
    for (int i = 0; i < REASON_COUNT; i++)
        if (is->reasons[i] != play.want.reasons[i]) {
            fprintf(stderr, "%s: %s is %lu, wanted %lu\n", play.name, reason_name((enum reason)i),
                    (unsigned long)is->reasons[i], (unsigned long)play.want.reasons[i]);
            agree = false;
        }
    for (int i = 0; i < COUNTER_COUNT; i++)
        if (play.want.counted[i] && is->counters[i] != play.want.counters[i]) {
            fprintf(stderr, "%s: %s is %lu, wanted %lu\n", play.name, counter_name((enum counter)i),
                    (unsigned long)is->counters[i], (unsigned long)play.want.counters[i]);
            agree = false;
        }
    return agree;
}

static void the_case_goes_as_its_files_say(void **state)
{
    play.name = (const char *)*state;
    pcap_file_read(&play.in, path_of(".in.pcap"));
    pcap_file_read(&play.out, path_of(".out.pcap"));
    want_read();
    worker_rig_open(&play.rig);
    frames_play();
    bool frames = frames_agree(), counts = counts_agree();
    worker_rig_close(&play.rig);
    if (!frames || !counts) {
        pcap_file_write(&play.actual, path_of(".actual.pcap"));
        fail_msg("%s: see %s", play.name, path_of(".actual.pcap"));
    }
}

static bool is_chosen(const char *name, int argc, char **argv)
{
    for (int i = 2; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc == 2;
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[CASES_MAX];
    struct dirent **entries;
    size_t count = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER [CASE ...]\n", argv[0]);
        return 2;
    }
    play.folder = argv[1];
    int found = scandir(play.folder, &entries, NULL, alphasort);
    for (int i = 0; i < found && count < CASES_MAX; i++) {
        char *ending = strstr(entries[i]->d_name, ".want");
        if (!ending)
            continue;
        *ending = '\0';
        if (is_chosen(entries[i]->d_name, argc, argv))
            tests[count++] = (struct CMUnitTest){.name = entries[i]->d_name,
                                                 .test_func = the_case_goes_as_its_files_say,
                                                 .initial_state = entries[i]->d_name};
    }
    if (count == 0) {
        fprintf(stderr, "%s: no such case in %s\n", argv[0], play.folder);
        return 2;
    }
    worker_rig_start();
    return _cmocka_run_group_tests("pcap", tests, count, NULL, NULL);
}
