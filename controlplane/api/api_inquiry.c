// SPDX-License-Identifier: BSD-3-Clause
#include "api/api_inquiry.h"

#include <errno.h>

bool api_inquiry_start(struct api_request *request, const struct message *question,
                       const struct ops_owner *owner)
{
    int error = ops_desk_ask(&request->plane->desk, question, owner);
    if (error)
        api_inquiry_failed(request, error);
    return error == 0;
}

void api_inquiry_failed(struct api_request *request, int error)
{
    if (error == -ENOTCONN)
        api_request_error(request, "the data plane is not attached");
    else if (error == -ETIMEDOUT)
        api_request_error(request, "a worker did not answer within %d ms", OPS_DEADLINE_MS);
    else
        api_request_error(request, "too many questions wait for the workers, try again");
}

bool api_inquiry_source(struct api_request *request, struct addr *ret_source)
{
    struct addr addr;
    const char *text = api_request_text(request, "address");
    if (!text)
        return false;
    if (!addr_parse(text, &addr) || addr_is_zero(&addr)) {
        api_request_error(request, "address: expected an IPv4 or IPv6 address");
        return false;
    }
    *ret_source = addr_is_v4(&addr) ? addr : addr_mask(&addr, 64);
    return true;
}

const char *api_inquiry_source_text(const struct addr *source, char text[PREFIX_TEXT_SIZE])
{
    if (addr_is_v4(source))
        return addr_format(source, text);
    struct prefix prefix = {.addr = *source, .bits = 64};
    return prefix_format(&prefix, text);
}
