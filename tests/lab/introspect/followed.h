/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest (truth.c, "followed") that is looked into while it goes on, and waits for a word. */
#ifndef INTROSPECT_FOLLOWED_H
#define INTROSPECT_FOLLOWED_H

#include "../tells/guest.h"

/* How many lines of its console begin with that word. */
unsigned console_says(const char *console, const char *word);

/* Its second serial port, by which it is told to go on. */
int commands_open(const char *path);
void commands_go(int commands);

/* Its processes of that name. */
unsigned processes_named(struct testee *t, const char *comm);

#endif
