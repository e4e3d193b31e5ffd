/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMM's code against the files it maps.  A page that is the file's own in the
 * page cache is not looked at; one that became the process's own is compared.
 */
#ifndef WARDEN_INTEGRITY_VMM_H
#define WARDEN_INTEGRITY_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define VMM_MAPPINGS 2048
#define VMM_BYTES (64ull << 30)		/* of all of them: what is in more is not looked at */

struct vmm_mapping {
	uint64_t start, end, offset;
	int file;			/* -1: it could not be opened */
	char name[64];			/* the file's, escaped, its end if too long */
};

struct vmm_text {
	int pagemap, memory;
	struct vmm_mapping *mappings;
	size_t n;
	uint64_t anonymous;		/* executable mappings of no file */
	uint64_t bytes;			/* that the mappings span */
	uint64_t left_out;		/* more than are kept, or files that do not open */
	char why[256];			/* not "": it is not whole, or nothing at all */
};

/* With root's rights; a process in an exec can hold it up for as long as it likes.  False: why. */
bool vmm_gather(struct vmm_text *ret_text, pid_t pid);

/*
 * Looks at a mapping, page by page: page is called for each that differs.
 * ret_own: pages that are the process's own.  False: a part could not be read.
 */
bool vmm_compare(const struct vmm_text *text, const struct vmm_mapping *mapping,
		 void (*differs)(void *arg, const struct vmm_mapping *mapping, uint64_t offset,
				 const uint8_t *expected, const uint8_t *found, size_t n),
		 void *arg, uint64_t *ret_own);

/*
 * /proc/THREAD/maps into a text that has room for mappings.  False: why; that
 * nothing was seen is said, too.
 */
bool vmm_read_maps(struct vmm_text *text, pid_t thread, FILE *maps);

/* One line of /proc/PID/maps; false: it is not of an executable mapping. */
bool vmm_parse_mapping(const char *line, struct vmm_mapping *ret_mapping, bool *ret_file);

#endif
