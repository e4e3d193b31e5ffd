/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_CHANNEL_CLOCK_H
#define WARDEN_CHANNEL_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static inline uint64_t clock_ms(void)
{
	return clock_us() / 1000;
}

#endif
