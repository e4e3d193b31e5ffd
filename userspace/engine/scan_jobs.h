/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scans that an operator asked for: every content of a guest, or of one of its
 * processes, is sent and scanned again, and counted.
 */
#ifndef WARDEN_ENGINE_SCAN_JOBS_H
#define WARDEN_ENGINE_SCAN_JOBS_H

#include "engine/engine.h"

/* Begins the scan of that id; why it cannot, or NULL. */
const char *scan_jobs_begin(struct guest *g, uint64_t id, bool one, uint32_t pid);

/* NULL: there is none. */
json_t *scan_jobs_view(const struct engine *e, uint64_t id);

/* What its request shows; scan 0 is none. */
void scan_jobs_task(struct engine *e, uint64_t scan);
void scan_jobs_content(struct engine *e, uint64_t scan);
void scan_jobs_finding(struct engine *e, uint64_t scan, int64_t finding);
void scan_jobs_asked(struct engine *e, uint64_t scan, const struct m_done *done);

/* A content of it is scanned, or never will be. */
void scan_jobs_verdict(struct engine *e, uint64_t scan, enum verdict verdict);

void scan_jobs_lost(struct guest *g, const char *why);

#endif
