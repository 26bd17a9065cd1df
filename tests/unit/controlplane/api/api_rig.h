// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Commands of the API on a plane without a process: the sample configuration, a link that is up
 * with its workers' rings in the test's hands, and instead of a client (api_server_send) the last
 * response. Fails the cmocka test it is called from.
 */

#include "api/api_request.h"
#include "support/ops_rig.h"

struct api_rig {
    struct plane plane;
    struct ops_rig ops;
    json_t *response; // the last; NULL: none yet
    unsigned responses;
};

extern struct api_rig api_rig;

int api_rig_up(void **state);
int api_rig_down(void **state);

// Starts that request, a JSON object. ' stands for ".
void api_rig_start(const char *request);
struct api_request *api_rig_request(const char *body); // alone, for a command function

// The response is there now: refused with that text, or granted. One response a call.
void api_rig_refused(const char *want);
json_t *api_rig_granted(void); // borrowed until the next response

// That worker's next question, answered with this status: an answer to fill in and to send.
struct message api_rig_answer(unsigned worker, enum message_status status);
void api_rig_send(unsigned worker, const struct message *answer);
