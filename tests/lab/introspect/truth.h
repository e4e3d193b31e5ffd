/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's /init, and the kinds of processes that it starts. */
#ifndef INTROSPECT_TRUTH_H
#define INTROSPECT_TRUTH_H

#include <sys/types.h>

#define PAGE 4096

void copy(const char *from, int to);

/* What did not come about is a line that nobody outside can tell. */
void failed(const char *what);

/*
 * pages.c: a child with huge, swapped, zero and ordinary pages, which tells them
 * by its own page map and waits.  ready is closed once it does.
 */
void start_swap(void);
void spawn_pages(int ready);

/* spaces.c: two containers, one of them with another inside. */
void spawn_spaces(int ready);

/*
 * rest.c: files that nobody has open, and a process ("rest", READY) with sockets, an
 * environment and a deleted file, which is then told.
 */
void spawn_rest(int ready);
void rest_and_wait(int ready);
void tell_rest(void);

/* The namespaces of a process, and its pid in each. */
void tell_spaces(const char *pid);

#endif
