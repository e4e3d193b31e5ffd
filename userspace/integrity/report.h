/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes to the parent: M_INTEGRITY_DIFFERENCE, and at the end M_INTEGRITY_DONE. */
#ifndef WARDEN_INTEGRITY_REPORT_H
#define WARDEN_INTEGRITY_REPORT_H

#include <stddef.h>
#include <stdint.h>

#include "lib/messages.h"

#define REPORT_DIFFERENCES 1000		/* of a module or VMM; more are counted alone */

struct report {
	struct m_integrity_done done;
	uint64_t started;		/* us */
};

void report_begin(struct report *report, const char *what);
void report_difference(struct report *report, const char *section, const char *symbol,
		       uint64_t offset, uint64_t address, uint64_t length,
		       const uint8_t *expected, const uint8_t *found, size_t shown);
/* status 0: by what was reported. */
void report_end(struct report *report, uint32_t status, const char *why);

#endif
