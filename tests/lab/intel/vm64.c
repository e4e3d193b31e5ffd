// SPDX-License-Identifier: GPL-2.0-or-later
#include "vm64.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "nested.h"

#define MSR_LSTAR	0xc0000082
#define MSR_KERNEL_GS	0xc0000102

static const uint8_t code[] = {
	0xb8, 0x00, 0x20, 0x00, 0x00,			/* again: mov eax, CR3_A */
	0x0f, 0x22, 0xd8,				/* mov cr3, rax */
	0x31, 0xc0, 0x0f, 0xa2,				/* xor eax, eax; cpuid */
	0xb8, 0x00, 0x60, 0x00, 0x00,			/* mov eax, CR3_B */
	0x0f, 0x22, 0xd8,				/* mov cr3, rax */
	0x31, 0xc0, 0x0f, 0xa2,				/* xor eax, eax; cpuid */
	0x48, 0xff, 0x04, 0x25, 0x00, 0x90, 0x00, 0x00,	/* inc qword [rounds] */
	0x83, 0x3c, 0x25, 0x08, 0x90, 0x00, 0x00, 0x00,	/* cmp dword [set_lstar], 0 */
	0x74, 0x29,					/* je out */
	0xb9, 0x82, 0x00, 0x00, 0xc0,			/* mov ecx, MSR_LSTAR */
	0x8b, 0x04, 0x25, 0x10, 0x90, 0x00, 0x00,	/* mov eax, [lstar] */
	0x8b, 0x14, 0x25, 0x14, 0x90, 0x00, 0x00,	/* mov edx, [lstar + 4] */
	0x0f, 0x30,					/* wrmsr */
	0x0f, 0x20, 0xe0,				/* mov rax, cr4 */
	0x83, 0xf0, 0x10,				/* xor eax, CR4_PSE */
	0x0f, 0x22, 0xe0,				/* mov cr4, rax */
	0xc7, 0x04, 0x25, 0x08, 0x90, 0x00, 0x00, 0, 0, 0, 0,	/* mov dword [set_lstar], 0 */
	0xe6, 0x10,					/* out: out 0x10, al */
	0xeb, 0xa9,					/* jmp again */
};

uint8_t *vm64_ram(void)
{
	uint8_t *ram = mmap(NULL, VM64_RAM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (ram == MAP_FAILED)
		err(1, "memory");
	return ram;
}

void vm64_put64(uint8_t *ram, uint64_t gpa, uint64_t value)
{
	memcpy(ram + gpa, &value, sizeof(value));
}

void vm64_put32(uint8_t *ram, uint64_t gpa, uint32_t value)
{
	memcpy(ram + gpa, &value, sizeof(value));
}

/* The first 2 MiB as they are. */
static void make_page_tables(uint8_t *ram)
{
	vm64_put64(ram, VM64_CR3_A, 0x3003);
	vm64_put64(ram, VM64_CR3_B, 0x3003);
	vm64_put64(ram, VM64_CR3_NESTED, 0x3003);
	vm64_put64(ram, 0x3000, VM64_TABLE | 3);
	vm64_put64(ram, VM64_TABLE, 0x83);
}

static void set_cpuid(int kvm, int vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[200];
	} cpuid = { .head.nent = 200 };

	if (ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid) || ioctl(vcpu, KVM_SET_CPUID2, &cpuid))
		err(1, "CPUID");
}

void vm64_set_msr(int vcpu, uint32_t index, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = { { .nmsrs = 1 }, { .index = index, .data = value } };

	if (ioctl(vcpu, KVM_SET_MSRS, &msr) != 1)
		err(1, "MSR %#x", index);
}

static void set_registers(int vcpu)
{
	struct kvm_segment cs = { .limit = 0xffffffff, .selector = 8, .type = 11, .present = 1,
				  .s = 1, .l = 1, .g = 1 };
	struct kvm_segment data = { .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1,
				    .s = 1, .db = 1, .g = 1 };
	struct kvm_regs regs = { .rip = VM64_CODE, .rflags = 2, .rsp = VM64_STACK };
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		err(1, "KVM_GET_SREGS");
	sregs.cs = cs;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.gs.base = VM64_GS_BASE;
	sregs.idt.base = VM64_IDTR;
	sregs.idt.limit = 0xfff;
	sregs.cr0 = VM64_CR0;
	sregs.cr3 = VM64_CR3_A;
	sregs.cr4 = VM64_CR4;
	sregs.efer = VM64_EFER;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
		err(1, "registers");
	vm64_set_msr(vcpu, MSR_LSTAR, VM64_LSTAR);
	vm64_set_msr(vcpu, MSR_KERNEL_GS, VM64_KERNEL_GS);
}

void vm64_run(uint8_t *ram, bool nested)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu;
	struct kvm_userspace_memory_region region = {
		.memory_size = VM64_RAM, .userspace_addr = (uintptr_t)ram,
	};
	struct kvm_run *run;

	make_page_tables(ram);
	memcpy(ram + VM64_CODE, code, sizeof(code));
	if (vm < 0 || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		err(1, "VM");
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	run = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	if (vcpu < 0 || run == MAP_FAILED)
		err(1, "vCPU");
	set_cpuid(kvm, vcpu);
	set_registers(vcpu);
	if (nested)
		nested_prepare(ram, vcpu);
	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0) && errno != EINTR)
			err(1, "KVM_RUN");
		if (run->exit_reason != KVM_EXIT_IO && run->exit_reason != KVM_EXIT_INTR)
			errx(1, "exit %u", run->exit_reason);
		usleep(1000);
	}
}

struct vm64 vm64_start(bool nested)
{
	return vm64_start_after(NULL, nested);
}

struct vm64 vm64_start_after(void (*first)(void), bool nested)
{
	struct vm64 vm = { .ram = vm64_ram() };

	vm.mailbox = (volatile struct vm64_mailbox *)(vm.ram + VM64_MAILBOX);
	vm.pid = fork();
	if (vm.pid == 0) {
		if (first)
			first();
		vm64_run(vm.ram, nested);
	}
	for (int i = 0; i < 1000 && vm.mailbox->rounds < 3; i++)
		usleep(10000);
	return vm;
}

void vm64_end(struct vm64 *vm)
{
	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
	munmap(vm->ram, VM64_RAM);
}
