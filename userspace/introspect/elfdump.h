/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ELF core of a guest: where its memory lies in the file, and its vCPUs' registers. */
#ifndef WARDEN_ELFDUMP_H
#define WARDEN_ELFDUMP_H

#include "introspect/dump.h"

struct elf_dump {
	struct memory_range range[KVM_WARDEN_MAX_SLOTS];
	uint64_t offset[KVM_WARDEN_MAX_SLOTS];	/* of each in the file */
	struct kvm_warden_regs regs[DUMP_MAX_VCPUS];
	uint32_t nranges, nregs;
};

/* size: of the file.  0, or -errno with the reason and what to do in why. */
int elf_dump_read(int fd, uint64_t size, struct elf_dump *ret_dump, char *why, size_t why_size);

#endif
