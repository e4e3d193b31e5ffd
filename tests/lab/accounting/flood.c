// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flood -name guest=NAME VCPUS PAUSE_US: a VMM whose guest shows an address space
 * never seen before at each exit, on each of its vCPUs, and rests after each for
 * so long (0: never).
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define RAM 65536
#define CODE 0x1000

/* 16-bit, paging off: nothing but the register changes. */
static const uint8_t code[] = {
	0x66, 0x81, 0xc6, 0x00, 0x10, 0x00, 0x00,	/* add esi, 0x1000 */
	0x0f, 0x22, 0xde,				/* mov cr3, esi */
	0x0f, 0xa2,					/* cpuid */
	0x66, 0x85, 0xed,				/* test ebp, ebp */
	0x74, 0x02,					/* jz over */
	0xe6, 0x10,					/* out 0x10, al: to the VMM */
	0xeb, 0xeb,					/* again */
};

static unsigned pause_us;

static void *run(void *arg)
{
	int vcpu = (intptr_t)arg;

	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0) && errno != EINTR)
			err(1, "KVM_RUN");
		usleep(pause_us);
	}
	return NULL;
}

static int make_vcpu(int vm, unsigned long i)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2, .rsi = i << 28, .rbp = pause_us };
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, i);
	struct kvm_sregs sregs;

	if (vcpu < 0 || ioctl(vcpu, KVM_GET_SREGS, &sregs))
		err(1, "vCPU");
	sregs.cs.base = sregs.cs.selector = 0;
	if (ioctl(vcpu, KVM_SET_SREGS, &sregs) || ioctl(vcpu, KVM_SET_REGS, &regs))
		err(1, "registers");
	return vcpu;
}

static void map_vcpu(int kvm, int vcpu)
{
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0) == MAP_FAILED)
		err(1, "kvm_run");
}

int main(int argc, char **argv)
{
	int kvm = open("/dev/kvm", O_RDWR), vm = ioctl(kvm, KVM_CREATE_VM, 0);
	uint8_t *ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	struct kvm_userspace_memory_region region = { .memory_size = RAM, .userspace_addr = (uintptr_t)ram };
	unsigned vcpus;
	pthread_t thread;

	if (argc != 5)
		errx(2, "usage: flood -name guest=NAME VCPUS PAUSE_US");
	vcpus = strtoul(argv[3], NULL, 10);
	pause_us = strtoul(argv[4], NULL, 10);
	if (ram == MAP_FAILED || ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region))
		err(1, "memory");
	memcpy(ram + CODE, code, sizeof(code));
	for (unsigned i = 0; i < vcpus; i++) {
		int vcpu = make_vcpu(vm, i);

		map_vcpu(kvm, vcpu);
		if (pthread_create(&thread, NULL, run, (void *)(intptr_t)vcpu))
			errx(1, "no thread");
	}
	pthread_join(thread, NULL);
	return 0;
}
