// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/passing.h"

#include <string.h>

void passing_begin(struct passing *p)
{
	memset(p->seen, 0, sizeof(p->seen));
}

void passing_end(struct passing *p)
{
	for (uint32_t i = 0; i < PASSING_MAX; i++)
		if (!p->seen[i])
			p->va[i] = 0;
}

bool passing_stays(struct passing *p, uint64_t va, uint64_t now_ns)
{
	uint32_t i = 0, room = PASSING_MAX;

	for (; i < PASSING_MAX && p->va[i] != va; i++)
		if (!p->va[i] && room == PASSING_MAX)
			room = i;
	if (i == PASSING_MAX) {
		if (room == PASSING_MAX)
			return true;
		i = room;
		p->va[i] = va;
		p->since_ns[i] = now_ns;
	}
	p->seen[i] = true;
	return now_ns - p->since_ns[i] > PASSING_SECONDS * 1000000000ull;
}
