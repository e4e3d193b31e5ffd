/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * So much for each CID, so that one guest's flood costs that guest alone: a
 * burst, then one more after each interval.
 */
#ifndef WARDEN_RATE_H
#define WARDEN_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_CIDS 4096		/* beyond it the longest unused is forgotten */

struct rate {
	uint32_t burst, interval_ms;
	struct rate_cid {
		uint32_t cid, left;
		uint64_t refilled_ms;
	} cids[RATE_CIDS];
};

bool rate_take(struct rate *rate, uint32_t cid, uint64_t now_ms);

#endif
