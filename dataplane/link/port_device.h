// SPDX-License-Identifier: BSD-3-Clause
#pragma once

/* Reading of the policy's device strings: "0000:01:00.0", or "net_af_packet0,iface=eth0". */

#include <stdbool.h>
#include <stddef.h>

enum { PORT_DEVICE_SIZE = 192 }; // of a device string with what we add

// "[dddd:]bb:dd.f", with or without arguments behind it.
bool port_device_is_pci(const char *device);

// What stands before the first comma; cut at size - 1.
void port_device_name(const char *device, char *ret_name, size_t size);

// The value of argument `key` (up to the next comma), or false.
bool port_device_argument(const char *device, const char *key, char *ret_value, size_t size);

/* The arguments with which the device has a queue pair a worker, where its driver must be told:
 * net_af_packet (qpairs) and net_af_xdp (queue_count, when the interface has that many queues).
 * What the operator wrote stays. False when they do not fit. */
bool port_device_arguments(const char *device, unsigned workers, char *ret_arguments, size_t size);

// Whether a statistic of that name counts lost frames, and is not one of those that every device
// has (struct rte_eth_stats).
bool port_device_is_loss(const char *statistic);
