// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How raw RAM lies around the hole below 4 GiB, and which of several traces of
 * a kernel is the one that runs, are found by trying.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "introspect/facts.h"
#include "introspect/inspect.h"
#include "introspect/vmcoreinfo.h"
#include "lib/util.h"

/* Firmware keeps some of the last pages for itself. */
#define FIRMWARE_TOP (64ull << 20)

/* Does the kernel know of as much RAM as lies there that way? */
static bool lies_so(const struct inspection *i)
{
	const struct kernel *k = &i->in.kernel;
	uint64_t pages, end = memory_end(&i->mem);

	if (i->dump.nholes < 2 || !k->symbol[SYM_MAX_PFN].address ||
	    virt_read_u64(&k->as, k->symbol[SYM_MAX_PFN].address, &pages) || pages > end / FRAME_SIZE)
		return i->dump.nholes < 2;
	return end - pages * FRAME_SIZE <= FIRMWARE_TOP;
}

static bool try_kernel(struct inspection *i, char *why)
{
	bool changed;

	i->in.state.state = 0;
	i->in.retry_ns = 0;
	if (!introspector_ready(&i->in, &changed)) {
		snprintf(why, WHY_SIZE, "%s", i->in.state.why);
		return false;
	}
	if (lies_so(i))
		return true;
	snprintf(why, WHY_SIZE, "the RAM in this file lies in no way that is known here");
	return false;
}

/* Of several kernels in memory (kexec leaves the former one's) the last to have run. */
static uint64_t last_seen_alive(const struct inspection *i)
{
	struct kernel_facts facts;

	kernel_read_facts(&i->in.kernel, &facts);
	return facts.boot_ns + facts.uptime_ns;
}

static bool try_traces(struct inspection *i, char *why)
{
	struct kvm_warden_regs regs[VMCOREINFO_MAX];
	uint64_t latest = 0;
	int best = -1, n;

	memory_set_budget(&i->mem, SWEEP_BUDGET_MS);
	n = vmcoreinfo_scan(&i->mem, regs);
	if (n <= 0)
		snprintf(why, WHY_SIZE, "no registers in the file, and no trace of a kernel's VMCOREINFO in "
			 "the memory: no Linux guest, one that is early in its boot, or not all of its RAM");
	for (int t = 0; t < n; t++) {
		uint64_t seen;

		if (memory_set_registers(&i->mem, &regs[t], 1) || !try_kernel(i, why))
			continue;
		seen = last_seen_alive(i);
		if (best < 0 || seen > latest) {
			best = t;
			latest = seen;
		}
	}
	i->from_memory = true;
	return best >= 0 && !memory_set_registers(&i->mem, &regs[best], 1) && try_kernel(i, why);
}

static int open_one(struct inspection *i, int fd, uint32_t hole, char *why)
{
	autofd int own = dup(fd);
	struct stat st;
	int r;

	if (own < 0 || fstat(fd, &st))
		return -errno;
	i->hole = dump_hole(st.st_size, hole);
	r = dump_open(&i->mem, own, &i->dump, i->hole, why);
	if (r)
		return r;
	util_steal_fd(&own);
	i->mem.still = true;
	r = introspector_init(&i->in, &i->mem);
	if (r)
		memory_close(&i->mem);
	return r;
}

int inspection_open(struct inspection *i, int fd, char why[WHY_SIZE])
{
	int r;

	memset(i, 0, sizeof(*i));
	r = dump_recognise(fd, &i->dump, why);
	for (uint32_t hole = 0; !r && hole < i->dump.nholes; hole++) {
		bool found;

		r = open_one(i, fd, hole, why);
		if (r)
			break;
		i->vcpus = i->mem.nfixed;
		found = i->vcpus ? try_kernel(i, why) : try_traces(i, why);
		if (found)
			return 0;
		inspection_close(i);
	}
	return r ? r : -ENOENT;
}

void inspection_close(struct inspection *i)
{
	introspector_free(&i->in);
	memory_close(&i->mem);
}
