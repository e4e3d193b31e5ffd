// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/item.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "channel/bytes.h"

#define MAGIC "KWITEM1\n"
#define TAG_MORE crypto_secretstream_xchacha20poly1305_TAG_MESSAGE
#define TAG_END crypto_secretstream_xchacha20poly1305_TAG_FINAL

static int write_all(int fd, const uint8_t *bytes, size_t n)
{
	while (n) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done ? -errno : -EIO;
		bytes += done;
		n -= done;
	}
	return 0;
}

/* All n bytes, or -EBADMSG: the file ends before. */
static int read_all(int fd, uint8_t *bytes, size_t n)
{
	while (n) {
		ssize_t got = read(fd, bytes, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -EBADMSG;
		bytes += got;
		n -= got;
	}
	return 0;
}

static void set_name(struct item *i, const uint8_t name[WIRE_ITEM])
{
	memcpy(i->name, MAGIC, 8);
	memcpy(i->name + 8, name, WIRE_ITEM);
}

static int write_part(struct item *i, const void *bytes, size_t n, uint8_t tag)
{
	uint8_t length[4];
	struct writer w = { length, length + sizeof(length), false };
	int r;

	put_u32(&w, n + WIRE_STREAM_OVERHEAD);
	crypto_secretstream_xchacha20poly1305_push(&i->stream, i->sealed, NULL, bytes, n,
						   i->name, sizeof(i->name), tag);
	r = write_all(i->fd, length, sizeof(length));
	return r ? r : write_all(i->fd, i->sealed, n + WIRE_STREAM_OVERHEAD);
}

int item_write_begin(struct item *i, int fd, const uint8_t name[WIRE_ITEM],
		     const uint8_t key[WIRE_KEY], const struct meta *meta)
{
	static uint8_t encoded[META_MAX];
	uint8_t header[WIRE_STREAM_HEADER];
	int r;

	i->fd = fd;
	set_name(i, name);
	crypto_secretstream_xchacha20poly1305_init_push(&i->stream, header, key);
	r = write_all(fd, i->name, sizeof(i->name));
	if (!r)
		r = write_all(fd, header, sizeof(header));
	return r ? r : write_part(i, encoded, meta_put(encoded, meta), TAG_MORE);
}

int item_write(struct item *i, const void *bytes, size_t n)
{
	return write_part(i, bytes, n, TAG_MORE);
}

int item_write_end(struct item *i)
{
	return write_part(i, NULL, 0, TAG_END);
}

/* out has room for max bytes.  The tag says whether more may come. */
static int read_part(struct item *i, uint8_t *out, size_t max, size_t *ret_len, uint8_t *ret_tag)
{
	uint8_t length[4];
	struct reader length_at = { length, length + sizeof(length), false };
	unsigned long long got;
	uint32_t n;
	int r = read_all(i->fd, length, sizeof(length));

	if (r)
		return r;
	n = get_u32(&length_at);
	if (n < WIRE_STREAM_OVERHEAD || n - WIRE_STREAM_OVERHEAD > max)
		return -EBADMSG;
	r = read_all(i->fd, i->sealed, n);
	if (r)
		return r;
	if (crypto_secretstream_xchacha20poly1305_pull(&i->stream, out, &got, ret_tag, i->sealed, n,
						       i->name, sizeof(i->name)))
		return -EBADMSG;
	*ret_len = got;
	return 0;
}

int item_read_begin(struct item *i, int fd, const uint8_t name[WIRE_ITEM],
		    const uint8_t key[WIRE_KEY], struct meta *ret_meta)
{
	static uint8_t encoded[META_MAX];
	uint8_t found[sizeof(i->name)], header[WIRE_STREAM_HEADER], tag;
	size_t len;
	int r;

	i->fd = fd;
	set_name(i, name);
	r = read_all(fd, found, sizeof(found));
	if (!r)
		r = read_all(fd, header, sizeof(header));
	if (r)
		return r;
	if (memcmp(found, i->name, sizeof(found)) ||
	    crypto_secretstream_xchacha20poly1305_init_pull(&i->stream, header, key))
		return -EBADMSG;
	r = read_part(i, encoded, sizeof(encoded), &len, &tag);
	if (r)
		return r;
	return tag == TAG_MORE && meta_get(encoded, len, ret_meta) ? 0 : -EBADMSG;
}

/* Nothing may follow the end. */
static int check_end(struct item *i)
{
	uint8_t byte;

	return read_all(i->fd, &byte, 1) == -EBADMSG ? 0 : -EBADMSG;
}

ssize_t item_read(struct item *i, uint8_t *bytes)
{
	uint8_t tag;
	size_t len;
	int r = read_part(i, bytes, ITEM_CHUNK, &len, &tag);

	if (r)
		return r;
	if (tag == TAG_END)
		return len ? -EBADMSG : check_end(i);
	return tag == TAG_MORE && len ? (ssize_t)len : -EBADMSG;
}

void item_wipe(struct item *i)
{
	sodium_memzero(&i->stream, sizeof(i->stream));
}
