/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A content is a sealed memfd of the engine's.  It is often mostly hole: what
 * was not resident in the guest.  Reading a hole through a shared mapping
 * would allocate it, so that a guest with a huge, empty file could make the
 * host pay for every page: holes are skipped here and stay zero.
 */
#ifndef WARDEN_SCAN_CONTENT_H
#define WARDEN_SCAN_CONTENT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/messages.h"

/* One scan of libclamav takes at most CONTENT_FILE_MAX bytes. */
#define CONTENT_FILE_MAX (256ull << 20)
#define CONTENT_MEMORY_MAX (1024ull << 20)
/* libclamav skips what is shorter, and calls it clean. */
#define CONTENT_MIN 6
/* A region larger than one scan is scanned in parts that share this much. */
#define CONTENT_OVERLAP (1ull << 20)

/* 0 and the size, or -1 and why such a content is not scanned. */
int content_check(int fd, uint32_t profile, uint64_t *ret_size,
		  char ret_why[TEXT_WHY]);

/* The same as hash_content over all size bytes.  0 or -errno. */
int content_hash(int fd, uint64_t size, uint8_t ret_hash[HASH_BYTES]);

/* A read-only private copy for munmap, or NULL and errno. */
void *content_map(int fd, uint64_t size);

#endif
