// SPDX-License-Identifier: BSD-3-Clause
#include "base/check.h"
#include "mail/line.h"
#include "smtp/smtp.h"
#include "smtp/smtp_text.h"

/* BDAT (RFC 3030). The backend is given the same message by DATA, so that there is one way in which
 * it reads the end of a message, whoever sent it in whatever form. Content is policed as in DATA;
 * BINARYMIME is not offered.
 *
 * The bytes of a chunk are never commands, however wrong the BDAT before them was: a chunk that is
 * refused is read to its end first, and where that end is not known the session ends.
 */

static bool parse(struct span text, uint64_t *ret_size, bool *ret_last)
{
    struct span rest;
    struct span size = line_word(text, &rest);
    *ret_last = span_equal_nocase(rest, span_text("LAST"));
    return (*ret_last || rest.size == 0) && size.size <= 20 &&
           span_to_u64(size, UINT64_MAX, ret_size);
}

static enum smtp_refusal check_place(const struct smtp *smtp, uint64_t size)
{
    const struct smtp_mail *mail = &smtp->mail;
    switch ((enum smtp_state)smtp->state) {
    case SMTP_GREETED:
        return REFUSE_NO_HELLO;
    case SMTP_HELLO:
        return REFUSE_NO_MAIL;
    case SMTP_MAIL:
        return smtp_envelope_lacks_recipient(smtp);
    default:
        break;
    }
    if (!smtp->esmtp)
        return REFUSE_NOT_DONE;
    if (mail->swallow) // the backend went between two chunks
        return (enum smtp_refusal)mail->refusal;
    if (smtp->backend.voided)
        return REFUSE_BACKEND_LOST;
    return smtp_budget_is_too_big(smtp, mail->data.size, size) ? REFUSE_TOO_BIG : REFUSE_NONE;
}

static void finish_message(struct smtp *smtp)
{
    if (smtp_data_is_behind_cr(&smtp->mail.data)) {
        smtp_content_swallow(smtp, REFUSE_DATA_BARE_CR);
        smtp_content_refused(smtp);
        return;
    }
    smtp_content_end(smtp);
}

// All bytes of the chunk were read.
static void end_chunk(struct smtp *smtp)
{
    struct smtp_mail *mail = &smtp->mail;
    char buffer[64];
    struct smtp_text text = smtp_text_in(buffer, sizeof buffer);
    if (mail->swallow) {
        smtp_content_refused(smtp);
    } else if (mail->chunk_last) {
        finish_message(smtp);
    } else {
        smtp_text_add(&text, "250 2.0.0 %llu octets received", (unsigned long long)mail->data.size);
        CHECK(!text.full);
        smtp_reply(smtp, buffer);
        smtp_enter(smtp, SMTP_CHUNKS);
    }
}

void smtp_chunk_begin(struct smtp *smtp)
{
    smtp_enter(smtp, SMTP_CHUNK);
    smtp_pace_start(&smtp->mail.pace, smtp->now_us);
    if (smtp->mail.chunk_left == 0)
        end_chunk(smtp);
}

void smtp_chunk_bdat(struct smtp *smtp, const struct smtp_arguments *arguments)
{
    struct smtp_mail *mail = &smtp->mail;
    uint64_t size, most = smtp_content_read_most(smtp);
    bool last;
    if (!parse(arguments->text, &size, &last)) {
        smtp_finish(smtp, "501 5.5.4 Bad chunk size, closing", REASON_MAIL_BAD_COMMAND);
        return;
    }
    if (size > most) {
        smtp_finish(smtp, "552 5.3.4 Message too big, closing", REASON_SMTP_TOO_BIG);
        return;
    }
    enum smtp_refusal refusal = check_place(smtp, size);
    bool first = !mail->data.chunked && !mail->swallow;
    mail->chunk_left = size;
    mail->chunk_last = last;
    if (refusal != REFUSE_NONE || mail->swallow) {
        if (smtp->state == SMTP_CHUNKS)
            smtp_content_swallow(smtp, refusal);
        mail->swallow = true;
        mail->refusal = (uint8_t)refusal;
        smtp_chunk_begin(smtp);
    } else if (first) {
        mail->data.chunked = true;
        smtp_enter(smtp, SMTP_DATA_WAIT);
        smtp_backend_data(smtp);
    } else {
        smtp_chunk_begin(smtp);
    }
}

size_t smtp_chunk_input(struct smtp *smtp, struct span input)
{
    struct smtp_mail *mail = &smtp->mail;
    bool end = false;
    input = span_head(input, mail->chunk_left);
    size_t taken = mail->swallow ? input.size : smtp_content_pass(smtp, input, &end);
    if (!smtp_content_keeps_pace(smtp, taken, taken < input.size))
        return taken;
    if (taken == 0)
        return 0;
    CHECK(!end);
    mail->chunk_left -= taken;
    smtp_enter(smtp, SMTP_CHUNK); // the deadline is between blocks
    if (mail->chunk_left == 0)
        end_chunk(smtp);
    return taken;
}
