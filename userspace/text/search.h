/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_TEXT_SEARCH_H
#define WARDEN_TEXT_SEARCH_H

#include <stddef.h>

/* Of n elements in the order of compare, the first that is not below key; n: all are. */
static inline size_t search_from(const void *key, const void *elements, size_t n, size_t size,
				 int (*compare)(const void *element, const void *key))
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (compare((const char *)elements + middle * size, key) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

#endif
