// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/rate.h"

#include "lib/util.h"

/* A new one starts full; refilled_ms 0 marks one never used. */
static struct rate_cid *find(struct rate *rate, uint32_t cid, uint64_t now_ms)
{
	struct rate_cid *oldest = &rate->cids[0];

	for (int i = 0; i < RATE_CIDS; i++) {
		struct rate_cid *c = &rate->cids[i];

		if (c->cid == cid && c->refilled_ms)
			return c;
		if (c->refilled_ms < oldest->refilled_ms)
			oldest = c;
	}
	*oldest = (struct rate_cid){ cid, rate->burst, now_ms };
	return oldest;
}

bool rate_take(struct rate *rate, uint32_t cid, uint64_t now_ms)
{
	struct rate_cid *c = find(rate, cid, now_ms);
	uint64_t due = (now_ms - c->refilled_ms) / rate->interval_ms;

	c->left = MIN(c->left + due, (uint64_t)rate->burst);
	c->refilled_ms += due * rate->interval_ms;
	if (!c->left)
		return false;
	c->left--;
	return true;
}
