// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/inuse.h"

#include <errno.h>

#include "introspect/image.h"
#include "introspect/vcpus.h"
#include "lib/util.h"


enum verdict { NONE, OTHER, SAME };

struct judgement {
	const struct kernel *k;
	uint64_t banner;		/* where the kernel's own lies */
	enum verdict verdict;
};

static bool has_image(const struct address_space *as)
{
	struct image_map map;
	bool has = !image_map_read(as, &map) && map.mapped >= MIN_IMAGE;

	image_map_free(&map);
	return has;
}

/* KPTI's user tables have bit 12 set, and lack most of the kernel. */
static enum verdict judge(const struct judgement *j, const struct kvm_warden_regs *regs)
{
	const uint64_t root = regs->cr3 & PTE_ADDRESS;
	const struct address_space as[] = {
		{ j->k->mem, NULL, root, regs->cr4 & CR4_LA57 ? 5 : 4 },
		{ j->k->mem, NULL, root & ~KPTI_USER_BIT, regs->cr4 & CR4_LA57 ? 5 : 4 },
	};
	uint64_t pa;

	for (size_t i = 0; i < ARRAY_SIZE(as); i++)
		if (!virt_to_phys(&as[i], j->k->symbol[SYM_LINUX_BANNER].address, &pa) && pa == j->banner)
			return SAME;
	return has_image(&as[0]) || has_image(&as[1]) ? OTHER : NONE;
}

/* Tables of a process that has ended since it was on the vCPU are no tables any more. */
static int judge_vcpu(void *ctx, const struct kvm_warden_regs *regs)
{
	struct judgement *j = ctx;
	struct kvm_warden_regs now;

	j->verdict = judge(j, regs);
	if (j->verdict != SAME && !memory_registers_fresh(j->k->mem, regs->vcpu, &now) &&
	    !(now.flags & KVM_WARDEN_REGS_GUEST_MODE))
		j->verdict = judge(j, &now);
	return j->verdict != NONE;
}

int kernel_in_use(const struct kernel *k)
{
	struct judgement j = { .k = k };
	struct vcpus vcpus;
	int r = virt_to_phys(&k->as, k->symbol[SYM_LINUX_BANNER].address, &j.banner);

	if (!r)
		r = vcpus_walk(k->mem, judge_vcpu, &j, &vcpus);
	if (r < 0)
		return r;
	/* None is known: so is nothing against it. */
	return j.verdict == SAME || !vcpus.seen ? 0 : -ESTALE;
}
