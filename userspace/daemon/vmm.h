/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a VMM's command line says of its guest.  The VMM is trusted no further
 * than for a name, taken once, when its guest comes; and who answers at a
 * monitor's socket is checked.
 */
#ifndef WARDEN_VMM_H
#define WARDEN_VMM_H

#include <stddef.h>
#include <stdint.h>

#define VMM_MONITORS 4
#define VMM_PATH 108		/* of a unix socket, with NUL */

/* A command line: len bytes, each argument ended by NUL. */

/* QEMU's -name, escaped; "" if there is none. */
void vmm_parse_name(const char *args, size_t len, char *out, size_t size);

/* The vsock CID of a vhost-vsock device; 0 if there is none. */
uint32_t vmm_parse_cid(const char *args, size_t len);

/*
 * The unix sockets of QMP monitors, absolute paths alone; how many.  A VMM that
 * was handed a descriptor (libvirt does so) names none.
 */
unsigned vmm_parse_monitors(const char *args, size_t len, char paths[VMM_MONITORS][VMM_PATH]);

/* The same of a process, which can hold up who asks (vmm_args.h): for a child of ours. */
void vmm_guest_name(uint32_t pid, char *out, size_t size);
unsigned vmm_monitors(uint32_t pid, char paths[VMM_MONITORS][VMM_PATH]);

#endif
