/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A few addresses of a guest's kernel, each once. */
#ifndef WARDEN_ADDRESSES_H
#define WARDEN_ADDRESSES_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_ADDRESSES 64u
#define ADDRESS_OF 64u

struct addresses {
	uint64_t at[MAX_ADDRESSES];
	char of[MAX_ADDRESSES][ADDRESS_OF];	/* what for a reader belongs to it; "" */
	uint32_t n;
};

/* Who has more than there is room for is found by those that there is room for. */
void addresses_add(struct addresses *a, uint64_t at, const char *of);

/* Of a, what is in now as well; with what belongs to it now. */
void addresses_keep_common(struct addresses *a, const struct addresses *now);

#endif
