/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What VMMs called their guests when those came outlives a daemon: a VMM that
 * was taken over since may call its guest what it likes.
 */
#ifndef WARDEN_NAMES_H
#define WARDEN_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/messages.h"

/*
 * In a folder below run_dir, kept for as long as that module is loaded.  name:
 * as the VMM has it now; becomes the one that was kept, if one was.  False: none
 * was, and this one may not have been kept either (the log says so).
 */
bool names_keep(const char *run_dir, uint64_t guest, char name[TEXT_NAME]);
/* The one that was kept; "" and false: none was. */
bool names_find(const char *run_dir, uint64_t guest, char name[TEXT_NAME]);
void names_forget(const char *run_dir, uint64_t guest);

#endif
