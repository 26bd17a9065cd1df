// SPDX-License-Identifier: BSD-3-Clause
#include "contract/policy.h"
#include "fuzz/fuzz.h"

#include <stdlib.h>

static void ranges_are_inside(const struct policy *policy)
{
    const struct policy_domain *domains = policy_at(policy, policy->domains);
    for (uint32_t i = 0; i < policy->domains.count; i++)
        CHECK(memchr(domains[i].name, 0, sizeof(domains[i].name)) != NULL);
    struct addr client = {0};
    (void)policy_may_relay(policy, &client);
    (void)policy_domain_find(policy, span_text("example.net"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    // A copy of exactly that size, aligned as a mapping is: the sanitizer sees a read beyond it.
    void *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        return 0;
    memcpy(copy, data, size);
    struct policy *policy = copy;
    if (size >= sizeof *policy && policy->version == 1)
        policy->version = contract_version;
    const char *what = NULL;
    if (policy_is_sound(copy, size, &what))
        ranges_are_inside(copy);
    else
        CHECK(what != NULL);
    free(copy);
    return 0;
}
