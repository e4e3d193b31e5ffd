// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/notes.h"

#include <string.h>

static size_t align4(uint64_t n)
{
	return (n + 3) & ~(uint64_t)3;
}

void notes_walk(const uint8_t *p, size_t len, note_fn fn, void *ctx)
{
	while (len >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr h;
		size_t name, desc;

		memcpy(&h, p, sizeof(h));
		p += sizeof(h);
		len -= sizeof(h);
		name = align4(h.n_namesz);
		desc = align4(h.n_descsz);
		if (name > len || desc > len - name || fn(ctx, &h, p, p + name))
			return;
		p += name + desc;
		len -= name + desc;
	}
}
