/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two clocks: monotonic to measure with, wall to tell people. */
#ifndef WARDEN_ENGINE_CLOCK_H
#define WARDEN_ENGINE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull
#define NEVER UINT64_MAX

static inline uint64_t clock_ns(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static inline uint64_t now_mono(void) { return clock_ns(CLOCK_MONOTONIC); }
static inline uint64_t now_wall(void) { return clock_ns(CLOCK_REALTIME); }

#endif
