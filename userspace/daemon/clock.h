/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CLOCK_MONOTONIC as it is now: an event loop's own may be of before a wait. */
#ifndef WARDEN_DAEMON_CLOCK_H
#define WARDEN_DAEMON_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static inline uint64_t now_us(void)
{
	return now_ns() / 1000;
}

#endif
