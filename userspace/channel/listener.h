/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_LISTENER_H
#define WARDEN_LISTENER_H

#include <stdbool.h>
#include <stdint.h>

struct listener {
	int fd;
	/* Tests alone (machines without vsock): a unix stream socket, on which
	 * a client's first four bytes stand for its CID. */
	bool unix_preface;
};

/* Both exit with a line in the log if they cannot. */
struct listener listen_vsock(uint32_t port);
struct listener listen_unix(const char *path);

/*
 * A non-blocking connection and its CID (0 if a preface is to tell), or
 * -errno: -EAGAIN when none waits, -EPERM for one that was turned away.
 */
int listener_accept(const struct listener *l, uint32_t *ret_cid);

#endif
