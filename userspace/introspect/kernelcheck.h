/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One check of a guest's kernel, under way. */
#ifndef WARDEN_KERNELCHECK_H
#define WARDEN_KERNELCHECK_H

#include "introspect/modset.h"
#include "introspect/views.h"

#define KERNEL_LOOKS 5
#define KERNEL_PAUSE_MS 20		/* the first; then times 3 */

struct inspection {
	struct introspector *in;
	const struct kernel *k;
	const struct check_sink *sink;
	struct m_checked *m;
	struct module_set modules;
	struct owners owners;
	int stop;			/* what the sink returned */
};

void inspection_sign(struct inspection *x, const char *name, uint64_t address,
		     const char *subject, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Modules and owners anew.  0 or -errno. */
int inspection_read(struct inspection *x);

#endif
