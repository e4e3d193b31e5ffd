/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's kernel held to its package's file.  That is done once, with the very
 * bytes that first sight takes as its measure: from then on first sight's hash
 * tells what changes.  What could not be held then is tried again, ever less often.
 */
#ifndef WARDEN_PRISTINE_H
#define WARDEN_PRISTINE_H

#include "introspect/look.h"
#include "introspect/modset.h"
#include "introspect/sites.h"

struct pristine;

struct pristine *pristine_new(void);
void pristine_free(struct pristine *p);		/* NULL is allowed */

/* Before the regions are looked at: takes the file apart if it is time to. */
void pristine_begin(struct pristine *p, struct introspector *in);

/*
 * A look at a region, code or read-only data, as it was read: whole pages from
 * start on, size of which are the kernel's.  Does nothing unless it is time to.
 */
void pristine_look(struct pristine *p, const struct kernel *k, struct owners *owners,
		   const struct sites *sites, bool code, uint64_t start, uint64_t size,
		   const uint8_t *bytes, const bool *present);

/* This look saw in that line what the file has.  The caller makes it the measure. */
bool pristine_vouches(struct pristine *p, bool code, uint64_t line);

/* Another look could tell more. */
bool pristine_unsure(const struct pristine *p, bool code);

/* The guest did not run between the looks: what differs may be under way. */
void pristine_doubt(struct pristine *p, bool code);

/* After the last look.  sign: each difference that stands, found now or before. */
void pristine_end(struct pristine *p, struct introspector *in, struct m_checked *m,
		  void (*sign)(void *ctx, const struct m_sign *sign), void *ctx);

/* "held to vmlinuz-..., ...", or why not. */
void pristine_tell(const struct pristine *p, char *out, size_t size);

#endif
