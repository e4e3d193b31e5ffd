/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUARD_NAMES_H
#define GUARD_NAMES_H

/* Does it to that path, and takes it back.  0: no word of its own. */
int try_name(const char *word, const char *path, int *ret_error);

#endif
