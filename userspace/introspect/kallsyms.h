/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Addresses of kernel symbols, from the kallsyms tables of a kernel's image. */
#ifndef WARDEN_KALLSYMS_H
#define WARDEN_KALLSYMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct symbol {
	const char *name;
	uint64_t address;		/* 0: not found */
};

/* Where the tables lie: offsets in the image. */
struct kallsyms {
	size_t token_table, token_index, markers, names, offsets;
	uint32_t nmarkers, nsyms;
	unsigned align;			/* between tables: 8, or 4 from 6.18 on */
	const char *layout;		/* the address formula that fitted */
	unsigned formula;
	uint64_t relative_base;
};

/*
 * Finds the tables in len bytes of image, which the guest has at base, and the
 * addresses of the wanted symbols (the first of each name).  A layout counts
 * only if _text comes out as text_base and the addresses are nearly sorted.
 * 0; -ENOENT with the reason in *why, a constant text.
 */
int kallsyms_resolve(const uint8_t *image, size_t len, uint64_t base, uint64_t text_base,
		     struct symbol *wanted, size_t nwanted, struct kallsyms *ret_tables,
		     const char **why);

/*
 * All symbols of tables found before, in their order: name[0] is the type, as
 * in /proc/kallsyms.  fn returns 0 to go on.  -EPROTO: the names do not hold
 * together; or what fn returned.
 */
int kallsyms_each(const uint8_t *image, size_t len, uint64_t base, uint64_t text_base,
		  const struct kallsyms *tables,
		  int (*fn)(void *ctx, const char *name, uint64_t address), void *ctx);

#endif
