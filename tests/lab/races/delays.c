// SPDX-License-Identifier: GPL-2.0-only
/*
 * Delays for the module's races, linked into it by `build-module SERIES-races` alone:
 * the compiler puts a call at the start of each basic block, and one call in 256 waits.
 * An emulated CPU that pauses gives its turn to the other, for up to 100 ms, which comes
 * in between any two blocks of the module's so, however short the window is.
 */
#include <asm/msr.h>
#include <asm/processor.h>
#include <asm/tsc.h>
#include <linux/compiler.h>

void __sanitizer_cov_trace_pc(void);

notrace void __sanitizer_cov_trace_pc(void)
{
	if ((u32)rdtsc() * 0x9e3779b1u >> 24 == 0)
		cpu_relax();
}
