/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x86's bzImage (vmlinuz): Documentation/arch/x86/boot.rst. */
#ifndef WARDEN_BZIMAGE_H
#define WARDEN_BZIMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BZIMAGE_HEAD 65536u		/* at most so far does what tells the version lie */
#define BZIMAGE_VERSION 256

/* The version's text, from the first bytes of the file.  False: it is no such file. */
bool bzimage_version(const uint8_t *head, size_t size, char version[BZIMAGE_VERSION]);

/* Where in the whole file the packed kernel lies. */
bool bzimage_payload(const uint8_t *bytes, size_t size, size_t *ret_offset, size_t *ret_length);

#endif
