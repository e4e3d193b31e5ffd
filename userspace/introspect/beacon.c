// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/beacon.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "introspect/find.h"
#include "lib/util.h"
#include "warden/wire.h"

#define BUDGET_MS 5000u
#define ATTEMPTS 3
#define USER_END (1ull << 56)		/* of five levels */

_Static_assert(WIRE_NONCE == HASH_BYTES, "one nonce, two names");

static void say(struct m_beacon_seen *seen, enum beacon_state state, const char *why)
{
	seen->state = state;
	snprintf(seen->why, sizeof(seen->why), "%s", why);
}

static bool possible(uint64_t gva)
{
	return gva && !(gva & FRAME_MASK) && gva < USER_END;
}

/* The page may be moved to another frame meanwhile: then once more, with fresh tables. */
static int read_page(struct introspector *in, const struct task *t, uint64_t gva,
		     struct wire_beacon *ret_page)
{
	const struct address_space as = task_space(&in->kernel, t);
	int r = -EFAULT;

	for (int i = 0; i < ATTEMPTS && r; i++) {
		memory_refresh(in->mem);
		r = virt_read(&as, gva, ret_page, sizeof(*ret_page));
	}
	return r;
}

static bool holds(const struct wire_beacon *page, const uint8_t *nonce)
{
	return memcmp(page->magic, WIRE_BEACON_MAGIC, sizeof(page->magic)) == 0 &&
	       sodium_memcmp(page->nonce, nonce, sizeof(page->nonce)) == 0;
}

static const char *read_problem(const struct introspector *in, int error)
{
	if (in->mem->expired)
		return find_problem(-ETIME);
	switch (error) {
	case -EFAULT:
		return "nothing is mapped at that address of the process";
	case -ENODATA:
		return "the page is not resident in the VMM";
	case -ENODEV:
		return find_problem(-ENODEV);
	default:
		return "the process's page tables do not lead to memory";
	}
}

static void look_in(struct introspector *in, const struct task *t, const struct m_beacon *beacon,
		    struct m_beacon_seen *seen)
{
	struct wire_beacon page;
	int r;

	if (!t->pgd) {
		say(seen, BEACON_UNKNOWN, "the process has no memory: it is the kernel's, or ending");
		return;
	}
	r = read_page(in, t, beacon->gva, &page);
	if (r)
		say(seen, BEACON_UNKNOWN, read_problem(in, r));
	else if (holds(&page, beacon->nonce))
		say(seen, BEACON_THERE, "");
	else
		say(seen, BEACON_ABSENT, "that memory holds something else");
}

void beacon_look(struct introspector *in, const struct m_beacon *beacon,
		 struct m_beacon_seen *ret_seen)
{
	struct task t;
	int r;

	if (!possible(beacon->gva)) {
		say(ret_seen, BEACON_ABSENT, "no process can have a page at that address");
		return;
	}
	memory_set_budget(in->mem, BUDGET_MS);
	r = find_process(in, beacon->pid, 0, &t);
	if (!r)
		look_in(in, &t, beacon, ret_seen);
	else if (r == -ENOENT)
		say(ret_seen, BEACON_ABSENT, "no process has that pid");
	else
		say(ret_seen, BEACON_UNKNOWN, find_problem(r));
}
