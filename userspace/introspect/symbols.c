// SPDX-License-Identifier: GPL-2.0-or-later
/* Every symbol of a kernel that is known. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/kernel.h"
#include "lib/util.h"

#define MAX_IMAGE (96ull << 20)

int kernel_symbols(const struct kernel *k,
		   int (*fn)(void *ctx, const char *name, uint64_t address), void *ctx)
{
	const size_t len = k->symbols_end - k->symbols_start;
	autofree uint8_t *image = len <= MAX_IMAGE ? malloc(len) : NULL;

	if (!image)
		return -ENOMEM;
	/* Frame by frame: of what is not resident, no symbol is needed, or its name is wrong. */
	for (size_t at = 0; at < len; at += FRAME_SIZE) {
		int r = virt_read(&k->as, k->symbols_start + at, image + at, FRAME_SIZE);

		if (r == -ETIME || r == -ENODEV)
			return r;
		if (r)
			memset(image + at, 0, FRAME_SIZE);
	}
	return kallsyms_each(image, len, k->symbols_start, k->text_base, &k->kallsyms, fn, ctx);
}
