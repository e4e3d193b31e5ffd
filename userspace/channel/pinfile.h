/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small files of one line in one folder, changed whole or not at all: what is
 * said to be written is on the disk.  0 or -errno.
 */
#ifndef WARDEN_PINFILE_H
#define WARDEN_PINFILE_H

#include <stddef.h>

#define PINFILE_LINE 256

int pinfile_read(int dir, const char *name, char line[PINFILE_LINE]);
int pinfile_write(int dir, const char *name, const char *line);
int pinfile_rename(int dir, const char *from, const char *to);
int pinfile_remove(int dir, const char *name);

#endif
