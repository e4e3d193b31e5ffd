/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Processes and mappings in JSON, the same from a live guest and from a file of its memory. */
#ifndef WARDEN_TASK_JSON_H
#define WARDEN_TASK_JSON_H

#include <jansson.h>

#include "lib/messages.h"

/* TASK_*, by their names. */
json_t *task_flags_json(uint32_t flags);
json_t *vma_json(const struct m_vma *m);
/* One row; and many of them as one object. */
json_t *fact_json(const struct m_fact *m);
json_t *process_json(const json_t *rows);

#endif
