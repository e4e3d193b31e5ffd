/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One content through libclamav.  Runs inside a worker's jail. */
#ifndef WARDEN_SCAN_SCANNER_H
#define WARDEN_SCAN_SCANNER_H

#include <clamav.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/messages.h"

struct scanner {
	struct cl_engine *engine;
	uint32_t scan_seconds;
};

/* Before the engine is compiled. */
void scanner_prepare(struct cl_engine *engine);

/* Fills verdict and name.  Clean means: all of it was looked at, in time. */
void scanner_scan(const struct scanner *scanner, uint32_t profile,
		  const void *data, size_t size, struct m_verdict *ret_verdict);

#endif
