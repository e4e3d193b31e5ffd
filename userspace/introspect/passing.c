// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/passing.h"

void passing_begin(struct passing *p)
{
	for (uint32_t i = 0; i < PASSING_MAX; i++)
		p->thing[i].seen = false;
}

void passing_end(struct passing *p)
{
	for (uint32_t i = 0; i < PASSING_MAX; i++)
		if (!p->thing[i].seen)
			p->thing[i].va = 0;
}

bool passing_stays(struct passing *p, uint64_t va, uint64_t whose, uint64_t now_ns)
{
	uint32_t i = 0, room = PASSING_MAX;

	for (; i < PASSING_MAX && (p->thing[i].va != va || p->thing[i].whose != whose); i++)
		if (!p->thing[i].va && room == PASSING_MAX)
			room = i;
	if (i == PASSING_MAX) {
		if (room == PASSING_MAX)
			return false;
		i = room;
		p->thing[i].va = va;
		p->thing[i].whose = whose;
		p->thing[i].since_ns = now_ns;
		p->thing[i].checks = 0;
	}
	p->thing[i].seen = true;
	p->thing[i].checks++;
	return p->thing[i].checks >= PASSING_CHECKS &&
	       now_ns - p->thing[i].since_ns > PASSING_SECONDS * 1000000000ull;
}
