// SPDX-License-Identifier: BSD-3-Clause
#include "smtp/smtp.h"

#include "smtp_plays.h"

#define NO_HELLO  "503 5.5.1 EHLO or HELO first"
#define IN_MAIL   "503 5.5.1 Not during a mail transaction"
#define NO_MAIL   "503 5.5.1 MAIL first"
#define NO_RCPT   "503 5.5.1 RCPT first"
#define UNKNOWN   "500 5.5.1 Command unknown"
#define NOT_DONE  "502 5.5.1 Command not implemented"
#define IN_CHUNKS "503 5.5.1 Not between chunks of a message"
#define BAD_CHUNK "501 5.5.4 Bad chunk size, closing"
#define OK        "250 2.0.0 Ok"

enum { GREETED_STATE, HELLO_STATE, MAIL_STATE, RCPT_STATE, CHUNKS_STATE, COMMAND_STATES };

static const char *const ways[COMMAND_STATES] = {GREETED, HELLO, SENDER, RECIPIENT, CHUNKS};

// Every command in every state: the first line of the reply. NULL: it waits for somebody.
static const struct {
    const char *line;
    const char *replies[COMMAND_STATES];
} golden[] = {
    {"", {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}},
    {" NOOP", {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}},
    {"XYZZY", {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}},
    {"NOOPS", {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}},
    {"XCLIENT ADDR=192.0.2.1", {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}},
    {"XFORWARD ADDR=192.0.2.1", {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}},
    {"PROXY TCP4 192.0.2.1 192.0.2.2 1 2", {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}},
    {"EXPN all", {NOT_DONE, NOT_DONE, NOT_DONE, NOT_DONE, NOT_DONE}},
    {"TURN", {NOT_DONE, NOT_DONE, NOT_DONE, NOT_DONE, NOT_DONE}},
    {"ETRN example.net", {NOT_DONE, NOT_DONE, NOT_DONE, NOT_DONE, NOT_DONE}},
    {"BDAT 1 LAST", {NULL, NULL, NULL, NULL, NULL}},
    {"BDAT 0", {NO_HELLO, NO_MAIL, NO_RCPT, NULL, "250 2.0.0 1 octets received"}},
    {"BDAT 0 LAST", {NO_HELLO, NO_MAIL, NO_RCPT, NULL, NULL}},
    {"BDAT", {BAD_CHUNK, BAD_CHUNK, BAD_CHUNK, BAD_CHUNK, BAD_CHUNK}},
    {"NOOP", {OK, OK, OK, OK, OK}},
    {"noop whatever", {OK, OK, OK, OK, OK}},
    {"RSET", {OK, OK, OK, OK, OK}},
    {"RSET now",
     {"501 5.5.4 No arguments here", "501 5.5.4 No arguments here", "501 5.5.4 No arguments here",
      "501 5.5.4 No arguments here", "501 5.5.4 No arguments here"}},
    {"HELP", {"214 2.0.0 *", "214 2.0.0 *", "214 2.0.0 *", "214 2.0.0 *", "214 2.0.0 *"}},
    {"VRFY alice", {"252 2.5.2 *", "252 2.5.2 *", "252 2.5.2 *", "252 2.5.2 *", "252 2.5.2 *"}},
    {"VRFY",
     {"501 5.5.2 Syntax error", "501 5.5.2 Syntax error", "501 5.5.2 Syntax error",
      "501 5.5.2 Syntax error", "501 5.5.2 Syntax error"}},
    {"QUIT", {"221 2.0.0 Bye", "221 2.0.0 Bye", "221 2.0.0 Bye", "221 2.0.0 Bye", "221 2.0.0 Bye"}},
    {"EHLO other.example",
     {"250-mail.example.net", "250-mail.example.net", "250-mail.example.net",
      "250-mail.example.net", "250-mail.example.net"}},
    {"HELO other.example",
     {"250 mail.example.net", "250 mail.example.net", "250 mail.example.net",
      "250 mail.example.net", "250 mail.example.net"}},
    {"STARTTLS", {NO_HELLO, "220 2.0.0 *", IN_MAIL, IN_MAIL, IN_MAIL}},
    {"AUTH PLAIN AGEAYg==", {NO_HELLO, "503 5.5.1 AUTH not offered", IN_MAIL, IN_MAIL, IN_MAIL}},
    {"MAIL FROM:<joe@good.example.org>", {NO_HELLO, NULL, IN_MAIL, IN_MAIL, IN_MAIL}},
    {"MAIL", {NO_HELLO, "501 5.5.2 Syntax error", IN_MAIL, IN_MAIL, IN_MAIL}},
    {"RCPT TO:<alice@example.net>", {NO_HELLO, NO_MAIL, NULL, NULL, IN_CHUNKS}},
    {"RCPT", {NO_HELLO, NO_MAIL, "501 5.5.2 Syntax error", "501 5.5.2 Syntax error", IN_CHUNKS}},
    {"DATA", {NO_HELLO, NO_MAIL, NO_RCPT, NULL, IN_CHUNKS}},
    {"DATA now", {NO_HELLO, NO_MAIL, NO_RCPT, "501 5.5.4 No arguments here", IN_CHUNKS}},
};

