// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/names.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/config.h"
#include "lib/log.h"

#define ROOM (CONFIG_PATH_MAX + 64)

/*
 * Guests are numbered anew when the module is loaded anew; its folder in sysfs
 * then has another inode number.  A link, since one is made as a whole or not.
 */
static void path_of(char path[ROOM], const char *run_dir, uint64_t guest)
{
	struct stat st = { 0 };

	stat("/sys/kernel/kvm_warden", &st);
	snprintf(path, ROOM, "%s/names/%llu-%llu", run_dir, (unsigned long long)st.st_ino,
		 (unsigned long long)guest);
}

/* Nobody but root may have a word there. */
static void make_folder(const char *run_dir)
{
	char path[ROOM];

	snprintf(path, sizeof(path), "%s/names", run_dir);
	mkdir(path, 0700);
}

/* Behind a "=", as no link is empty. */
static bool read_kept(const char *path, char name[TEXT_NAME])
{
	char kept[TEXT_NAME + 1];
	ssize_t n = readlink(path, kept, TEXT_NAME);

	if (n < 1 || kept[0] != '=')
		return false;
	kept[n] = '\0';
	strcpy(name, kept + 1);
	return true;
}

bool names_keep(const char *run_dir, uint64_t guest, char name[TEXT_NAME])
{
	char path[ROOM], link[TEXT_NAME + 1], kept[TEXT_NAME];

	make_folder(run_dir);
	path_of(path, run_dir, guest);
	snprintf(link, sizeof(link), "=%s", name);
	if (!symlink(link, path))
		return false;
	if (errno != EEXIST || !read_kept(path, kept)) {
		log_warn("%s: %s: after a restart, guest %llu is called what its VMM says then",
			 path, strerror(errno), (unsigned long long)guest);
		return false;
	}
	if (strcmp(name, kept))
		log_warn("guest %llu: its VMM calls it \"%s\" now; it came as \"%s\", and stays so",
			 (unsigned long long)guest, name, kept);
	strcpy(name, kept);
	return true;
}

bool names_find(const char *run_dir, uint64_t guest, char name[TEXT_NAME])
{
	char path[ROOM];

	name[0] = '\0';
	path_of(path, run_dir, guest);
	return read_kept(path, name);
}

void names_forget(const char *run_dir, uint64_t guest)
{
	char path[ROOM];

	path_of(path, run_dir, guest);
	unlink(path);
}
