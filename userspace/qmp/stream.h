/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON objects out of a stream of a VMM's bytes: one after the other, on one
 * line or (-qmp-pretty) on many, each of bounded size and depth.
 */
#ifndef WARDEN_QMP_STREAM_H
#define WARDEN_QMP_STREAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define STREAM_MAX_OBJECT (256u << 10)
#define STREAM_MAX_DEPTH 64

struct stream {
	char *buf;			/* STREAM_MAX_OBJECT bytes */
	size_t used, scanned;
	unsigned depth;
	bool in_string, escaped;
};

int stream_init(struct stream *s);	/* 0 or -ENOMEM */
void stream_free(struct stream *s);

/* Where the next bytes go, and how many at most: 0 if an object is too long. */
char *stream_room(struct stream *s, size_t *ret_room);
void stream_added(struct stream *s, size_t n);

/*
 * 1 and the next object, the caller's; 0: more bytes are needed; -EBADMSG:
 * what comes is no JSON object, or too deep.
 */
int stream_next(struct stream *s, json_t **ret_object);

#endif
