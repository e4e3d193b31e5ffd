// SPDX-License-Identifier: GPL-2.0-or-later
/* When to discover the kernel of the guest, and when to do so again. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "introspect/look.h"
#include "lib/util.h"

#define SECOND 1000000000ull
#define RETRY_MIN_NS (SECOND / 5)
#define RETRY_COST 4			/* spend at most a fifth of the time looking */
#define PATIENCE_NS (180 * SECOND)
#define DISCOVERY_BUDGET_MS 60000u
#define REVALIDATE_ATTEMPTS 3

int introspector_init(struct introspector *in, struct guest_memory *mem)
{
	memset(in, 0, sizeof(*in));
	in->mem = mem;
	return objects_init(&in->objects, mem);
}

void introspector_free(struct introspector *in)
{
	objects_free(&in->objects);
	kernel_seen_free(in->kernel_seen);
	in->kernel_seen = NULL;
}

/* "Linux version 6.1.0-56-amd64 (...": the third word. */
static void release_of(const char *banner, char *out, size_t size)
{
	const char *at = banner + strlen("Linux version ");

	text_escape(out, size, at, strcspn(at, " \n"));
}

static void set_ready(struct introspector *in)
{
	const struct kernel *k = &in->kernel;

	in->state = (struct m_kernel){
		.state = KERNEL_READY,
		.text_base = k->text_base,
		.discovery_us = k->discovery_us,
	};
	release_of(k->banner, in->state.release, sizeof(in->state.release));
	text_escape(in->state.banner, sizeof(in->state.banner), k->banner,
		    strcspn(k->banner, "\n"));
	in->failing_since_ns = 0;
}

/*
 * Not yet: looking.  What will never work, and what has not worked for long
 * enough to boot, is unobservable; it is tried again all the same, because a
 * guest may boot another system.
 */
static void set_failed(struct introspector *in, enum discovery d, const char *why)
{
	uint64_t now = clock_now_ns();
	bool long_ago;

	if (!in->failing_since_ns)
		in->failing_since_ns = now;
	long_ago = now - in->failing_since_ns > PATIENCE_NS;
	in->state = (struct m_kernel){
		.state = d == DISCOVERY_NEVER || long_ago ?
			 KERNEL_UNOBSERVABLE : KERNEL_LOOKING,
	};
	snprintf(in->state.why, sizeof(in->state.why), "%s", why);
	in->retry_ns = now + MAX(RETRY_MIN_NS, in->kernel.discovery_us * 1000 * RETRY_COST);
}

static bool still_valid(struct introspector *in)
{
	/* Memory may have been plugged since. */
	int r = memory_update_ranges(in->mem);

	in->gone = in->gone || r == -ENODEV;
	r = -EFAULT;
	for (int i = 0; i < REVALIDATE_ATTEMPTS && r && !in->gone; i++) {
		memory_refresh(in->mem);
		r = kernel_revalidate(&in->kernel);
		if (r == -ENODEV)
			in->gone = true;
	}
	return r == 0;
}

/* ---- is it the same boot? ---- */

static struct boot boot_of(const struct kernel *k)
{
	const struct symbol *s = k->symbol;
	struct boot b = {
		.text_base = k->text_base, .text_end = s[SYM_ETEXT].address,
		.rodata = s[SYM_START_RODATA].address, .rodata_end = s[SYM_END_RODATA].address,
		.found_ns = k->found_ns,
	};

	if (s[SYM_BOOT_ID].address)
		virt_read(&k->as, s[SYM_BOOT_ID].address, b.id, sizeof(b.id));
	return b;
}

static bool has_id(const struct boot *b)
{
	static const uint8_t none[sizeof(b->id)];

	return memcmp(b->id, none, sizeof(none));
}

/* in->lost: nothing is the same of itself. */
static bool same_boot(const struct introspector *in, const struct boot *now)
{
	const struct boot *was = &in->boot;

	if (was->text_base != now->text_base || was->text_end != now->text_end ||
	    was->rodata != now->rodata || was->rodata_end != now->rodata_end)
		return false;
	if (has_id(was) && has_id(now))
		return !memcmp(was->id, now->id, sizeof(was->id));
	return !in->lost;
}

/* A changed byte anywhere is not to make a kernel forget what it was measured to be. */
static void settle_boot(struct introspector *in)
{
	struct boot now = boot_of(&in->kernel);

	if (same_boot(in, &now)) {
		now.found_ns = in->boot.found_ns;
		in->kernel.found_ns = now.found_ns;
	} else {
		in->seen_anew = in->kernel_seen != NULL;
		kernel_seen_free(in->kernel_seen);
		in->kernel_seen = NULL;
		memset(&in->passing, 0, sizeof(in->passing));
		memset(&in->passing_tasks, 0, sizeof(in->passing_tasks));
	}
	in->lost = false;
	in->boot = now;
}

static void discover(struct introspector *in)
{
	char why[WHY_SIZE];
	enum discovery d;

	memory_set_budget(in->mem, DISCOVERY_BUDGET_MS);
	memory_update_ranges(in->mem);
	d = kernel_discover(in->mem, &in->kernel, why);
	if (d == DISCOVERY_READY)
		set_ready(in);
	else
		set_failed(in, d, why);
	in->gone = in->gone || d == DISCOVERY_GONE;
}

bool introspector_ready(struct introspector *in, bool *ret_changed)
{
	struct m_kernel before = in->state;

	memory_set_budget(in->mem, LOOK_BUDGET_MS);
	if (in->state.state == KERNEL_READY && !still_valid(in)) {
		/* Another kernel, or none yet, or the same that has changed. */
		objects_forget(&in->objects);
		in->lost = true;
		in->state.state = 0;
		in->retry_ns = 0;
	}
	if (in->state.state != KERNEL_READY && !in->gone && clock_now_ns() >= in->retry_ns)
		discover(in);
	if (in->state.state == KERNEL_READY)
		settle_boot(in);
	*ret_changed = before.state != in->state.state || before.text_base != in->state.text_base ||
		       strcmp(before.why, in->state.why) || strcmp(before.banner, in->state.banner);
	return in->state.state == KERNEL_READY;
}
