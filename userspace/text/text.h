/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A module's code, or a kernel's, in memory against its file: relocated, and, at
 * the sites that its patch sections list, what the kernel may have made of it.
 */
#ifndef WARDEN_TEXT_H
#define WARDEN_TEXT_H

#include "text/image.h"
#include "text/symbols.h"

#define TEXT_DEPTH 4			/* sites in replacements of sites */
#define TEXT_DIFFERENCES 64		/* kept; more are counted */
#define TEXT_BYTES 32			/* of a difference that are shown */

enum site_kind {
	SITE_ALTERNATIVE = 1,
	SITE_PARAVIRT,
	SITE_RETPOLINE,
	SITE_RETURN,
	SITE_ENDBR,
	SITE_FENTRY,
	SITE_JUMP_LABEL,
	SITE_STATIC_CALL,
	SITE_LOCK,
	SITE_CONSTANT,			/* of a value known at boot, the same at all sites of its table */
};

/* Where a patch section says that code may be patched. */
struct site {
	uint32_t section;
	enum site_kind kind;
	uint64_t offset;
	uint32_t length;
	/* SITE_ALTERNATIVE: the replacement; SITE_JUMP_LABEL: the target; SITE_CONSTANT: the table. */
	uint32_t other;
	uint64_t other_offset;
	uint32_t other_length;
	bool direct_call;		/* SITE_ALTERNATIVE: or a call of a function */
};

struct kprobe {
	uint64_t address;
	bool optimized;
};

/* What code that no file holds may be reached from. */
enum lead {
	LEAD_TRACER,			/* a function's entry */
	LEAD_PROBE,			/* the jump of an optimised probe */
	LEAD_FUNCTION,			/* a static call */
};

#define TEXT_CONSTANTS 32

struct difference {
	uint32_t section;
	uint64_t offset, length;
	uint8_t shown;			/* bytes of the two below */
	uint8_t expected[TEXT_BYTES], found[TEXT_BYTES];
};

struct text {
	const struct image *image;
	const struct symbols *symbols;
	const char *module;		/* as kallsyms names it */
	struct site *sites;		/* by section, offset and kind */
	size_t nsites;
	bool one_cpu;			/* so that no "lock" is needed */
	const struct kprobe *kprobes;
	size_t nkprobes;
	/* Live memory at an address; false: it cannot be read. */
	bool (*read)(void *arg, uint64_t address, void *out, size_t n);
	/*
	 * A kernel whose own list of symbols does not name generated code: may that
	 * lead there?  NULL: the symbols tell.
	 */
	bool (*leads)(void *arg, enum lead lead, uint64_t address);
	/* Told of each difference; file: the bytes it should have.  NULL: nobody. */
	void (*differs)(void *arg, uint64_t address, const uint8_t *file, size_t n);
	void *arg;
	/* What each table of constants holds, by the first of its sites that was met. */
	struct { bool met; uint8_t value[8]; } constants[TEXT_CONSTANTS];
	/* What comes of it. */
	struct difference differences[TEXT_DIFFERENCES];
	size_t ndifferences;		/* all: more than are kept */
	uint64_t bytes, sites_patched, kprobes_met;
	uint64_t traced;		/* entries of functions that call what traces them */
	uint64_t bytes_patched;		/* of those sites */
	char why[256];			/* a part that could not be compared */
};

/* ---- relocate.c ---- */

/*
 * The file's bytes as they are when loaded at that address.  live, unless NULL,
 * tells which of two symbols of one name was meant.  False: text->why.
 */
bool relocate(struct text *text, const struct image_section *s, uint64_t offset, size_t n,
	      uint64_t address, const uint8_t *live, uint8_t *out);

/* Sections that the kernel's list leaves out are placed by their symbols. */
void relocate_place(struct image *image, const struct symbols *symbols, const char *module);

/*
 * What the entry of so many bytes at that offset points to in this file: four
 * are a distance from themselves, eight an address.
 */
bool relocate_target(const struct image *image, const struct image_section *s, uint64_t at,
		     size_t width, uint32_t *ret_section, uint64_t *ret_offset);

/* ---- sites.c ---- */

/* Fills text->sites; false: text->why. */
bool sites_find(struct text *text);
/* The first site at that place: of sites + nsites on, there is none. */
const struct site *sites_at(const struct text *text, uint32_t section, uint64_t offset);
/* The first of those that cover offset and begin at or behind from; NULL: none does. */
const struct site *sites_over(const struct text *text, uint32_t section, uint64_t offset, uint64_t from);

/* ---- variants.c ---- */

/* Where code of n bytes stands, and what the file has there. */
struct place {
	const uint8_t *live, *file;	/* file: relocated */
	size_t n;
	uint64_t address;
};

/*
 * The length of what live holds, if that is what the kernel makes of such a
 * site; 0: it is not.  Not for SITE_ALTERNATIVE.
 */
size_t variant_length(struct text *text, const struct site *site, const struct place *p);

/* n bytes that do nothing. */
bool variant_is_nops(const uint8_t *live, size_t n);
/* As many bytes, from the first on, are instructions that do nothing. */
size_t variant_nop_run(const uint8_t *bytes, size_t n);
/* A call of some function, filled up, or nothing at all. */
bool variant_is_call(const struct text *text, const struct place *p, size_t n);
/* A jump of five bytes that became one of two. */
bool variant_is_short_jump(const struct place *p);

/* ---- compare.c ---- */

/* live: s->size bytes from s->address on.  False: text->why. */
bool text_compare(struct text *text, const struct image_section *s, const uint8_t *live);

#endif
