/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernels' files that the operator has put at hand: opened before the jail,
 * taken apart in it.
 */
#ifndef WARDEN_KERNELFILES_H
#define WARDEN_KERNELFILES_H

#include <stddef.h>
#include <stdint.h>

#include "introspect/vmlinux.h"

#define KERNEL_FILES 64u
#define KERNEL_FILE_NAME 128

struct kernel_files {
	struct kernel_file {
		int fd;
		char name[KERNEL_FILE_NAME];	/* escaped */
	} file[KERNEL_FILES];
	uint32_t n;
	uint32_t left_out;		/* more than that, or they could not be opened */
};

/* A file, or all files of a folder.  0, or -errno: it cannot be read itself. */
int kernel_files_open(struct kernel_files *ret_files, const char *path);

enum kernel_file_search {
	KERNEL_FILE_FOUND,
	KERNEL_FILE_NONE,		/* none is of that build */
	KERNEL_FILE_BROKEN,		/* one may be, and cannot be used: why */
	KERNEL_FILE_BUSY,		/* another process takes it apart: later */
};

/* A kernel by its release and BUILD-ID, as the guest says them. */
struct kernel_wanted {
	const char *release;		/* up to its first space */
	const uint8_t *id;
	size_t id_len;
};

/*
 * Takes some 150 MiB for a moment: unless impatient, another process that does
 * the same is waited for, so that many guests do not take it all at once.
 */
enum kernel_file_search kernel_files_find(const struct kernel_files *files,
					  const struct kernel_wanted *wanted, bool impatient,
					  struct vmlinux **ret_vmlinux, const char **ret_name,
					  char why[VMLINUX_WHY]);

/* What was found is freed: the next process may. */
void kernel_files_done(const struct kernel_files *files);

/* A file's bytes, whatever it is: what the search does with each.  NULL and why. */
struct vmlinux *kernel_file_parse(const uint8_t *bytes, size_t size, char why[VMLINUX_WHY]);

#endif
