// SPDX-License-Identifier: BSD-3-Clause
#pragma once

// What the commands that ask the workers share.

#include "api/api_request.h"

// True: it is asked, and the owner's `done` will be called. False: it could not be, the request has
// been answered with the error, and the owner is not called.
bool api_inquiry_start(struct api_request *request, const struct message *question,
                       const struct ops_owner *owner) MUST_CHECK;
// Answers a request whose inquiry ended with that error.
void api_inquiry_failed(struct api_request *request, int error);

// The argument "address" as the guard knows sources: an IPv4 address, or the begin of an IPv6 /64.
// False: answered with what was expected.
bool api_inquiry_source(struct api_request *request, struct addr *ret_source) MUST_CHECK;
const char *api_inquiry_source_text(const struct addr *source, char text[PREFIX_TEXT_SIZE]);
