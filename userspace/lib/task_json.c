// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/task_json.h"

#include <stdio.h>

#include "lib/util.h"

json_t *task_flags_json(uint32_t flags)
{
	static const struct {
		uint32_t bit;
		const char *name;
	} names[] = {
		{ TASK_KTHREAD, "kthread" }, { TASK_DYING, "dying" },
		{ TASK_EXE_DELETED, "exe_deleted" }, { TASK_EXE_MEMFD, "exe_memfd" },
		{ TASK_EXE_PARTIAL, "exe_partial" },
	};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (flags & names[i].bit)
			json_array_append_new(list, json_string(names[i].name));
	return list;
}

json_t *vma_json(const struct m_vma *m)
{
	char start[24], end[24], dev[24], perms[] = "---p";

	snprintf(start, sizeof(start), "0x%llx", (unsigned long long)m->start);
	snprintf(end, sizeof(end), "0x%llx", (unsigned long long)m->end);
	snprintf(dev, sizeof(dev), "%02x:%02x", m->major, m->minor);
	if (m->flags & VMA_READ)
		perms[0] = 'r';
	if (m->flags & VMA_WRITE)
		perms[1] = 'w';
	if (m->flags & VMA_EXEC)
		perms[2] = 'x';
	if (m->flags & VMA_SHARED)
		perms[3] = 's';
	return json_pack("{s:s,s:s,s:s,s:I,s:s,s:I,s:s}", "start", start, "end", end, "perms", perms,
			 "offset", (json_int_t)m->offset, "dev", dev, "inode", (json_int_t)m->inode,
			 "path", m->path);
}
