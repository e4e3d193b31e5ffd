// SPDX-License-Identifier: GPL-2.0-or-later
/* A byte stream, cut at any place, gives the frames that it gives whole. */
#include "fuzz.h"

static uint64_t frames(const uint8_t *data, size_t n, size_t step)
{
	static struct frame_reader r;
	uint64_t sum = 0;

	frame_reader_init(&r, WIRE_FRAME_MAX);
	while (n) {
		size_t part = n < step ? n : step, left = part;
		enum frame_state state;

		while ((state = frame_read(&r, &data, &left)) == FRAME_READY) {
			must(r.len && r.len <= WIRE_FRAME_MAX);
			sum = sum * 31 + r.len + r.payload[r.len - 1];
		}
		if (state == FRAME_BAD)
			return ~sum;
		must(!left);
		n -= part;
	}
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	must(frames(data, size, 1) == frames(data, size, SIZE_MAX));
	return 0;
}
