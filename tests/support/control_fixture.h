// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* weir-controlplane as a process under test: a directory of its own under /tmp with configuration,
 * sockets, pid files and session log, and a fake data plane beside it. Waiting is polling with a
 * deadline, so a test takes as long as the program does. Fails the cmocka test it is called from.
 */

#include "support/fake_dataplane.h"

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct control_fixture {
    char directory[32];
    char config[64], api[64], dataplane[64], session_log[64], errors[64]; // files
    pid_t pid;                                                            // 0: not running
    struct fake_dataplane *fake;                                          // NULL: none
};

// Lays the directory with a configuration whose end is `extra`.
void control_fixture_lay(struct control_fixture *f, const char *extra);
void control_fixture_config(const struct control_fixture *f, const char *extra); // anew
void control_fixture_launch(struct control_fixture *f);
// All of it: the directory, a fake with that many workers, the program, attached with children.
void control_fixture_up(struct control_fixture *f, unsigned workers, const char *extra);
// Ends what runs and removes the directory.
void control_fixture_down(struct control_fixture *f);

int control_fixture_wait(struct control_fixture *f); // for its end: exit code, 128 + signal
void control_fixture_read(const char *file, char *text, size_t size);
pid_t control_fixture_pid(const struct control_fixture *f, const char *name); // 0: no such file
bool control_fixture_is_alive(pid_t pid);                                     // a zombie is not

int control_fixture_connect(const struct control_fixture *f); // to the API
// One request as json_pack has it, one response (the caller's).
json_t *control_fixture_ask(const struct control_fixture *f, const char *format, ...);
json_t *control_fixture_receive(int socket);

// weirctl with these arguments: exit code, and standard output and error together.
int control_fixture_weirctl(const struct control_fixture *f, const char *arguments, char *text,
                            size_t size);

typedef bool control_fixture_condition(struct control_fixture *f, void *arg);
bool control_fixture_until(struct control_fixture *f, control_fixture_condition *condition,
                           void *arg, unsigned timeout_ms);
bool control_fixture_is_up(struct control_fixture *f, void *arg); // all three roles attached

// Prefixes of that class in the policy that the data plane took last.
unsigned control_fixture_listed(struct control_fixture *f, unsigned class);
