/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel's own memory, by an open /proc/kcore. */
#ifndef WARDEN_INTEGRITY_LIVE_H
#define WARDEN_INTEGRITY_LIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIVE_SEGMENTS 1024

struct live {
	int fd;
	unsigned n;
	struct { uint64_t address, size, offset; } segment[LIVE_SEGMENTS];
};

bool live_open(struct live *ret_live, int fd);
/* All n bytes, or false.  A hole reads as zeros. */
bool live_read(void *live, uint64_t address, void *out, size_t n);

#endif
