// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/msg.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/util.h"

#define MSG_MAGIC 0x4457564bu	/* "KVWD" */

struct msg_header {
	uint32_t magic;
	uint32_t type;
	uint64_t id;
};

static bool put(struct msg *m, const void *bytes, size_t n)
{
	if (n > sizeof(m->payload) - m->len)
		return false;
	memcpy(m->payload + m->len, bytes, n);
	m->len += n;
	return true;
}

static bool put_sized(struct msg *m, const void *bytes, uint32_t n)
{
	return put(m, &n, sizeof(n)) && put(m, bytes, n);
}

static bool put_field(struct msg *m, const struct msg_field *f, const uint8_t *at)
{
	uint32_t len;

	switch (f->kind) {
	case MSG_TEXT:
		return put_sized(m, at, strnlen((const char *)at, f->size - 1));
	case MSG_BLOB:
		memcpy(&len, at, sizeof(len));
		return len <= f->size - sizeof(len) && put_sized(m, at + sizeof(len), len);
	default:
		return put(m, at, f->size);
	}
}

int msg_encode(struct msg *m, const struct msg_schema *schema, uint64_t id,
	       const void *value, int fd)
{
	m->type = schema->type;
	m->id = id;
	m->fd = fd;
	m->len = 0;
	for (uint32_t i = 0; i < schema->nfields; i++) {
		const struct msg_field *f = &schema->fields[i];

		if (!put_field(m, f, (const uint8_t *)value + f->offset))
			return -EMSGSIZE;
	}
	return 0;
}

struct cursor {
	const uint8_t *at, *end;
};

static bool get(struct cursor *c, void *out, size_t n)
{
	if (n > (size_t)(c->end - c->at))
		return false;
	memcpy(out, c->at, n);
	c->at += n;
	return true;
}

static bool get_text(struct cursor *c, char *out, uint32_t size)
{
	uint32_t len;

	if (!get(c, &len, sizeof(len)) || len >= size || !get(c, out, len))
		return false;
	out[len] = '\0';
	return strlen(out) == len && text_is_printable(out);
}

static bool get_blob(struct cursor *c, uint8_t *out, uint32_t size)
{
	uint32_t len;

	if (!get(c, &len, sizeof(len)) || len > size - sizeof(len))
		return false;
	memcpy(out, &len, sizeof(len));
	return get(c, out + sizeof(len), len);
}

static bool get_field(struct cursor *c, const struct msg_field *f, uint8_t *at)
{
	switch (f->kind) {
	case MSG_TEXT:
		return get_text(c, (char *)at, f->size);
	case MSG_BLOB:
		return get_blob(c, at, f->size);
	default:
		return get(c, at, f->size);
	}
}

bool msg_decode(const struct msg *m, const struct msg_schema *schema, void *ret_value)
{
	struct cursor c = { m->payload, m->payload + m->len };

	if (m->type != schema->type)
		return false;
	memset(ret_value, 0, schema->struct_size);
	for (uint32_t i = 0; i < schema->nfields; i++) {
		const struct msg_field *f = &schema->fields[i];

		if (!get_field(&c, f, (uint8_t *)ret_value + f->offset))
			return false;
	}
	return c.at == c.end;
}

union fd_control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

int msg_send(int sock, const struct msg *m, int flags)
{
	struct msg_header header = { MSG_MAGIC, m->type, m->id };
	struct iovec iov[2] = {
		{ &header, sizeof(header) },
		{ (void *)m->payload, m->len },
	};
	union fd_control control = { 0 };
	struct msghdr h = { .msg_iov = iov, .msg_iovlen = 2 };
	ssize_t n;

	if (m->fd >= 0) {
		struct cmsghdr *c;

		h.msg_control = &control;
		h.msg_controllen = sizeof(control);
		c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &m->fd, sizeof(int));
	}
	do
		n = sendmsg(sock, &h, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

bool msg_has_room(int sock)
{
	int unread, size;
	socklen_t n = sizeof(size);

	return !ioctl(sock, SIOCOUTQ, &unread) &&
	       !getsockopt(sock, SOL_SOCKET, SO_SNDBUF, &size, &n) && unread < size / 2;
}

int msg_post(int sock, const struct msg_schema *schema, uint64_t id,
	     const void *value, int fd)
{
	struct msg m;
	int r = msg_encode(&m, schema, id, value, fd);

	return r ? r : msg_send(sock, &m, 0);
}

/* The control buffer has room for one descriptor; the kernel closes the rest. */
static int received_fd(struct msghdr *h)
{
	int fd = -1;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    c->cmsg_len == CMSG_LEN(sizeof(int)))
			memcpy(&fd, CMSG_DATA(c), sizeof(int));
	return fd;
}

int msg_recv(int sock, struct msg *m, int flags)
{
	struct msg_header header = { 0 };
	struct iovec iov[2] = {
		{ &header, sizeof(header) },
		{ m->payload, sizeof(m->payload) },
	};
	union fd_control control = { 0 };
	struct msghdr h = {
		.msg_iov = iov, .msg_iovlen = 2,
		/* Not sizeof(control): its padding has room for a second. */
		.msg_control = &control, .msg_controllen = CMSG_LEN(sizeof(int)),
	};
	ssize_t n;

	do
		n = recvmsg(sock, &h, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	m->fd = received_fd(&h);
	if (n == 0) {
		msg_release(m);		/* an empty datagram may carry one */
		return 0;
	}
	if ((size_t)n < sizeof(header) || header.magic != MSG_MAGIC ||
	    (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
		msg_release(m);
		return -EBADMSG;
	}
	m->type = header.type;
	m->id = header.id;
	m->len = n - sizeof(header);
	return 1;
}

int msg_take_fd(struct msg *m)
{
	return util_steal_fd(&m->fd);
}

void msg_release(struct msg *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}
