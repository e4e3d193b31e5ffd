// SPDX-License-Identifier: GPL-2.0-or-later
/* vm: a VMM whose guest exits for ever. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
	static const uint8_t code[] = { 0x0f, 0xa2, 0xe6, 0x10, 0xeb, 0xfa };	/* cpuid; out; again */
	int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu;
	uint8_t *ram = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = { .memory_size = 65536, .userspace_addr = (uintptr_t)ram };
	struct kvm_regs regs = { .rip = 0x1000, .rflags = 2 };
	struct kvm_sregs sregs;

	if (ram == MAP_FAILED || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		err(1, "memory");
	memcpy(ram + 0x1000, code, sizeof(code));
	vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (ioctl(vcpu, KVM_GET_SREGS, &sregs))
		err(1, "vCPU");
	sregs.cs.base = sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
		err(1, "registers");
	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0) && errno != EINTR)
			err(1, "KVM_RUN");
		usleep(1000);
	}
}
