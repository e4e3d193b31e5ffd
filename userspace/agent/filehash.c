// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/filehash.h"

#include <errno.h>
#include <unistd.h>

#include "lib/crypto.h"
#include "lib/util.h"

/* One range of the file, its last page cut at size; false: not all of it is there. */
static bool hash_range(crypto_generichash_state *state, int fd, uint64_t size,
		       const struct record_range *range)
{
	static uint8_t buffer[65536];
	uint64_t at = (uint64_t)range->first_page * WIRE_PAGE;
	uint64_t end = at + (uint64_t)range->pages * WIRE_PAGE;

	/* each of its pages has a byte in the file at least */
	if (!range->pages || end - WIRE_PAGE >= size)
		return false;
	end = MIN(end, size);
	while (at < end) {
		ssize_t n = pread(fd, buffer, MIN(sizeof(buffer), end - at), at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		crypto_generichash_update(state, buffer, n);
		at += n;
	}
	return true;
}

bool file_matches(int fd, uint64_t size, const struct record_file *file)
{
	crypto_generichash_state state;
	uint8_t hash[WIRE_HASH];

	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	for (uint32_t i = 0; i < file->nranges; i++)
		if (!hash_range(&state, fd, size, &file->range[i]))
			return false;
	crypto_generichash_final(&state, hash, sizeof(hash));
	return !sodium_memcmp(hash, file->hash, sizeof(hash));
}
