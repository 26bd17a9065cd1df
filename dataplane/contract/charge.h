// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* What a session does that has a rate of its own (guard/guard_quota.h): it asks before it does it.
 */

enum charge { CHARGE_TLS, CHARGE_MESSAGE, CHARGE_RECIPIENT, CHARGE_LOGIN, CHARGE_COUNT };
