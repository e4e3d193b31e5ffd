// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/usage.h"

#include <string.h>

#include "introspect/lists.h"
#include "lib/util.h"

#define MAX_THREADS 65536u
#define MAX_CPUS 512u			/* beyond it a sum over CPUs is left out */

/* enum of mm counters: file pages, anonymous ones, swap entries, shared ones. */
static const unsigned resident[] = { 0, 1, 3 }, swapped = 2;

struct sum {
	const struct kernel *k;
	struct usage *u;
};

static int add_thread(void *ctx, uint64_t node)
{
	struct sum *s = ctx;
	uint64_t ns, task = node - s->k->at.task_struct_thread_node.at;

	s->u->threads++;
	if (!kernel_member(s->k, task, s->k->at.task_struct_runtime, &ns))
		s->u->cpu_ns += ns;
	return 0;
}

/* A percpu_counter: a count, and what each CPU has not yet added to it. */
static int64_t read_counter(const struct kernel *k, uint64_t at)
{
	const struct symbol *s = k->symbol;
	uint64_t count = 0, each = 0, offset;
	uint32_t cpus = 0;

	if (kernel_member(k, at, k->at.percpu_counter_count, &count) ||
	    kernel_member(k, at, k->at.percpu_counter_counters, &each) ||
	    !s[SYM_PER_CPU_OFFSET].address || !s[SYM_NR_CPU_IDS].address ||
	    virt_read(&k->as, s[SYM_NR_CPU_IDS].address, &cpus, sizeof(cpus)) || cpus > MAX_CPUS)
		return count;
	for (uint32_t cpu = 0; cpu < cpus; cpu++) {
		int32_t part;

		if (!virt_read_u64(&k->as, s[SYM_PER_CPU_OFFSET].address + 8 * cpu, &offset) &&
		    !virt_read(&k->as, offset + each, &part, sizeof(part)))
			count += part;
	}
	return count;
}

/* It is below 0 now and then: a sum that lags. */
static uint64_t read_pages(const struct kernel *k, uint64_t mm, unsigned n)
{
	const struct layout *at = &k->at;
	int64_t pages = 0;
	uint64_t count;

	if (at->mm_struct_rss_count.size) {
		if (!kernel_member(k, mm, (struct field){ at->mm_struct_rss_count.at + 8 * n, 8 }, &count))
			pages = count;
	} else if (at->mm_struct_rss_stat.size && at->percpu_counter_size.size) {
		pages = read_counter(k, mm + at->mm_struct_rss_stat.at + n * at->percpu_counter_size.size);
	}
	return MAX(pages, (int64_t)0);
}

void usage_read(const struct kernel *k, const struct task *t, struct usage *ret_usage)
{
	struct sum s = { k, ret_usage };
	uint64_t signal;

	memset(ret_usage, 0, sizeof(*ret_usage));
	if (!kernel_member(k, t->va, k->at.task_struct_signal, &signal)) {
		kernel_member(k, signal, k->at.signal_struct_sum_runtime, &ret_usage->cpu_ns);
		list_walk(k, signal + k->at.signal_struct_thread_head.at, MAX_THREADS, add_thread, &s);
	}
	if (!t->mm)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(resident); i++)
		ret_usage->rss_pages += read_pages(k, t->mm, resident[i]);
	ret_usage->swap_pages = read_pages(k, t->mm, swapped);
}
