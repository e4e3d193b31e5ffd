/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUARD_NAMES_H
#define GUARD_NAMES_H

#include <errno.h>

/* What a system call's return value says: 0, or an error number. */
static inline int result(long r)
{
	return r < 0 ? errno : 0;
}

/* Does it to that path, and takes it back.  0: no word of its own. */
int try_name(const char *word, const char *path, int *ret_error);

#endif
