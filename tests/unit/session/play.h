// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* The first acts of an SMTP session on the rig, for tests of what comes after them. */

#include "support/session_rig.h"

int play_setup(void **state); // *state is the rig
int play_teardown(void **state);

void play_answer_rdns(struct rig *rig);
void play_answer_spf(struct rig *rig);
// A client that has greeted and named a sender; the backend has not been called yet.
struct rig_peer *play_client_after_mail(struct rig *rig);
// Its backend, the n-th of the rig, has taken a recipient.
struct rig_peer *play_backend_after_rcpt(struct rig *rig, struct rig_peer *client, unsigned n);
void play_into_data(struct rig *rig, struct rig_peer *client, struct rig_peer *backend);
