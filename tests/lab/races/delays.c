// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delays for the module's races, linked into it by `build-module SERIES-races` alone:
 * the compiler puts a call at the start of each basic block, and one call in 64 waits.
 * An emulated CPU that pauses gives its turn to the others, so that they come in
 * between any two blocks of the module's, however short the window is.
 */
#include <asm/msr.h>
#include <asm/processor.h>
#include <linux/compiler.h>

void __sanitizer_cov_trace_pc(void);

notrace void __sanitizer_cov_trace_pc(void)
{
	u32 dice = (u32)rdtsc() * 0x9e3779b1u;

	if (dice >> 26)
		return;
	for (u32 n = dice >> 20 & 63; n; n--)
		cpu_relax();
}