// Likewise on submission, where only who is logged in under TLS may send.
enum { CLEAR_STATE, CLEAR_HELLO_STATE, TLS_STATE, TLS_HELLO_STATE, USER_STATE, USER_MAIL_STATE };
enum { USER_STATES = USER_MAIL_STATE + 1 };

#define CLEAR_HELLO BANNER EHLO
#define TLS_GREETED CLEAR_HELLO STARTTLS
#define USER                                                                                       \
    TLS_GREETED EHLO_LOGIN "C:AUTH PLAIN AGFsaWNlAHdvbmRlcmxhbmQ=\n"                               \
                           "E:auth right alice@example.net\n"                                      \
                           "S:235 2.7.0 Authentication successful\n"
#define USER_MAIL USER "C:MAIL FROM:<alice@example.net>\nS:250 2.1.0 Ok\n"

static const char *const user_ways[USER_STATES] = {
    BANNER, CLEAR_HELLO, TLS_GREETED, TLS_GREETED EHLO_LOGIN, USER, USER_MAIL};

#define TLS_FIRST  "530 5.7.0 Must issue a STARTTLS command first"
#define AUTH_FIRST "530 5.7.0 Authentication required"
#define TLS_IS_UP  "503 5.5.1 TLS already active"
#define IS_USER    "503 5.5.1 Already authenticated"
#define NO_CLEAR   "538 5.7.11 *"

static const struct {
    const char *line;
    const char *replies[USER_STATES];
} golden_user[] = {
    {"XYZZY", {UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN}},
    {"NOOP", {OK, OK, OK, OK, OK, OK}},
    {"RSET", {OK, OK, OK, OK, OK, OK}},
    {"HELP", {"214 *", "214 *", "214 *", "214 *", "214 *", "214 *"}},
    {"VRFY alice", {"252 *", "252 *", "252 *", "252 *", "252 *", "252 *"}},
    {"EXPN all", {NOT_DONE, NOT_DONE, NOT_DONE, NOT_DONE, NOT_DONE, NOT_DONE}},
    {"QUIT", {"221 *", "221 *", "221 *", "221 *", "221 *", "221 *"}},
    {"EHLO other.example", {"250-*", "250-*", "250-*", "250-*", "250-*", "250-*"}},
    {"HELO other.example", {"250 *", "250 *", "250 *", "250 *", "250 *", "250 *"}},
    {"STARTTLS", {NO_HELLO, "220 2.0.0 *", NO_HELLO, TLS_IS_UP, TLS_IS_UP, IN_MAIL}},
    {"AUTH PLAIN AGEAYg==", {NO_HELLO, NO_CLEAR, NO_HELLO, NULL, IS_USER, IN_MAIL}},
    {"AUTH LOGIN", {NO_HELLO, NO_CLEAR, NO_HELLO, "334 VXNlcm5hbWU6", IS_USER, IN_MAIL}},
    {"AUTH CRAM-MD5", {NO_HELLO, NO_CLEAR, NO_HELLO, "504 5.5.4 *", IS_USER, IN_MAIL}},
    {"AUTH", {NO_HELLO, NO_CLEAR, NO_HELLO, "501 5.5.2 *", IS_USER, IN_MAIL}},
    {"MAIL FROM:<alice@example.net>",
     {NO_HELLO, TLS_FIRST, NO_HELLO, AUTH_FIRST, "250 2.1.0 Ok", IN_MAIL}},
    {"MAIL FROM:<bob@example.net>",
     {NO_HELLO, TLS_FIRST, NO_HELLO, AUTH_FIRST, "553 5.7.1 *", IN_MAIL}},
    {"RCPT TO:<bob@example.com>", {NO_HELLO, NO_MAIL, NO_HELLO, NO_MAIL, NO_MAIL, NULL}},
    {"DATA", {NO_HELLO, NO_MAIL, NO_HELLO, NO_MAIL, NO_MAIL, NO_RCPT}},
    {"BDAT 0 LAST", {NO_HELLO, NO_MAIL, NO_HELLO, NO_MAIL, NO_MAIL, NO_RCPT}},
};

