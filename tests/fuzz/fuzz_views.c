// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the checks of views and of the kernel walk, as a guest likes: lists, trees,
 * slabs, run queues, modules, sites of patches, usage.
 */
#include <time.h>

#include "../unit/test_introspect_kernel.h"

#include "answers.h"
#include "fuzz.h"
#include "introspect/lists.h"
#include "introspect/usage.h"
#include "lib/util.h"
#include "patch.h"

#define PATCHED_PA 0x1000u		/* page tables ... */
#define PATCHED_END (IMAGE_PA + IMAGE_SIZE)

static struct introspector in;
static struct patched patched;
static struct symbol symbols[SYM_COUNT];

/* Looking again need not wait. */
int nanosleep(const struct timespec *t, struct timespec *left)
{
	return 0;
}

#define OTHER_ROOT 0x10000u

/* One vCPU, by page tables of which all but the last are copies of the kernel's. */
static int give_registers(struct guest_memory *m, uint32_t vcpu, struct kvm_warden_regs *ret)
{
	if (vcpu)
		return -ENXIO;
	*ret = (struct kvm_warden_regs){
		.cr0 = 1u << 31, .efer = 1u << 10, .cr3 = OTHER_ROOT, .lstar = IMAGE,
	};
	return 0;
}

static void make_other_root(void)
{
	static const struct guest_memory_ops ops = { .read = ram_read, .registers = give_registers };

	memcpy(ram + OTHER_ROOT, ram + 0x1000, 0x1000);
	memcpy(ram + OTHER_ROOT + 0x1000, ram + 0x8000, 0x1000);
	put64(OTHER_ROOT + (IMAGE >> 39 & 511) * 8, (OTHER_ROOT + 0x1000) | PRESENT_RW);
	mem.ops = &ops;
}

static void start(void)
{
	static const uint64_t bases[] = { DIRECT + HEAP_PA, VMEMMAP, DIRECT + SLAB_PA, IMAGE, HEAP_PA };

	make_checked_guest();
	make_other_root();
	must(heap < SLAB_PA);
	memcpy(symbols, k.symbol, sizeof(symbols));
	must(!introspector_init(&in, &mem));
	in.kernel = k;
	patched = (struct patched){
		.bytes = ram + PATCHED_PA, .size = PATCHED_END - PATCHED_PA,
		.bases = bases, .nbases = ARRAY_SIZE(bases),
	};
}

void __wrap_check_pause(unsigned milliseconds);

void __wrap_check_pause(unsigned milliseconds)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct check_sink sink = { take_difference, NULL };
	struct usage usage;
	struct task t;

	if (!patched.size)
		start();
	patch_apply(&patched, data, size);
	in.gone = false;
	guest_map(size / 3 % 2);
	memory_refresh(&mem);
	/* One at a time: each takes its time. */
	check_all(&in, 1u << size % 3, &sink, take_checked);
	if (!task_read(&in.kernel, checked_task[0], &t))
		usage_read(&in.kernel, &t, &usage);
	patch_undo(&patched);
	return 0;
}
