/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Messages between the parts of the daemon: one SOCK_SEQPACKET datagram each,
 * bounded, with at most one file descriptor.
 *
 * A message is a type, an id that the answer repeats, and the fields of a C
 * struct in the order of its schema.  Decoding checks every length and that
 * nothing is left over; a text must be printable ASCII and NUL-free.  A
 * message that fails to decode comes from a broken or hostile peer: the
 * receiver closes the socket.
 */
#ifndef WARDEN_MSG_H
#define WARDEN_MSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MSG_MAX_PAYLOAD 16384

struct msg {
	uint32_t type;
	uint64_t id;
	int fd;			/* -1, or owned by the struct */
	size_t len;
	uint8_t payload[MSG_MAX_PAYLOAD];
};

enum msg_field_kind {
	MSG_U32,
	MSG_U64,
	MSG_TEXT,		/* char[size], NUL-terminated, printable */
	MSG_BYTES,		/* uint8_t[size], all of it */
	MSG_BLOB,		/* struct { uint32_t len; uint8_t data[]; } of size bytes */
};

struct msg_field {
	enum msg_field_kind kind;
	uint32_t offset, size;	/* in the C struct */
};

struct msg_schema {
	uint32_t type;
	uint32_t struct_size;
	uint32_t nfields;
	const struct msg_field *fields;
	const char *name;
};

/* Fills *m from a struct; fd is -1 or stays the caller's.  -EMSGSIZE if too long. */
int msg_encode(struct msg *m, const struct msg_schema *schema, uint64_t id,
	       const void *value, int fd);

/* False if the payload is not exactly one such struct. */
bool msg_decode(const struct msg *m, const struct msg_schema *schema, void *ret_value);

/* 0, or -errno: -EAGAIN if flags has MSG_DONTWAIT and the peer is slow. */
int msg_send(int sock, const struct msg *m, int flags);

/* Is half of what its peer may leave unread still free? */
bool msg_has_room(int sock);

/* msg_encode and a blocking msg_send. */
int msg_post(int sock, const struct msg_schema *schema, uint64_t id,
	     const void *value, int fd);

/*
 * 1 and *m filled; 0 at the end of the stream; -errno: -EBADMSG for a datagram
 * that is no message.  A descriptor the message carries is close-on-exec and
 * belongs to m->fd: take it with msg_take_fd or drop it with msg_release.
 */
int msg_recv(int sock, struct msg *m, int flags);

int msg_take_fd(struct msg *m);
void msg_release(struct msg *m);

#endif
