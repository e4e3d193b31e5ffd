/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's bytes for an operator, as warden-inspect and warden-introspect are asked for
 * them: memory of a process or of the kernel, and files rebuilt from their pages.  And the
 * files at rest that there are.
 */
#ifndef WARDEN_CONTENTS_H
#define WARDEN_CONTENTS_H

#include "introspect/look.h"

struct content_sink {
	int fd;				/* where to: an empty file */
	void (*missing)(void *ctx, const struct m_missing *missing);
	void *ctx;
};

/*
 * Both need introspector_ready.  Complete, or incomplete because of ret_done's why: fd
 * and *ret_content are what was asked for.  Not found, or ambiguous: there is nothing.
 * 0, or an errno of fd's: likewise.
 */
int content_tell(struct introspector *in, const struct m_extract *ask, const struct content_sink *sink,
		 struct m_content *ret_content, struct m_done *ret_done);

/* Calls fn for each file at rest; nonzero ends it: there are more than fn takes. */
void files_tell(struct introspector *in, bool all, int (*fn)(void *ctx, const struct m_inode *inode),
		void *ctx, struct m_done *ret_done);

#endif
