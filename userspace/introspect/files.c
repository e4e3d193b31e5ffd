// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/files.h"

#include <errno.h>
#include <string.h>

#include "lib/util.h"

#define MAX_PARTS 256
#define MAX_NAME 255

/* A path grows from its end, as the tree is climbed. */
struct path {
	char *buf;
	size_t start;
};

static int prepend(const struct kernel *k, struct path *p, uint64_t dentry)
{
	char name[MAX_NAME + 1];
	uint64_t text;
	int len, r = kernel_member(k, dentry, k->at.dentry_name, &text);

	if (r)
		return r;
	len = kernel_pointer(k, text) ? virt_read_text(&k->as, text, name, sizeof(name)) : -EPROTO;
	if (len < 0)
		return len;
	/* The root of a file system is named "/"; a longer path is cut in front. */
	if ((size_t)len + 1 > p->start || strcmp(name, "/") == 0)
		return 0;
	p->start -= len;
	memcpy(p->buf + p->start, name, len);
	p->buf[--p->start] = '/';
	return 0;
}

/* At the root of a mount: over to where it is mounted. */
static int cross_mount(const struct kernel *k, uint64_t *mount, uint64_t *dentry, bool *top)
{
	uint64_t parent;
	int r = kernel_member(k, *mount, k->at.mount_mnt_parent, &parent);

	*top = !r && parent == *mount;
	if (r || *top)
		return r;
	r = kernel_member(k, *mount, k->at.mount_mnt_mountpoint, dentry);
	*mount = parent;
	return r;
}

static int climb(const struct kernel *k, struct path *p, uint64_t mount, uint64_t dentry)
{
	bool top = false;
	int r = 0;

	for (int i = 0; !r && !top && i < MAX_PARTS; i++) {
		uint64_t root, parent;

		r = kernel_member(k, mount, k->at.mount_mnt_root, &root);
		if (!r)
			r = kernel_member(k, dentry, k->at.dentry_d_parent, &parent);
		if (r)
			break;
		if (dentry == root) {
			r = cross_mount(k, &mount, &dentry, &top);
		} else {
			r = prepend(k, p, dentry);
			top = dentry == parent;
			dentry = parent;
		}
	}
	return r;
}

int dentry_path(const struct kernel *k, uint64_t dentry, char path[GUEST_PATH_SIZE])
{
	struct path p = { path, GUEST_PATH_SIZE - 1 };
	bool top = false;
	int r = 0;

	path[p.start] = '\0';
	for (int i = 0; !r && !top && i < MAX_PARTS; i++) {
		uint64_t parent;

		r = kernel_member(k, dentry, k->at.dentry_d_parent, &parent);
		if (!r)
			r = prepend(k, &p, dentry);
		top = dentry == parent;
		dentry = parent;
	}
	if (!r)
		memmove(path, path + p.start, GUEST_PATH_SIZE - p.start);
	return r;
}

bool path_is(const char *path, bool deleted, const char *said)
{
	char text[4 * GUEST_PATH_SIZE];
	size_t len = strlen(path);

	if (!strcmp(path, said))
		return true;
	text_escape(text, sizeof(text), path, len);
	len = strlen(text);
	return !strncmp(text, said, len) && (!said[len] || (deleted && !strcmp(said + len, " (deleted)")));
}

static int read_path(const struct kernel *k, uint64_t file, struct guest_file *f, uint64_t *ret_dentry)
{
	struct path p = { f->path, sizeof(f->path) - 1 };
	uint64_t mnt, dentry;
	int r = kernel_member(k, file, k->at.file_mnt, &mnt);

	if (!r)
		r = kernel_member(k, file, k->at.file_dentry, &dentry);
	p.buf[p.start] = '\0';
	if (!r)
		r = climb(k, &p, mnt - k->at.mount_mnt.at, dentry);
	if (r)
		return r;
	memmove(f->path, f->path + p.start, sizeof(f->path) - p.start);
	*ret_dentry = dentry;
	return 0;
}

