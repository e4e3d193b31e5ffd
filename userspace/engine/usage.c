// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/usage.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/signs.h"
#include "lib/log.h"
#include "lib/util.h"

#define PERMILLE 1000u
#define LEAST_NS (NS_PER_S / 2)		/* between two samples */
#define MIB (1ull << 20)

/* A program by its path: a guest chooses paths, and with them whose history it shares. */
static struct program_usage *program_of(struct guest *g, const struct task *t)
{
	uint64_t key = g->inventory.seed | 1;
	struct program_usage *oldest = NULL;

	for (const char *c = t->exe[0] ? t->exe : t->comm; *c; c++)
		key = (key ^ (uint8_t)*c) * 0x100000001b3ull;
	for (unsigned i = 0; i < USAGE_PROGRAMS; i++) {
		struct program_usage *p = &g->programs[i];

		if (p->key == key && p->sweep)
			return p;
		if (!oldest || p->sweep < oldest->sweep)
			oldest = p;
	}
	*oldest = (struct program_usage){ .key = key, .sweep = g->counts.sweeps,
					  .sweep_began = g->sweep_began, .since = g->sweep_began };
	return oldest;
}

static const struct usage_rule *rule_for(const struct guest *g, bool cpu)
{
	const struct policy *p = &g->introspector.engine->policy;

	for (unsigned i = 0; i < p->nusage; i++) {
		const struct usage_rule *r = &p->usage[i];

		if ((cpu ? r->cpu_percent != 0 : r->memory_mib != 0) &&
		    (!r->guest[0] || !fnmatch(r->guest, g->name, 0)))
			return r;
	}
	return NULL;
}

/*
 * A half of what was known fades in about the rule's baseline time; a sweep may be less
 * than a ten-thousandth of it.
 */
static uint64_t fade(uint64_t average, uint64_t value, const struct usage_rule *r, uint64_t passed)
{
	const double ns = r ? r->baseline_s * (double)NS_PER_S : 0;

	if (!r)
		return average;
	return average + ((double)value - average) * MIN(passed, ns) / (2 * ns);
}

/*
 * A program has many processes: a master that rests and workers that do not, a database's
 * sessions.  What the largest of them used in a sweep is what counts for all, and is
 * learned once the sweep is over.  The time when none of it ran teaches nothing.
 */
static void learn(struct guest *g, struct program_usage *p, uint64_t cpu, uint64_t memory)
{
	if (p->sweep != g->counts.sweeps) {
		const uint64_t passed = p->sweep_began - p->since;

		p->cpu = fade(p->cpu, p->cpu_now, rule_for(g, true), passed);
		p->memory = fade(p->memory, p->memory_now, rule_for(g, false), passed);
		p->since = p->sweep + 1 == g->counts.sweeps ? p->sweep_began : g->sweep_began;
		p->sweep = g->counts.sweeps;
		p->sweep_began = g->sweep_began;
		p->cpu_now = p->memory_now = 0;
	}
	p->cpu_now = MAX(p->cpu_now, cpu);
	p->memory_now = MAX(p->memory_now, memory);
}

/*
 * What a process held when its guest was looked into first is its program's use so far: a
 * database that was large before is no finding when wardend starts.  Of CPU time there is
 * no such thing: a miner that came before us must not be taken for what is usual.
 */
static void begin_memory(struct guest *g, const struct task *t, uint64_t memory)
{
	struct program_usage *p;

	if (!g->usage_sweep)
		g->usage_sweep = g->counts.sweeps;
	if (g->usage_sweep != g->counts.sweeps)
		return;
	p = program_of(g, t);
	p->memory = MAX(p->memory, memory);
	learn(g, p, 0, memory);
}

static void tell(struct guest *g, const struct task *t, const char *name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void tell(struct guest *g, const struct task *t, const char *name, const char *format, ...)
{
	struct m_sign m = { .kind = SIGN_USAGE, .pid = t->pid, .start_ns = t->start_ns };
	va_list args;

	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.comm, sizeof(m.comm), "%s", t->comm);
	snprintf(m.exe, sizeof(m.exe), "%s", t->exe);
	snprintf(m.subject, sizeof(m.subject), "%s", t->exe[0] ? t->exe : t->comm);
	va_start(args, format);
	vsnprintf(m.detail, sizeof(m.detail), format, args);
	va_end(args);
	signs_found(g, &m);
}

/* since: above all the time from then on; 0: not.  True once that is long enough. */
static bool is_long(uint64_t *since, bool above, uint32_t seconds, uint64_t from, uint64_t now)
{
	if (!above) {
		*since = 0;
		return false;
	}
	if (!*since)
		*since = from;
	return now - *since >= seconds * NS_PER_S;
}

static void judge_cpu(struct guest *g, struct task *t, const struct program_usage *p,
		      uint64_t permille, uint64_t from, uint64_t now)
{
	const struct usage_rule *r = rule_for(g, true);
	bool above = r && permille >= r->cpu_percent * 10ull && permille * PERMILLE >= 2 * p->cpu;

	if (!r || !is_long(&t->cpu_since, above, r->seconds, from, now))
		return;
	tell(g, t, "Usage.CPU", "abnormal CPU use: process %u (%s) has used %llu%% of a CPU or more"
	     " for %llu s without a break; rule %s: %u%% for %u s; its program's average here was"
	     " %llu%%", t->pid, t->comm, (unsigned long long)r->cpu_percent,
	     (unsigned long long)((now - t->cpu_since) / NS_PER_S), r->name, r->cpu_percent,
	     r->seconds, (unsigned long long)p->cpu / PERMILLE / 10);
	t->cpu_told = true;
}

static void judge_memory(struct guest *g, struct task *t, const struct program_usage *p,
			 uint64_t bytes, uint64_t now)
{
	const struct usage_rule *r = rule_for(g, false);
	bool above = r && bytes >= r->memory_mib * MIB && bytes >= 2 * p->memory;

	/* What it held before this sample is not known to be as much. */
	if (!r || !is_long(&t->memory_since, above, r->seconds, now, now))
		return;
	tell(g, t, "Usage.Memory", "abnormal memory use: process %u (%s) has held %u MiB or more for"
	     " %llu s; rule %s: %u MiB for %u s; its program's average here was %llu MiB", t->pid,
	     t->comm, r->memory_mib, (unsigned long long)((now - t->memory_since) / NS_PER_S),
	     r->name, r->memory_mib, r->seconds, (unsigned long long)(p->memory / MIB));
	t->memory_told = true;
}

void usage_sample(struct guest *g, struct task *t, const struct m_task *m, uint64_t now)
{
	const struct policy *policy = &g->introspector.engine->policy;
	uint64_t from = t->sampled, spent = m->cpu_ns - t->cpu_ns, permille;
	struct program_usage *p;

	if (!policy->nusage || m->flags & TASK_KTHREAD)
		return;
	if (from && now - from < LEAST_NS)
		return;
	t->sampled = now;
	t->cpu_ns = m->cpu_ns;
	/* The first sample of a process is where the count begins. */
	if (!from)
		begin_memory(g, t, m->rss_bytes);
	if (!from || m->cpu_ns < spent)
		return;
	permille = spent * PERMILLE / (now - from);
	p = program_of(g, t);
	if (!t->cpu_told)
		judge_cpu(g, t, p, permille, from, now);
	if (!t->memory_told)
		judge_memory(g, t, p, m->rss_bytes, now);
	learn(g, p, permille * PERMILLE, m->rss_bytes);
}
