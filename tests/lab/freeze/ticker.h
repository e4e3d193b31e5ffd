/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef TICKER_H
#define TICKER_H

#include <stdint.h>

#define MARK(i) ((uint8_t)((i) * 29 + 177))

struct page {
	uint8_t mark[32];
	volatile uint64_t spins, ticks;
};

#endif