static int read_inode(const struct kernel *k, struct guest_file *f)
{
	const struct layout *at = &k->at;
	uint64_t sb;
	int r = kernel_member(k, f->inode, at->inode_i_ino, &f->ino);

	if (!r)
		r = kernel_member(k, f->inode, at->inode_i_size, &f->size);
	if (!r)
		r = kernel_member(k, f->inode, at->inode_i_sb, &sb);
	if (!r)
		r = kernel_member(k, sb, at->super_block_s_magic, &f->magic);
	if (!r)
		r = kernel_member(k, f->mapping, at->address_space_nrpages, &f->nrpages);
	if (r || f->size >> 63)
		return r ? r : -EPROTO;
	kernel_member(k, sb, at->super_block_s_dev, &f->dev);
	/* Kernels differ in where they keep it; without it, sweeps still hash. */
	kernel_member(k, f->inode, at->inode_mtime_sec, &f->mtime_sec);
	kernel_member(k, f->inode, at->inode_mtime_nsec, &f->mtime_nsec);
	return 0;
}

const char *path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A memfd lies on the kernel's own tmpfs, where nobody else makes names. */
static bool is_memfd(const struct guest_file *f, uint64_t nlink)
{
	return f->magic == TMPFS_MAGIC && nlink == 0 && strncmp(f->path, "/memfd:", 7) == 0;
}

static int read_info(const struct kernel *k, uint64_t file, uint64_t mapping,
		     struct guest_file *ret_file)
{
	uint64_t dentry, hashed, nlink;
	int r;

	memset(ret_file, 0, offsetof(struct guest_file, path));
	ret_file->mapping = mapping;
	r = kernel_member(k, mapping, k->at.address_space_host, &ret_file->inode);
	if (!r)
		r = read_inode(k, ret_file);
	if (!r)
		r = read_path(k, file, ret_file, &dentry);
	if (!r)
		r = kernel_member(k, dentry, k->at.dentry_hash_pprev, &hashed);
	if (!r)
		r = kernel_member(k, ret_file->inode, k->at.inode_i_nlink, &nlink);
	if (r)
		return r;
	ret_file->memfd = is_memfd(ret_file, nlink);
	ret_file->deleted = !ret_file->memfd && (nlink == 0 || !hashed);
	return 0;
}

/*
 * A library is open once for each process that maps it, each time as another
 * struct file of the same mount, name and pages: within one look (a generation
 * of the memory) what was read of it is not read again.
 */
#define SEEN 512u
#define MAX_FILE 512u

struct seen_key {
	uint64_t memory, generation, mnt, dentry, mapping;
};

static struct seen {
	struct seen_key key;
	struct guest_file info;
} seen[SEEN];

/* One translation for all three: they lie in the first MAX_FILE bytes of a struct file. */
static int read_file(const struct kernel *k, uint64_t file, struct seen_key *key)
{
	const struct layout *at = &k->at;
	const struct {
		struct field f;
		uint64_t *value;
	} want[] = {
		{ at->file_f_mapping, &key->mapping }, { at->file_mnt, &key->mnt },
		{ at->file_dentry, &key->dentry },
	};
	uint8_t copy[MAX_FILE];
	const uint8_t *bytes;
	uint32_t size = 0;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		if (want[i].f.size != sizeof(*want[i].value))
			return -EFAULT;
		size = MAX(size, want[i].f.at + (uint32_t)sizeof(*want[i].value));
	}
	if (size > sizeof(copy) || !kernel_pointer(k, file))
		return -EFAULT;
	r = virt_view(&k->as, file, copy, size, &bytes);
	for (size_t i = 0; !r && i < ARRAY_SIZE(want); i++)
		memcpy(want[i].value, bytes + want[i].f.at, sizeof(*want[i].value));
	return r;
}

static struct seen *seen_slot(const struct seen_key *key)
{
	uint64_t mix = (key->dentry ^ key->mnt << 20 ^ key->mapping << 7) * 0x9E3779B97F4A7C15ull;

	return &seen[mix >> 55];
}

_Static_assert(SEEN == 1u << (64 - 55), "the top bits of the mix are a slot");

int file_read_info(const struct kernel *k, uint64_t file, struct guest_file *ret_file)
{
	struct seen_key key = { .memory = k->mem->id, .generation = k->mem->generation };
	struct seen *slot;
	int r = read_file(k, file, &key);

	if (r)
		return r;
	slot = seen_slot(&key);
	if (memcmp(&slot->key, &key, sizeof(key))) {
		slot->key.generation = 0;
		r = read_info(k, file, key.mapping, &slot->info);
		if (r)
			return r;
		slot->key = key;
	}
	memcpy(ret_file, &slot->info, offsetof(struct guest_file, path) + strlen(slot->info.path) + 1);
	return 0;
}
