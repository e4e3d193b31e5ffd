// SPDX-License-Identifier: GPL-2.0-or-later
#include "integrity/module.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "text/unpack.h"
#include "lib/util.h"

static bool refuse(struct module *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool refuse(struct module *m, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(m->why, sizeof(m->why), format, args);
	va_end(args);
	return false;
}

/* ---- its file ---- */

/* "kernel/arch/x86/kvm/kvm-amd.ko.xz: ..." is kvm_amd's. */
static bool is_path_of(const char *line, size_t len, const char *name)
{
	const char *base = memrchr(line, '/', len);
	size_t n = strlen(name);

	base = base ? base + 1 : line;
	if ((size_t)(line + len - base) < n + 3)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((base[i] == '-' ? '_' : base[i]) != name[i])
			return false;
	return !strncmp(base + n, ".ko", 3);
}

static void open_file(struct module *m)
{
	char path[512], line[8192];
	struct utsname system;

	uname(&system);
	snprintf(path, sizeof(path), "/lib/modules/%s/modules.dep", system.release);
	autofile FILE *list = fopen(path, "re");

	if (!list) {
		refuse(m, "%s: %s", path, strerror(errno));
		return;
	}
	while (fgets(line, sizeof(line), list)) {
		size_t len = strcspn(line, ":\n");

		if (line[len] != ':' || !is_path_of(line, len, m->name))
			continue;
		line[len] = '\0';
		if (line[0] == '/')
			snprintf(path, sizeof(path), "%.500s", line);
		else
			snprintf(path, sizeof(path), "/lib/modules/%.70s/%.400s", system.release, line);
		m->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (m->file < 0)
			refuse(m, "%.200s: %s", path, strerror(errno));
		return;
	}
	refuse(m, "%s names no file of %s: run depmod", path, m->name);
}

/* ---- what sysfs tells ---- */

static ssize_t read_small(const char *path, void *out, size_t size)
{
	autofd int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -1 : read(fd, out, size);
}

static void gather_build_id(struct module *m)
{
	char path[128];
	uint8_t note[16 + BUILD_ID_MAX];
	Elf64_Nhdr header;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/module/%s/notes/.note.gnu.build-id", m->name);
	n = read_small(path, note, sizeof(note));
	if (n < (ssize_t)sizeof(header) + 4)
		return;
	memcpy(&header, note, sizeof(header));
	if (header.n_namesz != 4 || header.n_descsz > BUILD_ID_MAX ||
	    (size_t)n < sizeof(header) + 4 + header.n_descsz)
		return;
	m->build_id_len = header.n_descsz;
	memcpy(m->build_id, note + sizeof(header) + 4, m->build_id_len);
}

static void gather_section(struct module *m, const char *folder, const char *name)
{
	struct module_section *s = &m->sections[m->nsections];
	char path[512], text[32] = "";

	if (m->nsections == MODULE_SECTIONS || strlen(name) >= sizeof(s->name))
		return;
	snprintf(path, sizeof(path), "%.128s/%.255s", folder, name);
	if (read_small(path, text, sizeof(text) - 1) <= 0)
		return;
	strcpy(s->name, name);
	s->address = strtoull(text, NULL, 16);
	m->nsections++;
}

static void gather_sections(struct module *m)
{
	char folder[128];
	struct dirent *entry;
	DIR *dir;

	snprintf(folder, sizeof(folder), "/sys/module/%s/sections", m->name);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
			gather_section(m, folder, entry->d_name);
	if (dir)
		closedir(dir);
}

bool module_gather(struct module *ret_module, const char *name)
{
	char path[128];

	memset(ret_module, 0, sizeof(*ret_module));
	ret_module->file = -1;
	snprintf(ret_module->name, sizeof(ret_module->name), "%s", name);
	snprintf(path, sizeof(path), "/sys/module/%s/sections", name);
	if (access(path, F_OK))
		return false;
	gather_build_id(ret_module);
	gather_sections(ret_module);
	open_file(ret_module);
	return true;
}

/* ---- in the jail ---- */

static uint8_t *read_file(struct module *m, size_t *ret_size)
{
	uint8_t *bytes = malloc(IMAGE_MAX_BYTES + 1);
	size_t size = 0;
	ssize_t n = 0;

	while (bytes && size <= IMAGE_MAX_BYTES &&
	       (n = read(m->file, bytes + size, IMAGE_MAX_BYTES + 1 - size)) > 0)
		size += n;
	if (bytes && n == 0 && size && size <= IMAGE_MAX_BYTES) {
		*ret_size = size;
		return bytes;
	}
	refuse(m, "its file cannot be read, or is larger than %u MiB", IMAGE_MAX_BYTES >> 20);
	free(bytes);
	return NULL;
}

static uint8_t *read_unpacked(struct module *m, size_t *ret_size)
{
	size_t size;
	autofree uint8_t *packed = read_file(m, &size);
	const char *why;
	uint8_t *bytes;

	if (!packed)
		return NULL;
	bytes = unpack(packed, size, IMAGE_MAX_BYTES, ret_size, &why);
	if (!bytes)
		refuse(m, "its file: %s", why);
	return bytes;
}

static void place(const struct module *m, struct image *image)
{
	for (size_t i = 0; i < m->nsections; i++) {
		struct image_section *s = image_find(image, m->sections[i].name);

		if (!s || !m->sections[i].address)
			continue;
		s->placed = true;
		s->address = m->sections[i].address;
	}
}

bool module_open(struct module *m, struct image *ret_image, uint8_t **ret_bytes)
{
	size_t size;

	memset(ret_image, 0, sizeof(*ret_image));
	*ret_bytes = NULL;
	if (m->file < 0)
		return false;
	*ret_bytes = read_unpacked(m, &size);
	if (!*ret_bytes)
		return false;
	if (!image_open(ret_image, *ret_bytes, size))
		return refuse(m, "its file: %s", ret_image->why);
	if (!m->build_id_len || m->build_id_len != ret_image->build_id_len ||
	    memcmp(m->build_id, ret_image->build_id, m->build_id_len))
		return refuse(m, "not checked: file is of another build");
	place(m, ret_image);
	return true;
}
