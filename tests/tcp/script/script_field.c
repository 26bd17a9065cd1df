// SPDX-License-Identifier: BSD-3-Clause
#include "script.h"

#include <stdlib.h>

uint32_t script_number(const struct play *p, const char *word, uint32_t origin, char **ret_rest)
{
    bool edge = strncmp(word, "edge", 4) == 0, una = strncmp(word, "una", 3) == 0;
    word += edge ? 4 : una ? 3 : 0;
    origin = edge ? p->edge : una ? p->una : origin;
    *ret_rest = (char *)(uintptr_t)word;
    if ((edge || una) && *word != '+' && *word != '-')
        return origin;
    return origin + (uint32_t)strtol(word, ret_rest, 10);
}

bool script_flags(const char *word, uint8_t *ret_flags)
{
    static const char letters[] = "FSRP.U";
    uint8_t flags = 0;
    for (; *word; word++) {
        const char *found = strchr(letters, *word);
        if (!found && *word != '-')
            return false;
        flags |= found ? (uint8_t)(1u << (found - letters)) : 0;
    }
    *ret_flags = flags;
    return true;
}

static bool sacks_of(const struct play *p, char *word, uint32_t origin, struct tcp_option *o)
{
    if (strcmp(word, "-") == 0)
        return true; // none
    for (o->sack_count = 0; *word && o->sack_count < 4; o->sack_count++) {
        struct tcp_sack_block *block = &o->sack[o->sack_count];
        block->left = script_number(p, word, origin, &word);
        if (*word++ != '-')
            return false;
        block->right = script_number(p, word, origin, &word);
        word += *word == ',';
    }
    return *word == 0;
}

static void stamp_of(const struct play *p, const char *word, struct tcp_option *o)
{
    o->has_timestamps = true;
    if (strcmp(word, "old") == 0)
        o->ts_value -= 1000000;
    else if (strcmp(word, "same") == 0)
        o->ts_value = p->stamp;
    else
        o->ts_value += (uint32_t)strtol(word, NULL, 10);
}

bool script_fields(const struct play *p, const struct line *l, uint32_t seq_origin,
                   uint32_t ack_origin, struct packet *ret, unsigned *ret_has)
{
    struct tcp_option *o = &ret->options;
    for (unsigned i = 2; i < l->count; i++) {
        const char *word = l->words[i];
        if (strcmp(word, "sackok") == 0) {
            o->sack_permitted = true;
            continue;
        }
        if (strcmp(word, "nots") == 0) {
            o->has_timestamps = false;
            continue;
        }
        if (++i == l->count)
            return false;
        char *rest = l->words[i];
        if (strcmp(word, "seq") == 0) {
            bool relative = strncmp(rest, "edge", 4) == 0 || strncmp(rest, "una", 3) == 0;
            ret->seq = script_number(p, rest, seq_origin, &rest);
            ret->payload_size = *rest == '+' && !relative ? (uint16_t)strtol(rest, &rest, 10) : 0;
            if (*rest == ':') // the size behind an edge
                ret->payload_size = (uint16_t)strtol(rest + 1, &rest, 10);
            *ret_has |= HAS_SEQ;
        } else if (strcmp(word, "ack") == 0) {
            ret->ack = script_number(p, rest, ack_origin, &rest);
            *ret_has |= HAS_ACK;
        } else if (strcmp(word, "win") == 0) {
            ret->window = (uint16_t)strtol(rest, &rest, 10);
            *ret_has |= HAS_WINDOW;
        } else if (strcmp(word, "mss") == 0) {
            o->mss = (uint16_t)strtol(rest, &rest, 10);
            *ret_has |= HAS_MSS;
        } else if (strcmp(word, "scale") == 0) {
            o->has_window_scale = true;
            o->window_scale = (uint8_t)strtol(rest, &rest, 10);
            *ret_has |= HAS_SCALE;
        } else if (strcmp(word, "sack") == 0) {
            *ret_has |= HAS_SACK;
            if (!sacks_of(p, rest, ack_origin, o))
                return false;
            continue;
        } else if (strcmp(word, "ts") == 0) {
            stamp_of(p, rest, o);
            continue;
        } else {
            return false;
        }
        if (*rest)
            return false;
    }
    return true;
}
