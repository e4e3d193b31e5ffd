// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * midboot RAM MONITOR COMMANDS CONSOLE RELEASE ATTACHES: so many times, at random
 * moments between power-on and READY, an introspector that knows nothing looks at the
 * guest.  Each is right, or says why it knows no kernel yet: never another's data, and
 * never that there is none to be known.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "followed.h"
#include "introspect/known.h"

#define A_BOOT 4			/* attaches */
#define MOST_ATTACHES 256
#define MOST_SECONDS 600		/* of a boot */
#define TRIES 20			/* of a list that changes underfoot */

static struct testee t;
static const char *console, *release;
static uint64_t boot_ms;		/* of the first */
static unsigned boots;

static struct attach {
	uint64_t at_ms, text_base;	/* since power-on; of what was found, or 0 */
	unsigned tasks;
	bool wrong;
} attaches[MOST_ATTACHES];

static uint64_t now_ms(void)
{
	return clock_now_ns() / 1000000;
}

static void sleep_until(uint64_t ms)
{
	const uint64_t now = now_ms();

	if (ms > now)
		check_pause(ms - now);
}

static bool await_boot(void)
{
	const uint64_t end = now_ms() + MOST_SECONDS * 1000;

	while (console_says(console, "READY") < boots && now_ms() < end)
		check_pause(100);
	return console_says(console, "READY") >= boots;
}

/* ---- is what was found so? ---- */

/* Each is a task, the first is the boot CPU's, and no two have one pid. */
static bool holds_together(const struct task_list *list)
{
	static uint8_t seen[1 << 22];
	bool good = list->n && list->va[0] == t.in.kernel.symbol[SYM_INIT_TASK].address;
	struct task v;

	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; good && i < list->n; i++) {
		good = !task_read(&t.in.kernel, list->va[i], &v) && v.pid < sizeof(seen) && !seen[v.pid] &&
		       !v.pid == !i;
		if (good)
			seen[v.pid] = 1;
	}
	return good;
}

/* It changes meanwhile, as the guest runs. */
static unsigned count_tasks(void)
{
	unsigned n = 0;

	for (int i = 0; !n && i < TRIES; i++) {
		struct task_list list;

		if (i)
			check_pause(50);
		memory_refresh(&t.mem);
		memory_set_budget(&t.mem, 0);
		if (!task_list_read(&t.in.kernel, &list) && holds_together(&list))
			n = list.n;
		task_list_free(&list);
	}
	return n;
}

static bool is_right(const struct attach *a)
{
	const struct m_kernel *k = &t.in.state;

	return !strcmp(k->release, release) && strstr(k->banner, release) && a->tasks;
}

static void attach(const char *ram, struct attach *a)
{
	known_forget();
	if (testee_attach(&t, ram)) {
		a->text_base = t.in.state.text_base;
		a->tasks = count_tasks();
		a->wrong = !is_right(a);
		printf("# %5llu ms: %s at %llx, %u tasks\n", (unsigned long long)a->at_ms, t.in.state.release,
		       (unsigned long long)a->text_base, a->tasks);
	} else {
		a->wrong = t.in.state.state != KERNEL_LOOKING || !t.in.state.why[0];
		printf("# %5llu ms: %s%s\n", (unsigned long long)a->at_ms, a->wrong ? "never: " : "",
		       t.in.state.why);
	}
	fflush(stdout);
	testee_detach(&t);
}

/* ---- boots ---- */

/* What was found is that kernel, which is up now. */
static bool learn_truth(const char *ram, struct attach *first, unsigned n)
{
	bool good = false;

	for (int i = 0; !good && i < TRIES; i++) {
		good = testee_attach(&t, ram);
		for (unsigned k = 0; good && k < n; k++)
			first[k].wrong |= first[k].text_base && first[k].text_base != t.in.state.text_base;
		testee_detach(&t);
		check_pause(100);
	}
	return good;
}

static bool boot(const char *ram, struct attach *first, unsigned n)
{
	const uint64_t power_on = now_ms();

	testee_reset(&t);
	boots++;
	for (unsigned i = 0; i < n; i++) {
		sleep_until(power_on + first[i].at_ms);
		first[i].at_ms = now_ms() - power_on;
		attach(ram, &first[i]);
	}
	return await_boot() && learn_truth(ram, first, n);
}

/* At random within parts of a boot that are as long, each boot's as far apart as can be. */
static void choose_moments(unsigned n)
{
	const unsigned rows = (n + A_BOOT - 1) / A_BOOT;

	for (unsigned i = 0; i < n; i++) {
		const unsigned part = i % A_BOOT * rows + i / A_BOOT;

		attaches[i].at_ms = (boot_ms * part + randombytes_uniform(boot_ms)) / (rows * A_BOOT);
	}
}

static void tell(unsigned n)
{
	unsigned found = 0, right = 0;

	for (unsigned i = 0; i < n; i++) {
		found += attaches[i].text_base != 0;
		right += !attaches[i].wrong;
	}
	ok(right == n, "%u of %u attaches in %u boots of %llu ms are right: %u found the kernel, %u told why not",
	   right, n, boots, (unsigned long long)boot_ms, found, n - found);
	ok(found && found < n, "there were both");
}

int main(int argc, char **argv)
{
	unsigned n = argc == 7 ? atoi(argv[6]) : 0, good = 0, wanted = 0;
	int commands;

	if (!n || n > MOST_ATTACHES)
		return 2;
	console = argv[4];
	release = argv[5];
	testee_open(&t, argv[1], argv[2]);
	testee_detach(&t);
	commands = commands_open(argv[3]);
	boots = 1;
	ok(await_boot(), "the guest says READY");
	boot_ms = now_ms();
	ok(boot(argv[1], NULL, 0), "and again, after a reset");
	boot_ms = now_ms() - boot_ms;
	choose_moments(n);
	for (unsigned i = 0; i < n; i += A_BOOT, wanted++)
		good += boot(argv[1], &attaches[i], n - i < A_BOOT ? n - i : A_BOOT);
	ok(good == wanted, "%u of %u boots were found in the end", good, wanted);
	tell(n);
	commands_go(commands);
	return ok_done();
}