static bool reply_is(const char *got, const char *want)
{
    size_t size = strlen(want);
    if (want[size - 1] == '*')
        return strncmp(got, want, size - 1) == 0;
    return strncmp(got, want, size) == 0 && got[size] == '\r';
}

static void has_its_reply(const char *service, const char *way, const char *line, const char *want)
{
    struct mail_host_fake *fake = smtp_play_open(service, way);
    mail_host_fake_client(fake, line);
    mail_host_fake_client(fake, "\r\n");
    const char *got = mail_host_fake_sent(fake, SIDE_CLIENT);
    if (want ? !reply_is(got, want) : got[0] != '\0')
        fail_msg("%s of %s behind %s: %s", line, service, way, got);
    mail_host_fake_close(fake);
}

static void every_command_in_every_state_has_its_reply(void **unused)
{
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++)
        for (int state = 0; state < COMMAND_STATES; state++)
            has_its_reply("smtp", ways[state], golden[i].line, golden[i].replies[state]);
}

static void every_command_of_submission_has_its_reply_before_and_after_login(void **unused)
{
    for (size_t i = 0; i < sizeof golden_user / sizeof golden_user[0]; i++)
        for (int state = 0; state < USER_STATES; state++)
            has_its_reply("submission", user_ways[state], golden_user[i].line,
                          golden_user[i].replies[state]);
}

// What stands behind the wait: whatever is sent meanwhile is taken up when it ends, in order.
static void no_command_is_taken_while_somebody_is_waited_for(void **unused)
{
    static const char *const waits[] = {
        HELLO "C:MAIL FROM:<joe@good.example.org>\nE:state sender\n",
        SENDER "C:RCPT TO:<alice@example.net>\nE:state rcpt wait\n",
        RECIPIENT "C:DATA\nP:DATA\nE:state data wait\n",
        FINAL "E:state final\n",
    };
    for (size_t i = 0; i < sizeof golden / sizeof golden[0]; i++)
        for (size_t wait = 0; wait < sizeof waits / sizeof waits[0]; wait++)
            has_its_reply("smtp", waits[wait], golden[i].line, NULL);
}

static void a_greeting_is_waited_for(void **unused)
{
    smtp_play("smtp", GREETED "RC:EHLO client.example\\r\\nNOOP\\r\\n\n"
                              "S:503 5.5.0 Improper use of pipelining\n"
                              "S:250 2.0.0 Ok\n"
                              "E:state greeted\n"
                              "E:counted smtp_pipelining\n");
    smtp_play("smtp", GREETED "RC:HELO client.example\\r\\nM\n"
                              "S:503 5.5.0 Improper use of pipelining\n"
                              "E:state greeted\n");
}

static void behind_helo_nothing_is_pipelined(void **unused)
{
    smtp_play("smtp", GREETED "C:HELO client.example\n"
                              "S:250 mail.example.net\n"
                              "RC:MAIL FROM:<joe@good.example.org>\\r\\nRCPT TO:<x>\\r\\n\n"
                              "S:503 5.5.0 Improper use of pipelining\n"
                              "S:503 5.5.1 MAIL first\n" MAIL
                              "RC:RCPT TO:<alice@example.net>\\r\\nRCPT TO:<x>\\r\\n\n"
                              "S:503 5.5.0 Improper use of pipelining\n"
                              "S:553 5.1.3 Bad recipient address syntax\n");
}

static void a_reset_ends_the_transaction_here_and_there(void **unused)
{
    smtp_play("smtp", RECIPIENT "C:RSET\n"
                                "S:250 2.0.0 Ok\n"
                                "E:state hello\n"
                                "C:RCPT TO:<alice@example.net>\n"
                                "S:503 5.5.1 MAIL first\n" MAIL "C:RCPT TO:<alice@example.net>\n"
                                "P:RSET\n"
                                "B:250 2.0.0 Ok\n" BACKEND_MAIL ALICE);
}

static void a_new_greeting_ends_the_transaction(void **unused)
{
    smtp_play("smtp", SENDER EHLO "E:state hello\n"
                                  "C:RCPT TO:<alice@example.net>\n"
                                  "S:503 5.5.1 MAIL first\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_command_in_every_state_has_its_reply),
        cmocka_unit_test(every_command_of_submission_has_its_reply_before_and_after_login),
        cmocka_unit_test(no_command_is_taken_while_somebody_is_waited_for),
        cmocka_unit_test(a_greeting_is_waited_for),
        cmocka_unit_test(behind_helo_nothing_is_pipelined),
        cmocka_unit_test(a_reset_ends_the_transaction_here_and_there),
        cmocka_unit_test(a_new_greeting_ends_the_transaction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
