// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * exits: a VMM whose guest does nothing but exit, and what an exit costs.
 *
 * exits COUNT REPEATS [msr]: prints the smallest number of TSC ticks per exit over
 * REPEATS runs of COUNT exits each.  Under the emulator's instruction counter
 * (-icount shift=0) a tick is an instruction of the host, and runs differ by what
 * interrupts them alone: the smallest is the one to compare.
 *
 * The guest executes cpuid, or writes to an MSR that KVM takes and forgets.  KVM
 * handles both by itself, so that no exit reaches this program but the last of a run.
 */
#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <x86intrin.h>

#include "../../lab/tinyvm.h"

#define RAM 65536

#define CPUID 0xa2
#define WRMSR 0x30
#define UCODE_WRITE 0x79	/* the MSR */

/* 16-bit code: mov esi, COUNT; then what exits until esi is 0; out; all again. */
static void write_code(uint8_t *at, uint32_t count, uint8_t what)
{
	const uint8_t rest[] = {
		0x66, 0x31, 0xc0,	/* again: xor eax, eax */
		0x0f, what,		/* cpuid or wrmsr */
		0x66, 0x4e,		/* dec esi */
		0x75, 0xf7,		/* jnz again */
		0xe6, 0x10,		/* out 0x10, al */
		0xeb, 0xed,		/* jmp to the beginning */
	};

	*at++ = 0x66;
	*at++ = 0xbe;			/* mov esi, imm32 */
	memcpy(at, &count, sizeof(count));
	memcpy(at + sizeof(count), rest, sizeof(rest));
}

static int make_vcpu(uint32_t count, uint8_t what)
{
	int vm = tiny_vm();
	uint8_t *ram = tiny_ram(RAM, MAP_SHARED | MAP_POPULATE);

	write_code(ram + TINY_CODE, count, what);
	tiny_slot(vm, 0, 0, RAM, ram);
	return tiny_vcpu(vm, 0, &(struct kvm_regs){ .rip = TINY_CODE, .rflags = 2, .rcx = UCODE_WRITE });
}

static uint64_t run_once(int vcpu, const struct kvm_run *run)
{
	uint64_t before, after;

	_mm_lfence();
	before = __rdtsc();
	if (ioctl(vcpu, KVM_RUN, 0))
		err(1, "KVM_RUN");
	_mm_lfence();
	after = __rdtsc();
	if (run->exit_reason != KVM_EXIT_IO)
		errx(1, "the guest ended with exit reason %u", run->exit_reason);
	return after - before;
}

int main(int argc, char **argv)
{
	bool msr = argc == 4 && !strcmp(argv[3], "msr");
	uint32_t count = argc == 3 || msr ? strtoul(argv[1], NULL, 0) : 0;
	unsigned long repeats = argc == 3 || msr ? strtoul(argv[2], NULL, 0) : 0;
	uint64_t least = UINT64_MAX;
	struct kvm_run *run;
	int vcpu;

	if (!count || !repeats)
		errx(2, "usage: exits COUNT REPEATS [msr]");
	vcpu = make_vcpu(count, msr ? WRMSR : CPUID);
	run = tiny_map_run(vcpu);
	run_once(vcpu, run);	/* to warm up: the first run is not counted */
	while (repeats--) {
		uint64_t ticks = run_once(vcpu, run);

		least = ticks < least ? ticks : least;
	}
	printf("%.3f\n", (double)least / count);
	return 0;
}
