// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* A mail session as a play: who says what, line by line, against a fake host. What the machine says
 * must be exactly what the script expects, in order, and nothing more by the script's end.
 *
 *   C:text   the client sends the line        S:text   the machine sends it to the client
 *   B:text   the backend sends the line       P:text   the machine sends it to the backend
 *   RC:text  the client sends just that       RB:text  the backend sends just that
 *   E:connect | fail | close                  what happens to the backend's connection
 *   E:connecting N | disconnected             it was asked for, backend N; it was given up
 *   E:rdns none|unconfirmed|confirmed NAME    answers; E:spf RESULT
 *   E:auth right|wrong|throttled USER         of a password
 *   E:sasl wrong|throttled [CHALLENGE]        of an exchange, which goes on with a challenge
 *   E:proven USER [CHALLENGE]                 of an exchange: right, and the last word
 *   E:unavailable rdns|dnsbl|helo|spf|auth|sasl
 *   E:drain | drain now
 *   E:tls | eof | timeout | finish REASON | state NAME | counted REASON | shadowed REASON
 *
 * In all texts \r \n \0 \\ and \xHH are escapes. An expectation that ends with * is a prefix. Lines
 * end with CR LF on the wire, with \n in the script.
 */

#include "support/mail_host_fake.h"

void mail_script_play(struct mail_host_fake *fake, const char *script);
