// SPDX-License-Identifier: GPL-2.0-or-later
/* A quarantined file's metadata, should its seal be broken. */
#include "agent/meta.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[META_MAX];
	static struct meta meta;

	if (meta_get(data, size, &meta)) {
		must(meta_put(again, &meta) == size);
		must(!memcmp(again, data, size));
	}
	return 0;
}
