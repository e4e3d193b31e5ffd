/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A byte stream cut into frames: u32 length, then as many bytes. */
#ifndef WARDEN_FRAMES_H
#define WARDEN_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warden/wire.h"

enum frame_state { FRAME_MORE, FRAME_READY, FRAME_BAD };

struct frame_reader {
	uint32_t limit;			/* of the payload, may be raised between frames */
	uint32_t have;			/* bytes of this frame, its header included */
	uint32_t len;			/* of the payload, once its header is there */
	bool bad;
	uint8_t header[WIRE_FRAME_HEADER];
	uint8_t payload[WIRE_FRAME_MAX];
};

void frame_reader_init(struct frame_reader *r, uint32_t limit);

/*
 * Takes bytes from *data up to the end of a frame and moves *data and *n on.
 * FRAME_READY: r->payload holds r->len bytes until the next call.  FRAME_BAD
 * is for ever: a length of zero or above the limit.
 */
enum frame_state frame_read(struct frame_reader *r, const uint8_t **data, size_t *n);

/* Writes the header of a frame of len bytes. */
void frame_header(uint8_t out[WIRE_FRAME_HEADER], uint32_t len);

#endif
