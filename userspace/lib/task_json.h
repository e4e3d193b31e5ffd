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

#endif
