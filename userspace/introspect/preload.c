// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/preload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/dentries.h"
#include "introspect/overlay.h"
#include "introspect/pagecache.h"
#include "lib/util.h"

#define ENV_SIZE 32768u
#define BETWEEN " :\t\n"		/* as ld.so divides both */

/* A name alone is searched for where packages put libraries; a path leads anywhere. */
static const char *foreign_library(char *list)
{
	static const char *const places[] = {
		"/usr/", "/lib/", "/lib64/", "/opt/", "/snap/", "/nix/", "/gnu/",
	};
	char *save = NULL;

	for (char *w = strtok_r(list, BETWEEN, &save); w; w = strtok_r(NULL, BETWEEN, &save)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(places) && !text_begins(w, places[i]))
			i++;
		if (strchr(w, '/') && (i == ARRAY_SIZE(places) || strstr(w, "/../")))
			return w;
	}
	return NULL;
}

static bool take_foreign(char *list, char *out, size_t size)
{
	const char *library = foreign_library(list);

	if (library)
		snprintf(out, size, "%s", library);
	return library;
}

/* ---- LD_PRELOAD ---- */

static size_t read_environment(const struct kernel *k, const struct task *t, char *out, size_t size)
{
	struct address_space as = task_space(k, t);
	uint64_t start, end;
	size_t len = 0;

	if (kernel_member(k, t->mm, k->at.mm_struct_env_start, &start) ||
	    kernel_member(k, t->mm, k->at.mm_struct_env_end, &end) || end <= start)
		return 0;
	end = MIN(end, start + size);
	while (start < end) {
		size_t chunk = MIN(end - start, FRAME_SIZE - (start & FRAME_MASK));

		if (virt_read(&as, start, out + len, chunk))
			break;
		start += chunk;
		len += chunk;
	}
	return len;
}

bool preload_by_environment(const struct kernel *k, const struct task *t, char *out, size_t size)
{
	static const char name[] = "LD_PRELOAD=";
	autofree char *env = malloc(ENV_SIZE + 1);
	size_t len = env ? read_environment(k, t, env, ENV_SIZE) : 0;

	if (env)
		env[len] = '\0';
	for (size_t at = 0; at < len; at += strlen(env + at) + 1)
		if (text_begins(env + at, name))
			return take_foreign(env + at + strlen(name), out, size);
	return false;
}

/* ---- /etc/ld.so.preload ---- */

static int read_root(const struct kernel *k, uint64_t task, uint64_t *ret_dentry)
{
	uint64_t fs;
	int r = kernel_member(k, task, k->at.task_struct_fs, &fs);

	return r ? r : kernel_member(k, fs, k->at.fs_struct_root, ret_dentry);
}

/* Process 1 of the guest, or of a container. */
static bool is_first(const struct kernel *k, const struct task *t, uint64_t root)
{
	uint64_t parent, others;

	return t->pid == 1 || (!kernel_member(k, t->va, k->at.task_struct_real_parent, &parent) &&
			       !read_root(k, parent, &others) && others != root);
}

/* The first page of a file. */
static bool read_start(const struct kernel *k, uint64_t inode, char *out, size_t size, uint64_t length)
{
	uint64_t mapping;
	struct page_map map;
	bool has;

	overlay_upper(k, inode, &inode);
	if (kernel_member(k, inode, k->at.inode_i_mapping, &mapping) || page_map_init(&map, 1))
		return false;
	length = MIN(length, (uint64_t)size - 1);
	has = !pagecache_read(k, mapping, &map) && map.resident &&
	      !memory_read(k->mem, map.frame[0], out, length);
	page_map_free(&map);
	if (has)
		out[length] = '\0';
	return has;
}

/* As ld.so does: from a hash sign to the end of the line. */
static void blank_comments(char *list)
{
	for (char *at = strchr(list, '#'); at; at = strchr(at, '#'))
		memset(at, ' ', strcspn(at, "\n"));
}

bool preload_by_file(const struct kernel *k, const struct task *t, char *out, size_t size)
{
	char list[FRAME_SIZE + 1];
	uint64_t root, dentry, inode, length;

	if (read_root(k, t->va, &root) || !is_first(k, t, root) ||
	    !dentry_find(k, root, "etc", &dentry, &inode) ||
	    !dentry_find(k, dentry, "ld.so.preload", &dentry, &inode) ||
	    kernel_member(k, inode, k->at.inode_i_size, &length) ||
	    !read_start(k, inode, list, sizeof(list), length))
		return false;
	blank_comments(list);
	if (take_foreign(list, out, size))
		return true;
	/* It has a few lines, unless somebody has something to hide behind them. */
	snprintf(out, size, "(in a list of more than a page)");
	return length > FRAME_SIZE;
}
