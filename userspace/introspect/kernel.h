/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Linux kernel of a guest, found from registers and memory alone: its page
 * tables, its types (BTF), its symbols (kallsyms).
 */
#ifndef WARDEN_KERNEL_H
#define WARDEN_KERNEL_H

#include "introspect/kallsyms.h"
#include "introspect/layout.h"
#include "introspect/pagetable.h"
#include "introspect/check_symbols.h"

#define WHY_SIZE 256
#define BANNER_SIZE 256
#define MAX_VDSO 3

enum kernel_symbol {
	SYM_LINUX_BANNER, SYM_INIT_TASK, SYM_INIT_MM, SYM_START_BTF,
	SYM_PAGE_OFFSET_BASE, SYM_VMEMMAP_BASE,
	SYM_VDSO_64, SYM_VDSO_32, SYM_VDSO_X32,
	SYM_SPECIAL_MAPPING,		/* vm_ops of [vdso] and the like */
	SYM_START_NOTES, SYM_STOP_NOTES, SYM_SAVED_COMMAND_LINE, SYM_MODULES,
	SYM_TK_CORE, SYM_TIMEKEEPER_DATA, SYM_MAX_PFN,
#define X(id, name) id,
	CHECK_SYMBOLS(X)
#undef X
	SYM_COUNT,
};

struct kernel {
	struct guest_memory *mem;
	struct tlb tlb;
	struct address_space as;	/* init_mm's: no process can take it away */
	struct layout at;
	struct symbol symbol[SYM_COUNT];
	struct kallsyms kallsyms;
	uint64_t text_base, btf_va;
	uint64_t rodata_start, rodata_end;	/* the run of the image that holds the BTF */
	uint64_t symbols_start, symbols_end;	/* the one that holds kallsyms */
	uint64_t page_offset, vmemmap;
	struct memory_range vdso[MAX_VDSO];	/* physical */
	char banner[BANNER_SIZE];	/* as the guest has it */
	bool known;			/* its types and symbols were worked out before */
	uint64_t found_ns;		/* CLOCK_MONOTONIC */
	uint64_t discovery_us;
	uint64_t btf_us, kallsyms_us, image_bytes;
};

enum discovery {
	DISCOVERY_READY,
	DISCOVERY_NOT_YET,		/* may work later: still booting, or not resident */
	DISCOVERY_NEVER,		/* not a Linux guest, or not readable */
	DISCOVERY_GONE,			/* the guest is no more */
};

/* Reads a whole kernel image's worth: milliseconds.  why has WHY_SIZE bytes. */
enum discovery kernel_discover(struct guest_memory *mem, struct kernel *ret_kernel, char *why);

/*
 * Is it still the same kernel, with all its anchors?  Takes new values of what
 * may move.  0, or -errno: discover again.
 */
int kernel_revalidate(struct kernel *k);

/* False if the vCPUs' registers say that no 64-bit kernel can be running. */
bool kernel_runs(struct guest_memory *mem);

/*
 * All its symbols, from memory as it is now: name[0] is the type.  -ENOMEM, or
 * as kallsyms_each and memory_read.
 */
int kernel_symbols(const struct kernel *k,
		   int (*fn)(void *ctx, const char *name, uint64_t address), void *ctx);

/* A member of at most 8 bytes, little endian; 0 or -errno. */
int kernel_member(const struct kernel *k, uint64_t base, struct field f, uint64_t *ret_value);

/* The frame of a struct page, or NO_FRAME if the pointer is none. */
uint64_t kernel_page_frame(const struct kernel *k, uint64_t page);

/* Is it a pointer into the kernel's half? */
bool kernel_pointer(const struct kernel *k, uint64_t va);

/* Into the code of its image? */
bool kernel_text(const struct kernel *k, uint64_t va);

#endif
