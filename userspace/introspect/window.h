/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of guest RAM, mapped.  Its owner may take pages away at any moment (a
 * balloon, a truncation): an access is then SIGBUS.  The handler puts zeros in
 * the whole window's place and marks it lost, so that every reader goes on,
 * looks at the mark, and reads in another way what it had read there.
 */
#ifndef WARDEN_WINDOW_H
#define WARDEN_WINDOW_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct window {
	const uint8_t *start;
	size_t size;
	volatile sig_atomic_t lost;
	struct window *next;
};

/* size bytes of fd from its beginning on, or NULL with errno. */
struct window *window_open(int fd, size_t size);
void window_close(struct window *w);

#endif
