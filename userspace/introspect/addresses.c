// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/addresses.h"

#include <stdio.h>
#include <string.h>

/* The place of at, or n. */
static uint32_t find(const struct addresses *a, uint64_t at)
{
	uint32_t i = 0;

	while (i < a->n && a->at[i] != at)
		i++;
	return i;
}

void addresses_add(struct addresses *a, uint64_t at, const char *of)
{
	if (a->n == MAX_ADDRESSES || find(a, at) < a->n)
		return;
	a->at[a->n] = at;
	snprintf(a->of[a->n++], ADDRESS_OF, "%s", of);
}

void addresses_keep_common(struct addresses *a, const struct addresses *now)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < a->n; i++) {
		const uint32_t there = find(now, a->at[i]);

		if (there == now->n)
			continue;
		a->at[n] = a->at[i];
		memcpy(a->of[n++], now->of[there], ADDRESS_OF);
	}
	a->n = n;
}
