/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file in quarantine, sealed with a key that only the host keeps:
 *
 *	"KWITEM1\n", item[16], header[24] of crypto_secretstream_xchacha20poly1305
 *	u32 length, that many sealed bytes: what meta_put wrote
 *	u32 length, that many sealed bytes: content, ITEM_CHUNK bytes at most; again and again
 *	u32 length, that many sealed bytes: nothing, with the tag FINAL
 *
 * The first 24 bytes are additional data of each part, so that an item renamed
 * to another's name does not open.
 */
#ifndef WARDEN_AGENT_ITEM_H
#define WARDEN_AGENT_ITEM_H

#include <sodium.h>
#include <stdbool.h>
#include <sys/types.h>

#include "agent/meta.h"

#define ITEM_CHUNK 65536u

struct item {
	int fd;				/* the caller's */
	crypto_secretstream_xchacha20poly1305_state stream;
	uint8_t name[8 + WIRE_ITEM];	/* magic and item */
	uint8_t sealed[META_MAX + WIRE_STREAM_OVERHEAD];
};

/* 0 or -errno. */
int item_write_begin(struct item *i, int fd, const uint8_t name[WIRE_ITEM],
		     const uint8_t key[WIRE_KEY], const struct meta *meta);
int item_write(struct item *i, const void *bytes, size_t n);	/* 1 to ITEM_CHUNK */
int item_write_end(struct item *i);

/* -EBADMSG: damaged, or sealed with another key or for another name. */
int item_read_begin(struct item *i, int fd, const uint8_t name[WIRE_ITEM],
		    const uint8_t key[WIRE_KEY], struct meta *ret_meta);

/* Bytes of content (ITEM_CHUNK at most), 0 at the end, -errno. */
ssize_t item_read(struct item *i, uint8_t *bytes);

void item_wipe(struct item *i);

#endif
