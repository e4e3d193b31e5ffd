/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_AGENT_FILEHASH_H
#define WARDEN_AGENT_FILEHASH_H

#include "channel/record.h"

/*
 * True if the file's bytes in those ranges have that hash.  No ranges match
 * nothing: whoever asks has refused them before.
 */
bool file_matches(int fd, uint64_t size, const struct record_file *file);

#endif
