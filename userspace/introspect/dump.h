/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file of guest memory: RAM as it lies (a memfd, the file of
 * memory-backend-file, pmemsave), or the ELF core that virsh dump --memory-only
 * and QMP dump-guest-memory write.  Every byte of it may be an attacker's.
 */
#ifndef WARDEN_DUMP_H
#define WARDEN_DUMP_H

#include "introspect/memory.h"

#define DUMP_WHY_SIZE 256
#define DUMP_MAX_VCPUS 1024u

/* RAM below start lies at its own address, the rest from end on; end 0: all does. */
struct dump_hole {
	uint64_t start, end;
};

struct dump {
	const char *format;		/* "raw" or "elf" */
	uint32_t nholes;		/* raw: how many ways there are to lay it out */
};

/* What a file is.  0, or -errno and in why (DUMP_WHY_SIZE) the reason and what to do. */
int dump_recognise(int fd, struct dump *ret_dump, char *why);

/* The n-th way to lay out raw RAM of that size; there may be no telling but by trying. */
struct dump_hole dump_hole(uint64_t size, uint32_t n);

/* Takes fd over on success.  As above; hole counts for raw RAM alone. */
int dump_open(struct guest_memory *mem, int fd, const struct dump *dump,
	      struct dump_hole hole, char *why);

#endif
