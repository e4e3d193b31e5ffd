// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/frames.h"

#include <string.h>

#include "channel/bytes.h"
#include "lib/util.h"

void frame_reader_init(struct frame_reader *r, uint32_t limit)
{
	r->limit = limit;
	r->have = r->len = 0;
	r->bad = false;
}

void frame_header(uint8_t out[WIRE_FRAME_HEADER], uint32_t len)
{
	struct writer w = { out, out + WIRE_FRAME_HEADER, false };

	put_u32(&w, len);
}

/* Moves at most want - have bytes; true once want bytes are there. */
static bool take(struct frame_reader *r, uint8_t *out, uint32_t want,
		 const uint8_t **data, size_t *n)
{
	size_t step = MIN(want - r->have, *n);

	if (step)
		memcpy(out, *data, step);
	r->have += step;
	*data += step;
	*n -= step;
	return r->have == want;
}

/* The limit is checked as soon as the length is known, before any payload. */
static bool read_header(struct frame_reader *r, const uint8_t **data, size_t *n)
{
	struct reader header = { r->header, r->header + WIRE_FRAME_HEADER, false };

	if (!take(r, r->header + r->have, WIRE_FRAME_HEADER, data, n))
		return false;
	r->len = get_u32(&header);
	r->bad = r->len == 0 || r->len > MIN(r->limit, (uint32_t)WIRE_FRAME_MAX);
	return true;
}

enum frame_state frame_read(struct frame_reader *r, const uint8_t **data, size_t *n)
{
	if (r->have == WIRE_FRAME_HEADER + r->len && r->len)
		r->have = r->len = 0;
	if (!r->bad && r->have < WIRE_FRAME_HEADER && !read_header(r, data, n))
		return FRAME_MORE;
	if (r->bad)
		return FRAME_BAD;
	if (!take(r, r->payload + r->have - WIRE_FRAME_HEADER,
		  WIRE_FRAME_HEADER + r->len, data, n))
		return FRAME_MORE;
	return FRAME_READY;
}
