// SPDX-License-Identifier: GPL-2.0-or-later
#include "tinyvm.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

const uint8_t tiny_exits[6] = { 0x0f, 0xa2, 0xe6, 0x10, 0xeb, 0xfa };

int tiny_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = ioctl(kvm, KVM_CREATE_VM, 0);

	if (vm < 0)
		err(1, "cannot make a VM");
	close(kvm);
	return vm;
}

void *tiny_ram(size_t size, int map_flags)
{
	void *ram = mmap(NULL, size, PROT_READ | PROT_WRITE, map_flags | MAP_ANONYMOUS, -1, 0);

	if (ram == MAP_FAILED)
		err(1, "cannot map a VM's memory");
	return ram;
}

void tiny_slot(int vm, int slot, uint64_t gpa, uint64_t size, void *at)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot, .guest_phys_addr = gpa, .memory_size = size,
		.userspace_addr = (uintptr_t)at,
	};

	if (ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		err(1, "memory slot %d", slot);
}

uint8_t *tiny_ram_with(int vm, size_t size, const void *code, size_t code_size)
{
	uint8_t *ram = tiny_ram(size, MAP_SHARED);

	memcpy(ram + TINY_CODE, code, code_size);
	tiny_slot(vm, 0, 0, size, ram);
	return ram;
}

struct kvm_sregs tiny_sregs(int vcpu)
{
	struct kvm_sregs sregs;

	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		err(1, "cannot read a vCPU's registers");
	return sregs;
}

void tiny_set_sregs(int vcpu, const struct kvm_sregs *sregs)
{
	if (ioctl(vcpu, KVM_SET_SREGS, sregs))
		err(1, "cannot set a vCPU's registers");
}

int tiny_vcpu(int vm, int index, const struct kvm_regs *regs)
{
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, index);
	struct kvm_sregs sregs;

	if (vcpu < 0)
		err(1, "cannot make vCPU %d", index);
	sregs = tiny_sregs(vcpu);
	sregs.cs.base = sregs.cs.selector = 0;
	tiny_set_sregs(vcpu, &sregs);
	if (ioctl(vcpu, KVM_SET_REGS, regs))
		err(1, "cannot set the registers of vCPU %d", index);
	return vcpu;
}

int tiny_vcpu_at_code(int vm, int index)
{
	return tiny_vcpu(vm, index, &(struct kvm_regs){ .rip = TINY_CODE, .rflags = 2, .rsp = 0x8000 });
}

struct kvm_run *tiny_map_run(int vcpu)
{
	struct kvm_run *run = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);

	if (run == MAP_FAILED)
		err(1, "kvm_run");
	return run;
}

noreturn void tiny_run(int vcpu, unsigned rest_us)
{
	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0) && errno != EINTR)
			err(1, "KVM_RUN");
		usleep(rest_us);
	}
}
