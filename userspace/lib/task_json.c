// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/task_json.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/util.h"

json_t *hex_json(uint64_t va)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%016" PRIx64, va);
	return json_string(text);
}

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

json_t *fact_json(const struct m_fact *m)
{
	return json_pack("{s:i,s:I,s:s,s:s}", "kind", (int)m->kind, "number", (json_int_t)m->number,
			 "name", m->name, "value", m->value);
}

static void add_fact(json_t *o, const json_t *row)
{
	json_t *number = json_object_get(row, "number"), *name = json_object_get(row, "name");
	json_t *value = json_object_get(row, "value");

	switch (json_integer_value(json_object_get(row, "kind"))) {
	case FACT_PROCESS:
		json_object_set(json_object_get(o, "status"), json_string_value(name), value);
		break;
	case FACT_NAMESPACE:
		json_object_set(json_object_get(o, "namespaces"), json_string_value(name), number);
		break;
	case FACT_THREAD:
		json_array_append_new(json_object_get(o, "threads"), json_pack("{s:O,s:O,s:O}",
			"tid", number, "comm", name, "what", value));
		break;
	case FACT_FILE:
		json_array_append_new(json_object_get(o, "files"), json_pack("{s:O,s:O,s:O}",
			"fd", number, "kind", name, "what", value));
		break;
	case FACT_ENVIRONMENT:
		json_array_append(json_object_get(o, "environment"), value);
	}
}

json_t *process_json(const json_t *rows)
{
	json_t *o = json_pack("{s:{},s:{},s:[],s:[],s:[]}", "status", "namespaces", "threads",
			      "files", "environment"), *row;
	size_t i;

	json_array_foreach(rows, i, row)
		add_fact(o, row);
	return o;
}

/* ---- the kernel ---- */

json_t *kernel_facts_json(const struct m_kernel_facts *m)
{
	return json_pack("{s:s,s:I,s:I,s:s,s:o,s:i,s:o,s:I,s:s,s:s,s:I}", "build_id", m->build_id,
			 "boot_ns", (json_int_t)m->boot_ns, "uptime_ns", (json_int_t)m->uptime_ns,
			 "command_line", m->command_line, "text_base", hex_json(m->text_base),
			 "paging_levels", (int)m->paging_levels, "kpti",
			 m->kpti == KPTI_UNKNOWN ? json_null() : json_boolean(m->kpti == KPTI_ON),
			 "symbols", (json_int_t)m->symbols, "release", m->release,
			 "banner", m->banner, "discovery_us", (json_int_t)m->discovery_us);
}

json_t *module_json(const struct m_module *m)
{
	static const char *const states[] = { "live", "coming", "going" };

	return json_pack("{s:s,s:o,s:I,s:s}", "name", m->name, "base", hex_json(m->base),
			 "size", (json_int_t)m->size, "state",
			 m->state < ARRAY_SIZE(states) ? states[m->state] : "unknown");
}

void kernel_json(json_t *object, json_t *rows)
{
	json_t *modules = json_array(), *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (i)
			json_array_append(modules, row);
	json_object_set(object, "kernel", json_array_get(rows, 0));
	json_object_set_new(object, "modules", modules);
}

/* ---- files at rest, and a guest's bytes ---- */

static json_t *dev_json(uint64_t dev)
{
	char text[24];

	snprintf(text, sizeof(text), "%02x:%02x", (unsigned)(dev >> 20), (unsigned)(dev & 0xfffff));
	return json_string(text);
}

json_t *inode_json(const struct m_inode *m)
{
	return json_pack("{s:s,s:s,s:o,s:s,s:I,s:I,s:I,s:I,s:I,s:I,s:b}", "fs", m->fs, "id", m->id,
			 "dev", dev_json(m->dev), "path", m->path, "inode", (json_int_t)m->ino,
			 "size", (json_int_t)m->size, "pages", (json_int_t)m->pages,
			 "mtime_sec", (json_int_t)m->mtime_sec, "uid", (json_int_t)m->uid,
			 "mode", (json_int_t)m->mode, "deleted", m->deleted != 0);
}

json_t *files_json(json_t *files, const struct m_done *done)
{
	return json_pack("{s:I,s:I,s:o,s:b,s:s}", "file_systems", (json_int_t)done->tasks,
			 "inodes", (json_int_t)done->objects, "files", files,
			 "complete", done->status == DONE_COMPLETE, "why", done->why);
}

json_t *missing_json(const struct m_missing *m)
{
	return json_pack("{s:I,s:I,s:s}", "offset", (json_int_t)m->offset,
			 "length", (json_int_t)m->length, "why", m->why);
}

json_t *content_json(const struct m_extract *ask, const struct m_content *m, const struct m_done *done,
		     json_t *missing)
{
	json_t *answer;

	if (ask->what == EXTRACT_MEMORY)
		answer = json_pack("{s:I,s:o,s:I}", "pid", (json_int_t)ask->pid,
				   "address", hex_json(ask->address), "length", (json_int_t)ask->length);
	else
		answer = json_pack("{s:{s:s,s:o,s:I,s:I,s:I,s:b}}", "file", "path", m->path,
				   "dev", dev_json(m->dev), "inode", (json_int_t)m->ino,
				   "size", (json_int_t)m->size, "mtime_sec", (json_int_t)m->mtime_sec,
				   "deleted", m->deleted != 0);
	json_object_set_new(answer, "resident", json_integer(m->resident));
	json_object_set(answer, "missing", missing);
	json_object_set_new(answer, "complete", json_boolean(done->status == DONE_COMPLETE));
	json_object_set_new(answer, "why", json_string(done->why));
	return answer;
}

const char *content_hint(uint32_t what)
{
	switch (what) {
	case EXTRACT_MEMORY:
		return "ps lists the processes; kernel instead of a PID reads the kernel's own memory";
	case EXTRACT_EXE:
	case EXTRACT_OF_PROCESS:
		return "process PID and maps PID tell its files";
	default:
		return "files --all lists those that the kernel has, and DEV:INODE of each for --inode";
	}
}
