/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The symbols of a kernel's file, from the same tables as in a guest's memory. */
#ifndef WARDEN_FILESYMS_H
#define WARDEN_FILESYMS_H

#include <stddef.h>
#include <stdint.h>

/*
 * As lines of /proc/kallsyms, to be freed; rodata has its addresses from base on.
 * NULL and why.
 */
char *file_symbols(const uint8_t *rodata, size_t len, uint64_t base, uint64_t text_base,
		   size_t *ret_size, const char **ret_why);

#endif
