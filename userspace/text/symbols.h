/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The running kernel's symbols, as /proc/kallsyms shows them. */
#ifndef WARDEN_TEXT_SYMBOLS_H
#define WARDEN_TEXT_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYMBOLS_MAX (1u << 20)

struct symbol {
	uint64_t address;
	const char *name, *module;	/* module "": the kernel itself */
	char type;
};

struct symbols {
	struct symbol *by_address;
	struct symbol **by_name;
	size_t n;
};

/*
 * Takes the text over as its names' place: it is cut up, and stays while the
 * symbols are.  size: without the NUL that must follow.  False: malformed, too
 * many, or all addresses hidden.
 */
bool symbols_read(struct symbols *ret_symbols, char *text, size_t size);
void symbols_free(struct symbols *symbols);

/*
 * The symbol of that name that others link to: module NULL, any; else that
 * module's own.  The next one when given the one before; NULL: no more.
 */
const struct symbol *symbols_named(const struct symbols *symbols, const char *name,
				   const char *module, const struct symbol *before);

/* The first at that very address, of symbols->by_address; NULL: none. */
const struct symbol *symbols_at(const struct symbols *symbols, uint64_t address);
const struct symbol *symbols_end(const struct symbols *symbols);

/*
 * Trampolines, BPF programs, probes' slots: code that no file holds is listed as
 * of a module of such a name, which none has that is loaded.
 */
bool symbols_is_generated(const char *module);

/* A function of kernel or module begins there. */
bool symbols_is_function(const struct symbols *symbols, uint64_t address);

#endif
