// SPDX-License-Identifier: GPL-2.0-or-later
#include "integrity/live.h"

#include <elf.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"

static bool read_at(int fd, void *out, size_t n, uint64_t offset)
{
	for (size_t done = 0; done < n;) {
		ssize_t r = pread(fd, (uint8_t *)out + done, n - done, offset + done);

		if (r <= 0)
			return false;
		done += r;
	}
	return true;
}

bool live_open(struct live *ret_live, int fd)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	memset(ret_live, 0, sizeof(*ret_live));
	ret_live->fd = fd;
	if (!read_at(fd, &header, sizeof(header), 0) || memcmp(header.e_ident, ELFMAG, SELFMAG))
		return false;
	for (unsigned i = 0; i < header.e_phnum && ret_live->n < LIVE_SEGMENTS; i++) {
		if (!read_at(fd, &segment, sizeof(segment), header.e_phoff + i * sizeof(segment)))
			return false;
		if (segment.p_type != PT_LOAD)
			continue;
		ret_live->segment[ret_live->n].address = segment.p_vaddr;
		ret_live->segment[ret_live->n].size = segment.p_memsz;
		ret_live->segment[ret_live->n++].offset = segment.p_offset;
	}
	return ret_live->n;
}

bool live_read(void *arg, uint64_t address, void *out, size_t n)
{
	const struct live *live = arg;

	for (unsigned i = 0; i < live->n; i++) {
		uint64_t into = address - live->segment[i].address;

		if (address >= live->segment[i].address && into < live->segment[i].size &&
		    n <= live->segment[i].size - into)
			return read_at(live->fd, out, n, live->segment[i].offset + into);
	}
	return false;
}
