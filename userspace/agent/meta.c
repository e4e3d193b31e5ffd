// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/meta.h"

#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "channel/bytes.h"
#include "lib/util.h"

#define META_FLAGS (META_FIXED | FS_NODUMP_FL | FS_NOATIME_FL)
#define ACL "system.posix_acl_access"
#define NANOSECONDS 1000000000u

_Static_assert(META_FLAG_IMMUTABLE == FS_IMMUTABLE_FL && META_FLAG_APPEND == FS_APPEND_FL,
	       "linux/fs.h");

uint32_t meta_flags(int fd)
{
	int flags = 0;

	return ioctl(fd, FS_IOC_GETFLAGS, &flags) ? 0 : (uint32_t)flags & META_FLAGS;
}

/* The others stay as they are. */
int meta_set_flags(int fd, uint32_t flags)
{
	int now = 0;

	if (ioctl(fd, FS_IOC_GETFLAGS, &now))
		return -errno;
	now = (int)(((uint32_t)now & ~META_FLAGS) | flags);
	return ioctl(fd, FS_IOC_SETFLAGS, &now) ? -errno : 0;
}

static int collect_attr(int fd, const char *name, struct writer *w)
{
	static uint8_t value[XATTR_SIZE_MAX];
	ssize_t len = fgetxattr(fd, name, value, sizeof(value));

	if (len < 0)		/* it went meanwhile, or is none here */
		return errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
	if (2 + strlen(name) + 4 + len > (size_t)(w->end - w->at))
		return -E2BIG;
	put_u16(w, strlen(name));
	put_bytes(w, name, strlen(name));
	put_u32(w, len);
	put_bytes(w, value, len);
	return 0;
}

/* What the kernel gives a meaning, for a file with more names than it lists. */
static const char well_known[] =
	"security.capability\0" "security.selinux\0" "security.SMACK64\0" "security.apparmor\0"
	"security.ima\0" "security.evm\0" ACL;

/* The names, one behind the other; 0: none; -errno. */
static ssize_t list_attrs(int fd, char *names, size_t size, bool *ret_lost)
{
	ssize_t n = flistxattr(fd, names, size);

	if (n >= 0)
		return n;
	if (errno == EOPNOTSUPP || errno == ENOSYS)
		return 0;
	if (errno != E2BIG)
		return -errno;
	*ret_lost = true;
	memcpy(names, well_known, sizeof(well_known));
	return sizeof(well_known);
}

/*
 * Those of the system first, all of them.  Any user can put more of their own
 * on a file than can be kept, and malware shall not be safe by that.
 */
static int collect_attrs(int fd, struct meta *meta)
{
	static char names[XATTR_LIST_MAX];
	struct writer w = { meta->attrs, meta->attrs + sizeof(meta->attrs), false };
	ssize_t n = list_attrs(fd, names, sizeof(names), &meta->lost);

	for (int users = false; users <= true; users++) {
		for (ssize_t at = 0; at < n; at += strlen(names + at) + 1) {
			bool is_users = !strncmp(names + at, "user.", 5);
			int r = is_users == users ? collect_attr(fd, names + at, &w) : 0;

			if (r && !(users && r == -E2BIG))
				return r;
			meta->lost |= r != 0;
		}
	}
	meta->attrs_len = w.at - meta->attrs;
	return n < 0 ? n : 0;
}

int meta_collect(int fd, const char *path, struct meta *ret_meta)
{
	struct stat st;

	memset(ret_meta, 0, offsetof(struct meta, attrs));
	if (strlen(path) > WIRE_PATH_MAX)
		return -ENAMETOOLONG;
	if (fstat(fd, &st))
		return -errno;
	strcpy(ret_meta->path, path);
	ret_meta->size = st.st_size;
	ret_meta->mode = st.st_mode & 07777;
	ret_meta->uid = st.st_uid;
	ret_meta->gid = st.st_gid;
	ret_meta->flags = meta_flags(fd);
	ret_meta->atime_s = st.st_atim.tv_sec;
	ret_meta->atime_ns = st.st_atim.tv_nsec;
	ret_meta->mtime_s = st.st_mtim.tv_sec;
	ret_meta->mtime_ns = st.st_mtim.tv_nsec;
	return collect_attrs(fd, ret_meta);
}

/* One of attrs; false at their end, or where they end too early. */
struct attr {
	char name[XATTR_NAME_MAX + 1];
	const uint8_t *value;
	uint32_t len;
};

