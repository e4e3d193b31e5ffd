/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where no vCPU's registers are known: a kernel keeps a page of text about
 * itself for crash dumps, which names its page tables.  It may also be a
 * former kernel's, or made up: what it leads to decides.
 */
#ifndef WARDEN_VMCOREINFO_H
#define WARDEN_VMCOREINFO_H

#include "introspect/memory.h"

#define VMCOREINFO_MAX 16u

/*
 * Registers as they would be with the page tables of each such page, in the
 * order they lie in; their number (at most VMCOREINFO_MAX), or an errno of
 * memory_read.  Looks at all of RAM that was ever written.
 */
int vmcoreinfo_scan(struct guest_memory *mem, struct kvm_warden_regs ret_regs[VMCOREINFO_MAX]);

/* One such page; false if it is none. */
bool vmcoreinfo_parse(const char page[FRAME_SIZE], struct kvm_warden_regs *ret_regs);

#endif
