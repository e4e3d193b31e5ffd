/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel says of a loaded module, and the file it came from: gathered
 * with root's rights, before any of it is taken apart.
 */
#ifndef WARDEN_INTEGRITY_MODULE_H
#define WARDEN_INTEGRITY_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text/image.h"

#define MODULE_SECTIONS 512

struct module_section {
	char name[64];
	uint64_t address;
};

struct module {
	char name[32];			/* as in /sys/module */
	int file;			/* -1: none, and why */
	uint8_t build_id[BUILD_ID_MAX];
	size_t build_id_len;
	struct module_section sections[MODULE_SECTIONS];
	size_t nsections;
	char why[256];
};

/* False: it is not loaded. */
bool module_gather(struct module *ret_module, const char *name);

/*
 * The file's image, with its sections where the module has them.  NULL: why is
 * in module.  ret_bytes: what it lies on.
 */
bool module_open(struct module *module, struct image *ret_image, uint8_t **ret_bytes);

#endif
