// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What a session after login may do in a time: commands, bytes of literals, bytes from and to the
 * client. Each is GCRA (guard/guard_rate.h says how) over amounts:
 *
 *   debt = max(0, TAT - now);  it may go on while debt <= tolerance;  charge: TAT += amount * T
 *
 * Whoever is over is not refused: no more of it is read until budget_wake_us, which is kinder to a
 * client that has much to do, and TCP tells it. Such a wait is counted once, by the limit's reason.
 * What was begun is not cut, so a budget is passed by the last amount at most.
 *
 * The other way round, a command that was begun (a line or a literal is not whole) must get on:
 *
 *   bytes of a window >= least bytes a second * seconds of the window,  each of BUDGET_WINDOW_US
 *
 * Who is not read, or waits for an answer, is not to blame: then nothing is begun. Nor is who waits
 * for a backend that takes nothing (host->stalled): then the window begins anew.
 */

#include "mail/mail.h"

enum budget_kind {
    BUDGET_COMMANDS,
    BUDGET_LITERALS, // bytes, IMAP
    BUDGET_UPLOAD,   // bytes from the client
    BUDGET_DOWNLOAD, // bytes to it
    BUDGET_COUNT,
};

enum { BUDGET_WINDOW_US = 60000000 };

struct budget { // all zero at first
    uint64_t tat_ns[BUDGET_COUNT];
    uint64_t wake_us[BUDGET_COUNT]; // 0: nothing of the kind waits
    uint64_t begun_us;              // of the window; 0: nothing is begun
    uint64_t begun_bytes;           // read in it
    uint8_t over;                   // bits: kinds whose wait, or shadow, was counted
};

// May something of that kind go on now? False: it waits, and host->waits says so.
bool budget_may(struct budget *budget, struct mail_host *host, enum budget_kind kind,
                uint64_t now_us) MUST_CHECK;
void budget_charge(struct budget *budget, const struct mail_host *host, enum budget_kind kind,
                   uint64_t amount, uint64_t now_us);
uint64_t budget_wake_us(const struct budget *budget); // the earliest; UINT64_MAX: nothing waits
void budget_woke(struct budget *budget);              // whoever waited is asked again

// `bytes` more came of a command, which is whole now or is not.
void budget_read(struct budget *budget, const struct mail_host *host, uint64_t bytes, bool begun,
                 uint64_t now_us);
// When to ask next; UINT64_MAX: nothing is begun.
uint64_t budget_slow_us(const struct budget *budget);
// The host's deadline: the earliest of those two and of when it has been idle for too long.
void budget_deadline(const struct budget *budget, struct mail_host *host, uint64_t idle_us);
bool budget_is_slow(struct budget *budget, struct mail_host *host, uint64_t now_us) MUST_CHECK;
