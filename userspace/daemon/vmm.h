/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VMM's command line says of its guest.  The VMM is trusted no further
 * than for a name: nothing is decided by it.
 */
#ifndef WARDEN_VMM_H
#define WARDEN_VMM_H

#include <stddef.h>
#include <stdint.h>

/* QEMU's -name, escaped; "" if there is none. */
void vmm_guest_name(uint32_t pid, char *out, size_t size);

/* The vsock CID of a vhost-vsock device; 0 if there is none. */
uint32_t vmm_guest_cid(uint32_t pid);

/* The same on a command line: len bytes, each argument ended by NUL. */
void vmm_parse_name(const char *args, size_t len, char *out, size_t size);
uint32_t vmm_parse_cid(const char *args, size_t len);

#endif
