// SPDX-License-Identifier: GPL-2.0-or-later
#include "nested.h"

#include <err.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vm64.h"

#define NESTED_CODE	0x1800

static const uint8_t nested_code[] = {
	0x48, 0xff, 0x04, 0x25, 0x00, 0x90, 0x00, 0x00,	/* again: inc qword [rounds] */
	0xe6, 0x10,					/* out 0x10, al */
	0xeb, 0xf4,					/* jmp again */
};

static void set_control(int vcpu, uint64_t cr4, uint64_t efer)
{
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		err(1, "KVM_GET_SREGS");
	sregs.cr4 |= cr4;
	sregs.efer |= efer;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs))
		err(1, "CR4 %#llx, EFER %#llx", sregs.cr4, sregs.efer);
}

/* ---- AMD ---- */

#define VMCB		0xa000
#define HSAVE		0xb000
#define MSR_HSAVE_PA	0xc0010117
#define EFER_SVME	0x1000

static const uint8_t svm_hypervisor[] = {
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

static void prepare_svm(uint8_t *ram, int vcpu)
{
	memcpy(ram + VM64_CODE, svm_hypervisor, sizeof(svm_hypervisor));
	make_vmcb(ram);
	set_control(vcpu, 0, EFER_SVME);
	vm64_set_msr(vcpu, MSR_HSAVE_PA, HSAVE);
}

/* ---- Intel ---- */

#define VMXON		0xa000
#define VMCS		0xb000
#define FIELDS		0xc000			/* pairs of field and value, the last 0 */
#define POINTERS	0xd000			/* to VMXON, to VMCS */
#define CR4_VMXE	0x2000

#define MSR_FEATURE_CONTROL	0x3a
#define MSR_VMX_BASIC		0x480
#define MSR_VMX_TRUE_PIN	0x48d
#define MSR_VMX_TRUE_PROC	0x48e
#define MSR_VMX_TRUE_EXIT	0x48f
#define MSR_VMX_TRUE_ENTRY	0x490
#define LONG_MODE		(1u << 9)	/* of the host after exit, the guest at entry */

static const uint8_t vmx_hypervisor[] = {
	0xf3, 0x0f, 0xc7, 0x34, 0x25, 0x00, 0xd0, 0x00, 0x00,	/* vmxon [POINTERS] */
	0x66, 0x0f, 0xc7, 0x34, 0x25, 0x08, 0xd0, 0x00, 0x00,	/* vmclear [POINTERS + 8] */
	0x0f, 0xc7, 0x34, 0x25, 0x08, 0xd0, 0x00, 0x00,		/* vmptrld [POINTERS + 8] */
	0xbb, 0x00, 0xc0, 0x00, 0x00,		/* mov ebx, FIELDS */
	0x48, 0x8b, 0x03,			/* next: mov rax, [rbx] */
	0x48, 0x85, 0xc0,			/* test rax, rax */
	0x74, 0x0d,				/* jz launch */
	0x48, 0x8b, 0x4b, 0x08,			/* mov rcx, [rbx + 8] */
	0x0f, 0x79, 0xc1,			/* vmwrite rax, rcx */
	0x48, 0x83, 0xc3, 0x10,			/* add rbx, 16 */
	0xeb, 0xeb,				/* jmp next */
	0x0f, 0x01, 0xc2,			/* launch: vmlaunch */
	0xf4,					/* hlt */
};

/* What is not here is 0. */
static const struct {
	uint64_t field, value;
} vmcs_fields[] = {
	/* selectors, limits and access rights of ES, CS, SS, DS, FS, GS, LDTR, TR */
	{ 0x800, 16 }, { 0x802, 8 }, { 0x804, 16 }, { 0x806, 16 }, { 0x808, 16 }, { 0x80a, 16 },
	{ 0x80e, 24 },
	{ 0x4800, 0xffffffff }, { 0x4802, 0xffffffff }, { 0x4804, 0xffffffff },
	{ 0x4806, 0xffffffff }, { 0x4808, 0xffffffff }, { 0x480a, 0xffffffff }, { 0x480e, 0x67 },
	{ 0x4814, 0xc093 }, { 0x4816, 0xa09b }, { 0x4818, 0xc093 }, { 0x481a, 0xc093 },
	{ 0x481c, 0xc093 }, { 0x481e, 0xc093 }, { 0x4820, 0x10000 }, { 0x4822, 0x8b },
	{ 0x2800, ~0ull },			/* no linked VMCS */
	{ 0x6800, VM64_CR0 }, { 0x6802, VM64_CR3_NESTED }, { 0x6804, VM64_CR4 | CR4_VMXE },
	{ 0x681a, 0x400 }, { 0x681c, VM64_STACK }, { 0x681e, NESTED_CODE }, { 0x6820, 2 },
	/* the host's, to which the guest never comes back: it would halt */
	{ 0xc00, 16 }, { 0xc02, 8 }, { 0xc04, 16 }, { 0xc06, 16 }, { 0xc08, 16 }, { 0xc0a, 16 },
	{ 0xc0c, 24 },
	{ 0x6c00, VM64_CR0 }, { 0x6c02, VM64_CR3_A }, { 0x6c04, VM64_CR4 | CR4_VMXE },
	{ 0x6c14, VM64_STACK }, { 0x6c16, VM64_CODE + sizeof(vmx_hypervisor) - 1 },
};

/* What KVM gives guests of VMX. */
static uint64_t feature_msr(int kvm, uint32_t index)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = { { .nmsrs = 1 }, { .index = index } };

	if (ioctl(kvm, KVM_GET_MSRS, &msr) != 1)
		err(1, "feature MSR %#x: kvm_intel with nested=0?", index);
	return msr.entry.data;
}

