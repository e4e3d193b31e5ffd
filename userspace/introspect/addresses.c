// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/addresses.h"

static bool has(const struct addresses *a, uint64_t at)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (a->at[i] == at)
			return true;
	return false;
}

void addresses_add(struct addresses *a, uint64_t at)
{
	if (a->n < MAX_ADDRESSES && !has(a, at))
		a->at[a->n++] = at;
}

void addresses_keep_common(struct addresses *a, const struct addresses *now)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < a->n; i++)
		if (has(now, a->at[i]))
			a->at[n++] = a->at[i];
	a->n = n;
}
