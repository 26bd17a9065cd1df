// SPDX-License-Identifier: BSD-3-Clause
#include "mail/splice.h"

size_t splice_forward(struct mail_host *host, enum mail_side to, struct span data, uint64_t most)
{
    size_t room = host->ops->room(host, to);
    struct span sent = span_head(data, room < most ? room : (size_t)most);
    if (sent.size)
        host->ops->send(host, to, sent);
    return sent.size;
}