static uint64_t put_field(uint8_t *ram, uint64_t at, uint64_t field, uint64_t value)
{
	vm64_put64(ram, at, field);
	vm64_put64(ram, at + 8, value);
	return at + 16;
}

/* The controls are those that must be set, and long mode. */
static void make_fields(uint8_t *ram, int kvm)
{
	uint64_t at = FIELDS;

	for (unsigned int i = 0; i < sizeof(vmcs_fields) / sizeof(vmcs_fields[0]); i++)
		at = put_field(ram, at, vmcs_fields[i].field, vmcs_fields[i].value);
	at = put_field(ram, at, 0x4000, (uint32_t)feature_msr(kvm, MSR_VMX_TRUE_PIN));
	at = put_field(ram, at, 0x4002, (uint32_t)feature_msr(kvm, MSR_VMX_TRUE_PROC));
	at = put_field(ram, at, 0x400c, (uint32_t)feature_msr(kvm, MSR_VMX_TRUE_EXIT) | LONG_MODE);
	put_field(ram, at, 0x4012, (uint32_t)feature_msr(kvm, MSR_VMX_TRUE_ENTRY) | LONG_MODE);
}

static void prepare_vmx(uint8_t *ram, int kvm, int vcpu)
{
	uint32_t revision = feature_msr(kvm, MSR_VMX_BASIC) & 0x7fffffff;

	memcpy(ram + VM64_CODE, vmx_hypervisor, sizeof(vmx_hypervisor));
	vm64_put32(ram, VMXON, revision);
	vm64_put32(ram, VMCS, revision);
	vm64_put64(ram, POINTERS, VMXON);
	vm64_put64(ram, POINTERS + 8, VMCS);
	make_fields(ram, kvm);
	set_control(vcpu, CR4_VMXE, 0);
	vm64_set_msr(vcpu, MSR_FEATURE_CONTROL, 5);	/* locked, VMX on */
}

void nested_prepare(uint8_t *ram, int kvm, int vcpu)
{
	memcpy(ram + NESTED_CODE, nested_code, sizeof(nested_code));
	if (!access("/sys/module/kvm_intel", F_OK))
		prepare_vmx(ram, kvm, vcpu);
	else
		prepare_svm(ram, vcpu);
}
