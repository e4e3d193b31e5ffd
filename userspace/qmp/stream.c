// SPDX-License-Identifier: GPL-2.0-or-later
#include "qmp/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int stream_init(struct stream *s)
{
	*s = (struct stream){ .buf = malloc(STREAM_MAX_OBJECT) };
	return s->buf ? 0 : -ENOMEM;
}

void stream_free(struct stream *s)
{
	free(s->buf);
	s->buf = NULL;
}

char *stream_room(struct stream *s, size_t *ret_room)
{
	*ret_room = STREAM_MAX_OBJECT - s->used;
	return s->buf + s->used;
}

void stream_added(struct stream *s, size_t n)
{
	s->used += n;
}

static void drop(struct stream *s, size_t n)
{
	memmove(s->buf, s->buf + n, s->used - n);
	s->used -= n;
	s->scanned = 0;
}

static void drop_blanks(struct stream *s)
{
	size_t n = 0;

	while (n < s->used && memchr(" \t\r\n", s->buf[n], 4))
		n++;
	if (n)
		drop(s, n);
}

/* True if c ends the object. */
static bool step(struct stream *s, char c)
{
	if (s->in_string) {
		if (s->escaped)
			s->escaped = false;
		else if (c == '\\')
			s->escaped = true;
		else if (c == '"')
			s->in_string = false;
		return false;
	}
	if (c == '"')
		s->in_string = true;
	else if (c == '{' || c == '[')
		s->depth++;
	else if (c == '}' || c == ']')
		s->depth--;
	return !s->depth;
}

static int take(struct stream *s, json_t **ret_object)
{
	json_t *object = json_loadb(s->buf, s->scanned, JSON_REJECT_DUPLICATES, NULL);

	drop(s, s->scanned);
	if (!object)
		return -EBADMSG;
	*ret_object = object;
	return 1;
}

int stream_next(struct stream *s, json_t **ret_object)
{
	if (!s->depth)
		drop_blanks(s);
	if (s->used && s->buf[0] != '{')
		return -EBADMSG;
	while (s->scanned < s->used) {
		if (step(s, s->buf[s->scanned++]))
			return take(s, ret_object);
		if (s->depth > STREAM_MAX_DEPTH)
			return -EBADMSG;
	}
	return 0;
}
