/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines of an INI file for libinih, which would silently cut a long line in two
 * and take an indented one for more of the value before it.
 */
#ifndef WARDEN_LINES_H
#define WARDEN_LINES_H

#include <stdio.h>

struct lines {
	FILE *file;
	int line;			/* the last one read, from 1 */
	char refused[64];		/* why the reading ended early; "" if it did not */
};

/* As fgets(); NULL also at a line that is refused. */
char *lines_next(struct lines *lines, char *out, int size);

#endif
