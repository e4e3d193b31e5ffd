/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The folder of ClamAV databases, made into one engine. */
#ifndef WARDEN_SCAN_DATABASES_H
#define WARDEN_SCAN_DATABASES_H

#include <clamav.h>
#include <stdint.h>

#include "lib/messages.h"

/* "libclamav 1.4.6" */
void databases_engine_name(char ret_name[TEXT_NAME]);

/*
 * Loads and compiles all of folder.  The engine keeps temporary files in
 * tmpdir, and gives one scan scan_seconds.  Fills *ret_info in every case;
 * NULL if the databases are refused: why names the file.
 */
struct cl_engine *databases_load(const char *folder, const char *tmpdir,
				 uint32_t scan_seconds, struct m_database *ret_info);

/*
 * What names, sizes, times and inodes of the folder's databases hash to: equal
 * as long as nobody touches them.  0 if the folder cannot be read.
 */
uint64_t databases_look(const char *folder);

#endif
