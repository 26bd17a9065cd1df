// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Both planes carry the same contract, or they do not talk: the version is a hash of the text of
 * the contract's own headers and lists and of what they include, made when Weir is built
 * (meson.build here). Nobody can forget to raise it; a changed comment changes it too, which costs
 * no more than shipping both planes together, as one package does.
 *
 * It stands in the hello and welcome of contract/attach.h, in every message, in the policy and in
 * the counter area.
 */

#include <stdint.h>

extern const uint16_t contract_version; // never 0