static bool next_attr(struct reader *r, struct attr *ret)
{
	uint16_t len = r->at == r->end ? 0 : get_u16(r);

	if (!len || len > XATTR_NAME_MAX) {
		r->bad |= len || r->at != r->end;
		return false;
	}
	get_bytes(r, ret->name, len);
	ret->name[len] = '\0';
	ret->len = get_u32(r);
	ret->value = r->at;
	if (r->bad || strlen(ret->name) != len || ret->len > XATTR_SIZE_MAX ||
	    ret->len > (size_t)(r->end - r->at)) {
		r->bad = true;
		return false;
	}
	r->at += ret->len;
	return true;
}

/* A folder's default access list may have given the new file one of its own. */
static int apply_attrs(int fd, const struct meta *meta, const char **ret_what)
{
	struct reader r = { meta->attrs, meta->attrs + meta->attrs_len, false };
	static struct attr attr;
	bool acl = false;

	while (next_attr(&r, &attr)) {
		*ret_what = attr.name;
		if (fsetxattr(fd, attr.name, attr.value, attr.len, 0))
			return -errno;
		acl |= !strcmp(attr.name, ACL);
	}
	*ret_what = ACL;
	if (!acl && fremovexattr(fd, ACL) && errno != ENODATA && errno != EOPNOTSUPP)
		return -errno;
	return 0;
}

/* The owner first: its change takes set-user-ID and capabilities away. */
int meta_apply(int fd, const struct meta *meta, const char **ret_what)
{
	const struct timespec times[2] = {
		{ meta->atime_s, meta->atime_ns }, { meta->mtime_s, meta->mtime_ns },
	};
	int r;

	*ret_what = "owner";
	if (fchown(fd, meta->uid, meta->gid))
		return -errno;
	r = apply_attrs(fd, meta, ret_what);
	if (r)
		return r;
	*ret_what = "mode";
	if (fchmod(fd, meta->mode))
		return -errno;
	*ret_what = "times";
	return futimens(fd, times) ? -errno : 0;
}

size_t meta_put(uint8_t *out, const struct meta *meta)
{
	struct writer w = { out, out + META_MAX, false };

	put_u64(&w, meta->size);
	put_u32(&w, meta->mode);
	put_u32(&w, meta->uid);
	put_u32(&w, meta->gid);
	put_u32(&w, meta->flags);
	put_u64(&w, meta->atime_s);
	put_u32(&w, meta->atime_ns);
	put_u64(&w, meta->mtime_s);
	put_u32(&w, meta->mtime_ns);
	put_u16(&w, strlen(meta->path));
	put_bytes(&w, meta->path, strlen(meta->path));
	put_bytes(&w, meta->attrs, meta->attrs_len);
	return w.at - out;
}

static bool get_path(struct reader *r, char *path)
{
	uint16_t len = get_u16(r);

	if (len > WIRE_PATH_MAX)
		return false;
	get_bytes(r, path, len);
	path[len] = '\0';
	return strlen(path) == len;
}

/* To the end of the attributes, each of them whole. */
static bool get_attrs(struct reader *r, struct meta *ret)
{
	size_t len = r->end - r->at;
	static struct attr attr;

	if (len > sizeof(ret->attrs))
		return false;
	memcpy(ret->attrs, r->at, len);
	ret->attrs_len = len;
	while (next_attr(r, &attr))
		;
	return reader_done(r);
}

bool meta_get(const uint8_t *in, size_t len, struct meta *ret_meta)
{
	struct reader r = { in, in + len, false };

	ret_meta->size = get_u64(&r);
	ret_meta->mode = get_u32(&r);
	ret_meta->uid = get_u32(&r);
	ret_meta->gid = get_u32(&r);
	ret_meta->flags = get_u32(&r);
	ret_meta->atime_s = get_u64(&r);
	ret_meta->atime_ns = get_u32(&r);
	ret_meta->mtime_s = get_u64(&r);
	ret_meta->mtime_ns = get_u32(&r);
	return get_path(&r, ret_meta->path) && !r.bad && get_attrs(&r, ret_meta) &&
	       ret_meta->mode <= 07777 && !(ret_meta->flags & ~META_FLAGS) &&
	       ret_meta->atime_ns < NANOSECONDS && ret_meta->mtime_ns < NANOSECONDS;
}
