// SPDX-License-Identifier: GPL-2.0-or-later
#include "nested.h"

#include <err.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vm64.h"

#define NESTED_CODE	0x1800

static const uint8_t nested_code[] = {
	0x48, 0xff, 0x04, 0x25, 0x00, 0x90, 0x00, 0x00,	/* again: inc qword [rounds] */
	0xe6, 0x10,					/* out 0x10, al */
	0xeb, 0xf4,					/* jmp again */
};

#define VMCB		0xa000
#define HSAVE		0xb000
#define MSR_HSAVE_PA	0xc0010117
#define EFER_SVME	0x1000

static const uint8_t svm_hypervisor[] = {
	0x48, 0xff, 0x04, 0x25, 0x00, 0x90, 0x00, 0x00,	/* again: inc qword [rounds] */
	0xe6, 0x10,					/* out 0x10, al */
	0x83, 0x3c, 0x25, 0x18, 0x90, 0x00, 0x00, 0x00,	/* cmp dword [begin], 0 */
	0x74, 0xec,					/* je again */
	0xb8, 0x00, 0xa0, 0x00, 0x00,			/* mov eax, VMCB */
	0x0f, 0x01, 0xd8,				/* vmrun */
	0xf4,						/* hlt */
};

/* Selector and attributes, limit; the base is 0. */
static void put_segment(uint8_t *ram, uint64_t at, uint32_t selector_attributes)
{
	vm64_put32(ram, at, selector_attributes);
	vm64_put32(ram, at + 4, 0xffffffff);
}

/* The nested guest's state, as AMD's manual lays a VMCB out. */
static void make_vmcb(uint8_t *ram)
{
	vm64_put32(ram, VMCB + 0x010, 1);		/* VMRUN is intercepted: it must be */
	vm64_put32(ram, VMCB + 0x058, 1);		/* ASID */
	for (uint64_t segment = 0x400; segment <= 0x450; segment += 0x10)
		put_segment(ram, VMCB + segment, 0x0c930010);
	put_segment(ram, VMCB + 0x410, 0x0a9b0008);	/* CS */
	vm64_put32(ram, VMCB + 0x484, 0xfff);		/* IDTR */
	vm64_put64(ram, VMCB + 0x488, VM64_IDTR_NESTED);
	vm64_put64(ram, VMCB + 0x4d0, VM64_EFER | EFER_SVME);
	vm64_put64(ram, VMCB + 0x548, VM64_CR4);
	vm64_put64(ram, VMCB + 0x550, VM64_CR3_NESTED);
	vm64_put64(ram, VMCB + 0x558, VM64_CR0);
	vm64_put64(ram, VMCB + 0x560, 0x400);		/* DR7 */
	vm64_put64(ram, VMCB + 0x568, 0xffff0ff0);	/* DR6 */
	vm64_put64(ram, VMCB + 0x570, 2);		/* RFLAGS */
	vm64_put64(ram, VMCB + 0x578, NESTED_CODE);
	vm64_put64(ram, VMCB + 0x5d8, VM64_STACK);
}

static void set_efer_svme(int vcpu)
{
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		err(1, "KVM_GET_SREGS");
	sregs.efer |= EFER_SVME;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs))
		err(1, "EFER.SVME: kvm_amd with nested=0?");
}

void nested_prepare(uint8_t *ram, int vcpu)
{
	memcpy(ram + NESTED_CODE, nested_code, sizeof(nested_code));
	memcpy(ram + VM64_CODE, svm_hypervisor, sizeof(svm_hypervisor));
	make_vmcb(ram);
	set_efer_svme(vcpu);
	vm64_set_msr(vcpu, MSR_HSAVE_PA, HSAVE);
}
