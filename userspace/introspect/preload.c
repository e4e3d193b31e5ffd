// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/preload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "introspect/dentries.h"
#include "introspect/overlay.h"
#include "introspect/pagecache.h"
#include "lib/util.h"

#define ENV_SIZE (1u << 20)
#define BETWEEN " :\t\n"		/* as ld.so divides both */

/* A name alone is searched for where packages put libraries; a path leads anywhere. */
static bool is_foreign(const char *library)
{
	static const char *const places[] = {
		"/usr/lib", "/usr/share/", "/lib/", "/lib64/", "/opt/", "/snap/", "/nix/", "/gnu/",
	};

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (text_begins(library, places[i]))
			return strstr(library, "/../");
	return strchr(library, '/');
}

/* ---- LD_PRELOAD ---- */

/* What is not resident is zeros.  Allocated, with a zero behind; NULL: there is none. */
static char *read_environment(const struct kernel *k, const struct task *t, size_t *ret_len)
{
	struct address_space as = task_space(k, t);
	uint64_t start, end;
	size_t len;
	char *env;

	if (kernel_member(k, t->mm, k->at.mm_struct_env_start, &start) ||
	    kernel_member(k, t->mm, k->at.mm_struct_env_end, &end) || end <= start)
		return NULL;
	len = MIN(end - start, (uint64_t)ENV_SIZE);
	env = calloc(1, len + 1);
	for (size_t at = 0, chunk; env && at < len; at += chunk) {
		chunk = MIN(len - at, FRAME_SIZE - ((start + at) & FRAME_MASK));
		if (virt_read(&as, start + at, env + at, chunk))
			memset(env + at, 0, chunk);
	}
	*ret_len = len;
	return env;
}

static bool take_foreign(char *list, char *out, size_t size)
{
	char *save = NULL;

	for (char *w = strtok_r(list, BETWEEN, &save); w; w = strtok_r(NULL, BETWEEN, &save)) {
		if (!is_foreign(w))
			continue;
		snprintf(out, size, "%s", w);
		return true;
	}
	return false;
}

/* What it is set to, or NULL. */
static char *value_of(char *entry)
{
	static const char *const names[] = { "LD_PRELOAD=", "LD_AUDIT=" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (text_begins(entry, names[i]))
			return entry + strlen(names[i]);
	return NULL;
}

/* Of two entries ld.so takes the last, and others the first. */
bool preload_by_environment(const struct kernel *k, const struct task *t, char *out, size_t size)
{
	size_t len = 0;
	autofree char *env = read_environment(k, t, &len);

	for (size_t at = 0, next; env && at < len; at = next) {
		char *value = value_of(env + at);

		next = at + strlen(env + at) + 1;
		if (value && take_foreign(value, out, size))
			return true;
	}
	return false;
}

/* ---- /etc/ld.so.preload ---- */

/* -ENOENT: it has none any more, as it ends. */
static int read_root(const struct kernel *k, uint64_t task, uint64_t *ret_dentry)
{
	uint64_t fs;
	int r = kernel_member(k, task, k->at.task_struct_fs, &fs);

	if (!r && !fs)
		return -ENOENT;
	return r ? r : kernel_member(k, fs, k->at.fs_struct_root, ret_dentry);
}

/* Process 1 of the guest, or of a container. */
static bool is_first(const struct kernel *k, const struct task *t, uint64_t root)
{
	uint64_t parent, others;

	return t->pid == 1 || (!kernel_member(k, t->va, k->at.task_struct_real_parent, &parent) &&
			       !read_root(k, parent, &others) && others != root);
}

/* 0: it is to be asked; 1: another process with that root was, in this sweep. */
static int was_asked(struct preload_roots *asked, uint64_t root)
{
	for (uint32_t i = 0; i < asked->n; i++)
		if (asked->dentry[i] == root)
			return 1;
	if (asked->n == ARRAY_SIZE(asked->dentry))
		return -E2BIG;
	asked->dentry[asked->n++] = root;
	return 0;
}

/* The first page of a file.  0; -ENODATA it is not resident. */
static int read_start(const struct kernel *k, uint64_t inode, char *out, size_t length)
{
	uint64_t mapping;
	struct page_map map;
	int r;

	overlay_upper(k, inode, &inode);
	r = kernel_member(k, inode, k->at.inode_i_mapping, &mapping);
	if (!r)
		r = page_map_init(&map, 1);
	if (r)
		return r;
	r = pagecache_read(k, mapping, &map);
	if (!r)
		r = map.resident ? memory_read(k->mem, map.frame[0], out, length) : -ENODATA;
	page_map_free(&map);
	return r;
}

/*
 * As ld.so does, by the file's length: from a hash sign to the end of the line.
 * A zero ends its list, but for the last word of a file without a last newline:
 * here none ends anything.
 */
static void blank(char *list, size_t length)
{
	bool comment = false;

	for (size_t i = 0; i < length; i++) {
		comment = list[i] == '#' || (comment && list[i] != '\n');
		if (comment || !list[i])
			list[i] = ' ';
	}
	list[length] = '\0';
}

/* All its words, with a blank between; how many. */
static unsigned take_words(char *list, char *out, size_t size)
{
	unsigned n = 0;
	char *save = NULL;
	size_t len = 0;

	for (char *w = strtok_r(list, BETWEEN, &save); w; w = strtok_r(NULL, BETWEEN, &save)) {
		if (len < size)
			len += snprintf(out + len, size - len, "%s%s", n ? " " : "", w);
		n++;
	}
	return n;
}

/* -EMLINK: ld.so would follow it, and nobody has a reason to make it one. */
static int find_name(const struct kernel *k, uint64_t parent, const char *name, uint64_t *ret_dentry,
		     uint64_t *ret_inode)
{
	uint64_t mode;
	int r = dentry_find(k, parent, name, ret_dentry, ret_inode);

	if (!r)
		r = kernel_member(k, *ret_inode, k->at.inode_i_mode, &mode);
	return r ? r : S_ISLNK(mode) ? -EMLINK : 0;
}

static int find_list(const struct kernel *k, uint64_t root, uint64_t *ret_inode)
{
	uint64_t dentry;
	int r = find_name(k, root, "etc", &dentry, ret_inode);

	return r ? r : find_name(k, dentry, "ld.so.preload", &dentry, ret_inode);
}

int preload_by_file(const struct kernel *k, const struct task *t, struct preload_roots *asked, char *out,
		    size_t size)
{
	char list[FRAME_SIZE + 1];
	uint64_t root, inode, length;
	int r;

	r = read_root(k, t->thread, &root);
	if (!r && !is_first(k, t, root))
		return 0;
	if (!r)
		r = was_asked(asked, root);
	if (r > 0)
		return 0;
	if (!r)
		r = find_list(k, root, &inode);
	if (r == -EMLINK) {
		snprintf(out, size, "(what a link there leads to)");
		return 1;
	}
	if (!r)
		r = kernel_member(k, inode, k->at.inode_i_size, &length);
	if (!r)
		r = read_start(k, inode, list, MIN(length, (uint64_t)FRAME_SIZE));
	/* None, or nobody has read it since long: no program has begun with it. */
	if (r)
		return r == -ENOENT || r == -ENODATA ? 0 : r;
	blank(list, MIN(length, (uint64_t)FRAME_SIZE));
	if (take_words(list, out, size))
		return 1;
	/* It has a few lines, unless somebody has something to hide behind them. */
	snprintf(out, size, "(in a list of more than a page)");
	return length > FRAME_SIZE;
}
