// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * msr: a VMM whose guest exits for ever; each line on standard input, a number in
 * hexadecimal, has it write 0 to that MSR from then on, each time.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../tinyvm.h"

#define MSR_AT 0x2000

/* 16-bit code; the MSR is at MSR_AT. */
static const uint8_t code[] = {
	0x0f, 0xa2,					/* again: cpuid */
	0x66, 0x8b, 0x0e, MSR_AT & 0xff, MSR_AT >> 8,	/* mov ecx, [MSR_AT] */
	0x66, 0x31, 0xc0,				/* xor eax, eax */
	0x66, 0x31, 0xd2,				/* xor edx, edx */
	0x66, 0x85, 0xc9,				/* test ecx, ecx */
	0x74, 0x02,					/* jz over */
	0x0f, 0x30,					/* wrmsr */
	0xe6, 0x10,					/* over: out 0x10, al */
	0xeb, 0xe8,					/* jmp again */
};

static void *run(void *arg)
{
	tiny_run(*(int *)arg, 1000);
}

int main(void)
{
	int vm = tiny_vm(), vcpu = tiny_vcpu_at_code(vm, 0);
	uint8_t *ram = tiny_ram_with(vm, 65536, code, sizeof(code));
	pthread_t thread;
	char line[64];

	pthread_create(&thread, NULL, run, &vcpu);
	while (fgets(line, sizeof(line), stdin)) {
		uint32_t msr = strtoul(line, NULL, 16);

		memcpy(ram + MSR_AT, &msr, sizeof(msr));
	}
	return 0;
}
