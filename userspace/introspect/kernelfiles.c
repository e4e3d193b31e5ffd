// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/kernelfiles.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "introspect/bzimage.h"
#include "introspect/check.h"
#include "introspect/notes.h"
#include "lib/util.h"
#include "text/unpack.h"

#define MAX_FILE (256u << 20)
#define MAX_UNPACKED (256u << 20)
#define MAX_SECTIONS 4096u
#define MAX_NOTE 65536u
#define TURN_MS 3000			/* waited for another process at most */
#define TURN_STEP_MS 50

/* ---- before the jail ---- */

static void add_file(struct kernel_files *files, int folder, const char *name)
{
	struct kernel_file *f = &files->file[files->n];
	struct stat st;
	int fd;

	if (files->n == KERNEL_FILES) {
		files->left_out++;
		return;
	}
	fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		/* A folder in the folder is no kernel. */
		files->left_out += fd < 0;
		if (fd >= 0)
			close(fd);
		return;
	}
	f->fd = fd;
	name = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
	text_escape(f->name, sizeof(f->name), name, strlen(name));
	files->n++;
}

static int no_dots(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

int kernel_files_open(struct kernel_files *ret_files, const char *path)
{
	struct dirent **entries;
	autofd int folder = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int n;

	memset(ret_files, 0, sizeof(*ret_files));
	if (folder < 0 || fstat(folder, &st))
		return -errno;
	if (!S_ISDIR(st.st_mode)) {
		add_file(ret_files, AT_FDCWD, path);
		return ret_files->n ? 0 : -EINVAL;
	}
	n = scandirat(folder, ".", &entries, no_dots, alphasort);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		add_file(ret_files, folder, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}

/* ---- is it that kernel's? ---- */

static bool read_at(int fd, void *out, size_t n, uint64_t at)
{
	return at <= MAX_FILE && pread(fd, out, n, at) == (ssize_t)n;
}

struct id_search {
	const struct kernel_wanted *wanted;
	bool same;
};

static bool on_note(void *ctx, const Elf64_Nhdr *h, const uint8_t *name, const uint8_t *desc)
{
	struct id_search *s = ctx;

	if (h->n_type != NT_GNU_BUILD_ID || h->n_namesz != 4 || memcmp(name, "GNU", 4))
		return false;
	s->same = h->n_descsz == s->wanted->id_len && !memcmp(desc, s->wanted->id, h->n_descsz);
	return true;
}

/* An ELF file may be large, and its notes are not. */
static bool elf_is(int fd, const struct kernel_wanted *wanted)
{
	struct id_search search = { wanted, false };
	autofree uint8_t *note = malloc(MAX_NOTE);
	Elf64_Ehdr h;

	if (!note || !read_at(fd, &h, sizeof(h), 0) || h.e_shentsize != sizeof(Elf64_Shdr) ||
	    h.e_shnum > MAX_SECTIONS)
		return false;
	for (uint64_t i = 0; i < h.e_shnum && !search.same; i++) {
		Elf64_Shdr s;

		if (h.e_shoff <= MAX_FILE && read_at(fd, &s, sizeof(s), h.e_shoff + i * sizeof(s)) &&
		    s.sh_type == SHT_NOTE && s.sh_size <= MAX_NOTE && read_at(fd, note, s.sh_size, s.sh_offset))
			notes_walk(note, s.sh_size, on_note, &search);
	}
	return search.same;
}

/* "6.1.0-56-amd64 (debian-kernel@...) #1 SMP ..." tells it before all is unpacked. */
static bool may_be(int fd, const struct kernel_wanted *wanted)
{
	uint8_t head[BZIMAGE_HEAD] = { 0 };
	char version[BZIMAGE_VERSION];
	ssize_t n = pread(fd, head, sizeof(head), 0);

	if (n >= 4 && !memcmp(head, ELFMAG, SELFMAG))
		return elf_is(fd, wanted);
	return n > 0 && bzimage_version(head, n, version) &&
	       strcspn(version, " ") == strcspn(wanted->release, " ") &&
	       !strncmp(version, wanted->release, strcspn(version, " "));
}

/* ---- taken apart ---- */

struct vmlinux *kernel_file_parse(const uint8_t *bytes, size_t size, char why[VMLINUX_WHY])
{
	const char *problem = NULL;
	size_t offset = 0, length = size, unpacked;
	uint8_t *elf;

	if ((size < 4 || memcmp(bytes, ELFMAG, SELFMAG)) &&
	    !bzimage_payload(bytes, size, &offset, &length)) {
		snprintf(why, VMLINUX_WHY, "it is neither a bzImage (vmlinuz) nor an ELF file");
		return NULL;
	}
	elf = unpack(bytes + offset, length, MAX_UNPACKED, &unpacked, &problem);
	if (!elf) {
		snprintf(why, VMLINUX_WHY, "%s", problem);
		return NULL;
	}
	return vmlinux_open(elf, unpacked, why);
}

static struct vmlinux *load(int fd, char why[VMLINUX_WHY])
{
	struct stat st;
	autofree uint8_t *bytes = NULL;
	size_t size = 0;
	ssize_t n = 1;

	if (fstat(fd, &st) || st.st_size <= 0 || st.st_size > MAX_FILE) {
		snprintf(why, VMLINUX_WHY, "it is empty, or larger than %u MiB", MAX_FILE >> 20);
		return NULL;
	}
	bytes = malloc(st.st_size);
	while (bytes && size < (size_t)st.st_size &&
	       (n = pread(fd, bytes + size, st.st_size - size, size)) > 0)
		size += n;
	if (!bytes || n <= 0) {
		snprintf(why, VMLINUX_WHY, "it cannot be read");
		return NULL;
	}
	return kernel_file_parse(bytes, size, why);
}

static bool take_turn(int fd)
{
	int r;

	for (int ms = 0; (r = flock(fd, LOCK_EX | LOCK_NB)) && ms < TURN_MS; ms += TURN_STEP_MS)
		check_pause(TURN_STEP_MS);
	return !r;
}

static enum kernel_file_search try_file(const struct kernel_file *f, const struct kernel_wanted *wanted,
					struct vmlinux **ret_vmlinux, char why[VMLINUX_WHY])
{
	struct vmlinux *v = load(f->fd, why);
	const uint8_t *id;

	if (!v)
		return KERNEL_FILE_BROKEN;
	if (vmlinux_build_id(v, &id) != wanted->id_len || memcmp(id, wanted->id, wanted->id_len)) {
		vmlinux_free(v);
		return KERNEL_FILE_NONE;
	}
	*ret_vmlinux = v;
	return KERNEL_FILE_FOUND;
}

enum kernel_file_search kernel_files_find(const struct kernel_files *files,
					  const struct kernel_wanted *wanted, bool impatient,
					  struct vmlinux **ret_vmlinux, const char **ret_name,
					  char why[VMLINUX_WHY])
{
	enum kernel_file_search is = KERNEL_FILE_NONE;

	*ret_vmlinux = NULL;
	for (uint32_t i = 0; i < files->n; i++) {
		const struct kernel_file *f = &files->file[i];
		enum kernel_file_search this;
		char problem[VMLINUX_WHY] = "";

		if (!may_be(f->fd, wanted))
			continue;
		if (!take_turn(f->fd) && !impatient)
			return KERNEL_FILE_BUSY;
		this = try_file(f, wanted, ret_vmlinux, problem);
		if (this == KERNEL_FILE_NONE) {
			flock(f->fd, LOCK_UN);
			continue;
		}
		is = this;
		*ret_name = f->name;
		snprintf(why, VMLINUX_WHY, "%s", problem);
		if (this == KERNEL_FILE_FOUND)
			break;	/* its turn ends with kernel_files_done */
		flock(f->fd, LOCK_UN);
	}
	return is;
}

void kernel_files_done(const struct kernel_files *files)
{
	for (uint32_t i = 0; i < files->n; i++)
		flock(files->file[i].fd, LOCK_UN);
}
