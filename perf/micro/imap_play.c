// SPDX-License-Identifier: BSD-3-Clause
#include "imap_play.h"

void imap_play_answer(const struct message *question, struct message *answer)
{
    CHECK(question->kind == MESSAGE_AUTH);
    answer->auth_answer.verdict = AUTH_RIGHT;
    answer->auth_answer.user_size = question->auth_question.user_size;
    memcpy(answer->auth_answer.user, question->auth_question.user, answer->auth_answer.user_size);
}

bool imap_play_backend(struct mail_rig *rig, struct mail_rig_peer *backend, const char *line)
{
    if (strncmp(line, "W AUTHENTICATE PLAIN ", 21) == 0) {
        mail_rig_say(rig, backend,
                     span_text("* CAPABILITY IMAP4rev1 SASL-IR IDLE UIDPLUS CONDSTORE\r\n"
                               "W OK Logged in\r\n"));
        return true;
    }
    if (strstr(line, " LOGOUT")) {
        mail_rig_say(rig, backend, span_text("* BYE Logging out\r\nz OK Logout completed.\r\n"));
        mail_rig_leave(rig, backend);
        return true;
    }
    return false;
}
