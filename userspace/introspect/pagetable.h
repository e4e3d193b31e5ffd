/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x86-64 page tables of a guest, 4 and 5 levels. */
#ifndef WARDEN_PAGETABLE_H
#define WARDEN_PAGETABLE_H

#include "introspect/memory.h"

#define PTE_PRESENT (1ull << 0)
#define PTE_WRITE (1ull << 1)
#define PTE_USER (1ull << 2)
#define PTE_LARGE (1ull << 7)
#define PTE_NX (1ull << 63)
#define PTE_ADDRESS 0x000ffffffffff000ull
#define KPTI_USER_BIT 0x1000ull	/* of a root: it is the one behind, for its user's mode */

#define PTE_ENTRIES 512u

/* Level 0 has pages, 4 (of five) is the top. */
static inline unsigned pte_shift(unsigned level)
{
	return 12 + 9 * level;
}

static inline bool pte_is_leaf(uint64_t entry, unsigned level)
{
	return level == 0 || (level < 3 && (entry & PTE_LARGE));
}

static inline uint64_t pte_leaf(uint64_t entry, unsigned level)
{
	return entry & PTE_ADDRESS & ~((1ull << pte_shift(level)) - 1);
}

#define TLB_ENTRIES 4096u
#define TLB_LARGE_ENTRIES 1024u

struct tlb_entry {
	uint64_t root, page, pa;	/* page: the address's bits above the entry's own size */
	uint32_t generation;
};

/* Translations already made, valid for one generation of the memory's cache. */
struct tlb {
	struct tlb_entry entry[TLB_ENTRIES];		/* of 4 KiB */
	struct tlb_entry large[TLB_LARGE_ENTRIES];	/* of 2 MiB, or parts of 1 GiB */
};

struct address_space {
	struct guest_memory *mem;
	struct tlb *tlb;		/* may be NULL; may be shared */
	uint64_t root;			/* physical address of the top table */
	unsigned levels;		/* 4 or 5 */
};

/* A leaf of the tables.  size: 4 KiB, 2 MiB or 1 GiB. */
struct mapping {
	uint64_t va, pa, size;
	bool write, user, nx;
};

/* Physical address of va.  -EFAULT not mapped, or an errno of memory_read. */
int virt_to_phys(const struct address_space *as, uint64_t va, uint64_t *ret_pa);

/* All len bytes or nothing. */
int virt_read(const struct address_space *as, uint64_t va, void *buf, size_t len);

/* As many, up to the first page that cannot be read: how many bytes. */
size_t virt_read_start(const struct address_space *as, uint64_t va, void *buf, size_t len);

/*
 * The same without a copy where that can be: *ret_bytes is in the guest's own
 * memory, and may change, or turn into zeros, while it is read; or it is buf.
 */
int virt_view(const struct address_space *as, uint64_t va, void *buf, size_t len,
	      const uint8_t **ret_bytes);
/* len bytes of va will be looked at soon.  Walks no tables: what it cannot place at once it leaves. */
void virt_prefetch(const struct address_space *as, uint64_t va, size_t len);

int virt_read_u64(const struct address_space *as, uint64_t va, uint64_t *ret_value);

/*
 * A NUL-terminated text of at most size - 1 bytes; longer ones are cut.
 * Returns its length or -errno.
 */
int virt_read_text(const struct address_space *as, uint64_t va, char *buf, size_t size);

/*
 * Calls fn for the leaves within [lo, hi), in order; fn returns 0 to go on.
 * NX of the top level is ignored below 2^63: KPTI sets it in the kernel's copy
 * of user entries.  Tables that cannot be read are skipped.  Stops with -E2BIG
 * after max_tables tables, with -ETIME, -ENODEV, or what fn returned.
 */
int page_leaves(const struct address_space *as, uint64_t lo, uint64_t hi, unsigned max_tables,
		int (*fn)(void *ctx, const struct mapping *leaf), void *ctx);

/* In: how many more tables may be read.  Out: those left; those that could not be read. */
struct leaf_bounds {
	uint32_t tables, unread;
};

/* The same, for who asks more than once, or wants to know of all. */
int page_leaves_within(const struct address_space *as, uint64_t lo, uint64_t hi,
		       struct leaf_bounds *bounds,
		       int (*fn)(void *ctx, const struct mapping *leaf), void *ctx);

/* Executable leaves alone, of the kernel's half or the other. */
int page_leaves_executable(const struct address_space *as, bool kernels, struct leaf_bounds *bounds,
			   int (*fn)(void *ctx, const struct mapping *leaf), void *ctx);

#endif
