/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Linux kernel as its package's file has it, and a guest's kernel held to it:
 * laid out for the guest's addresses, with what a kernel makes of its own code.
 * The file is nobody's to trust either: every length in it is bounded.
 */
#ifndef WARDEN_VMLINUX_H
#define WARDEN_VMLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMLINUX_WHY 160
#define VMLINUX_LINE 64u
#define VMLINUX_ID_MAX 64u

enum vmlinux_part { VMLINUX_TEXT, VMLINUX_RODATA, VMLINUX_PARTS };

enum line_holds {
	LINE_UNSEEN,			/* not resident */
	LINE_SAME,			/* or what the kernel legally made of it */
	LINE_PATCHING,			/* a breakpoint of the kernel's own stands there */
	LINE_OTHER,
};

enum vmlinux_lead {
	VMLINUX_TRACER, VMLINUX_PROBE, VMLINUX_FUNCTION,
	VMLINUX_ENDING,			/* a tracer's trampoline that waits to be freed */
};

struct vmlinux_probe {
	uint64_t va;
};

/* What the comparison asks of the guest that runs it. */
struct vmlinux_guest {
	bool (*read)(void *ctx, uint64_t va, void *out, size_t n);
	/* Is it code that no file holds, and that such a branch may go to? */
	bool (*leads)(void *ctx, enum vmlinux_lead lead, uint64_t to);
	void *ctx;
	const struct vmlinux_probe *probe;
	size_t nprobes;
};

struct vmlinux;

/*
 * Takes the unpacked bytes over, on failure too: an ELF file, behind it the
 * relocations as a bzImage's payload has them.  NULL and why.
 */
struct vmlinux *vmlinux_open(uint8_t *bytes, size_t size, char why[VMLINUX_WHY]);
void vmlinux_free(struct vmlinux *v);		/* NULL is allowed */

size_t vmlinux_build_id(const struct vmlinux *v, const uint8_t **ret_id);

/* Lays it out for a guest, once: its first byte is at text_base there.  False: why. */
bool vmlinux_place(struct vmlinux *v, uint64_t text_base, char why[VMLINUX_WHY]);

/* Where a part lies. */
void vmlinux_range(const struct vmlinux *v, enum vmlinux_part part, uint64_t *ret_start,
		   uint64_t *ret_end);

/*
 * A kernel that counts its calls (call depth tracking) rewrites all of them, by no
 * table that is known here.
 */
bool vmlinux_counts_calls(const struct vmlinux *v, const struct vmlinux_guest *guest);

/*
 * bytes: the part as the guest has it, from its start on, whole pages; present: a
 * page each.  lines: one for each VMLINUX_LINE, the last of them may be cut short;
 * first: which byte of it is the first to differ, if one does.  False: no memory.
 */
bool vmlinux_compare(struct vmlinux *v, enum vmlinux_part part, const struct vmlinux_guest *guest,
		     const uint8_t *bytes, const bool *present, uint8_t *lines, uint8_t *first);

/* "vfs_read+0x12"; "" if nothing is known to be there. */
void vmlinux_name(const struct vmlinux *v, uint64_t va, char *out, size_t size);

/* The bytes that the file has there, before the kernel patches them; up to n. */
size_t vmlinux_bytes(const struct vmlinux *v, uint64_t va, uint8_t *out, size_t n);

struct vmlinux_counts {
	uint64_t sites;			/* where its code may be patched */
	uint64_t patched, patched_bytes;	/* of the last comparison of code: in another legal form */
	uint64_t constant_bytes;	/* of code: written at boot, any value, one for each name */
	uint64_t late_bytes;		/* of read-only data: written at boot, not compared */
};

void vmlinux_count(const struct vmlinux *v, struct vmlinux_counts *ret_counts);

#endif
