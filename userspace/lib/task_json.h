/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes, mappings and the kernel in JSON, the same from a live guest and from a file of its memory. */
#ifndef WARDEN_TASK_JSON_H
#define WARDEN_TASK_JSON_H

#include <jansson.h>

#include "lib/messages.h"

/* An address, in 16 digits. */
json_t *hex_json(uint64_t v);
/* TASK_*, by their names. */
json_t *task_flags_json(uint32_t flags);
json_t *vma_json(const struct m_vma *m);
/* One row; and many of them as one object. */
json_t *fact_json(const struct m_fact *m);
json_t *process_json(const json_t *rows);
/* The first row, and the others. */
json_t *kernel_facts_json(const struct m_kernel_facts *m);
json_t *module_json(const struct m_module *m);
/* "kernel" and "modules" into object, of such rows; each is shared, not copied. */
void kernel_json(json_t *object, json_t *rows);

/* ---- files at rest, and a guest's bytes ---- */

json_t *inode_json(const struct m_inode *m);
/* The whole list; files is taken over. */
json_t *files_json(json_t *files, const struct m_done *done);
json_t *missing_json(const struct m_missing *m);
/* What is said beside the bytes; missing is shared. */
json_t *content_json(const struct m_extract *ask, const struct m_content *m, const struct m_done *done,
		     json_t *missing);
/* What to do if none was found, or several; what: of enum extract_what. */
const char *content_hint(uint32_t what);

#endif
