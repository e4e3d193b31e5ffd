// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flood -name guest=NAME VCPUS PAUSE_US: a VMM whose guest shows an address space
 * never seen before at each exit, on each of its vCPUs, and rests after each for
 * so long (0: never).
 */
#include <err.h>
#include <pthread.h>
#include <stdlib.h>

#include "../tinyvm.h"

#define RAM 65536

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
	tiny_run((intptr_t)arg, pause_us);
}

int main(int argc, char **argv)
{
	int vm = tiny_vm();
	unsigned vcpus;
	pthread_t thread;

	if (argc != 5)
		errx(2, "usage: flood -name guest=NAME VCPUS PAUSE_US");
	vcpus = strtoul(argv[3], NULL, 10);
	pause_us = strtoul(argv[4], NULL, 10);
	tiny_ram_with(vm, RAM, code, sizeof(code));
	for (unsigned i = 0; i < vcpus; i++) {
		int vcpu = tiny_vcpu(vm, i, &(struct kvm_regs){
			.rip = TINY_CODE, .rflags = 2, .rsi = (uint64_t)i << 28, .rbp = pause_us,
		});

		tiny_map_run(vcpu);
		if (pthread_create(&thread, NULL, run, (void *)(intptr_t)vcpu))
			errx(1, "no thread");
	}
	pthread_join(thread, NULL);
	return 0;
}
