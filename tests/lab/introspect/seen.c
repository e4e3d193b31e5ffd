// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * seen FILE <TRUTH: what a guest's memory in FILE tells of the processes and
 * mappings that the lines N, U, R and A of TRUTH (truth.c) are about, in the same form;
 * and what its checks of processes and modules find, which should be nothing.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "introspect/check.h"
#include "introspect/find.h"
#include "introspect/inspect.h"
#include "introspect/process.h"
#include "introspect/usage.h"
#include "lib/util.h"

static struct inspection i;

/* ---- N: namespaces ---- */

struct spaces {
	char pids[TEXT_PATH], names[512];
};

static int on_fact(void *ctx, const struct m_fact *f)
{
	struct spaces *s = ctx;
	size_t at = strlen(s->names);

	if (f->kind == FACT_PROCESS && !strcmp(f->name, "NSpid"))
		snprintf(s->pids, sizeof(s->pids), "%s", f->value);
	if (f->kind == FACT_NAMESPACE)
		snprintf(s->names + at, sizeof(s->names) - at, " %s:[%" PRIu64 "]", f->name, f->number);
	return 0;
}

static void tell_spaces(uint32_t pid)
{
	const struct m_process ask = { .pid = pid };
	struct spaces s = { "", "" };
	struct m_done done;

	process_tell(&i.in, &ask, on_fact, &s, &done);
	printf("N %u %s%s\n", pid, s.pids, s.names);
	if (done.status != DONE_COMPLETE)
		printf("process %u: %s\n", pid, done.why);
}

/* ---- U: memory, by either of the guest's two ways of counting ---- */

static void tell_memory(const struct task *t, const char *truth)
{
	unsigned long rss, mapped, swap;
	struct usage u;

	usage_read(&i.in.kernel, t, &u);
	if (sscanf(truth, "U %*u %lu %lu %lu", &rss, &mapped, &swap) == 3 &&
	    (u.rss_pages * 4 == rss || u.rss_pages * 4 == mapped) && u.swap_pages * 4 == swap)
		fputs(truth, stdout);
	else
		printf("U %u %" PRIu64 " - %" PRIu64 "\n", t->pid, u.rss_pages * 4, u.swap_pages * 4);
}

/* ---- R: pages ---- */

struct pages {
	struct address_space as;
	uint64_t start, hash, huge;
	unsigned present;
};

static uint64_t mix(uint64_t hash, uint64_t v)
{
	return (hash ^ v) * 0x100000001b3ull;
}

static int add_leaf(void *ctx, const struct mapping *leaf)
{
	struct pages *p = ctx;

	p->huge += leaf->size > FRAME_SIZE ? leaf->size : 0;
	for (uint64_t at = 0; at < leaf->size; at += FRAME_SIZE) {
		uint64_t word[FRAME_SIZE / 8], pa;

		if (virt_to_phys(&p->as, leaf->va + at, &pa) || pa != leaf->pa + at ||
		    virt_read(&p->as, leaf->va + at, word, sizeof(word)))
			return -EFAULT;
		p->present++;
		p->hash = mix(mix(p->hash, (leaf->va + at - p->start) / FRAME_SIZE), pa / FRAME_SIZE);
		for (size_t w = 0; w < ARRAY_SIZE(word); w++)
			p->hash = mix(p->hash, word[w]);
	}
	return 0;
}

static void tell_pages(const struct task *t, uint64_t start, uint64_t end)
{
	struct pages p = { task_space(&i.in.kernel, t), start, .hash = 0xcbf29ce484222325ull };
	int r = page_leaves(&p.as, start, end, 4096, add_leaf, &p);

	printf("R %u %" PRIx64 "-%" PRIx64 " %u %" PRIu64 " %016" PRIx64 "\n", t->pid, start, end,
	       p.present, p.huge / 1024, p.hash);
	if (r)
		printf("pages at %" PRIx64 ": %s\n", start, strerror(-r));
}

/* ---- what a sweep takes of code that is partly swapped ---- */

static int no_task(void *ctx, const struct m_task *m) { return 0; }
static int no_use(void *ctx, const struct m_uses *m) { return 0; }

/* What is no hole: that is scanned. */
static unsigned data_pages(int fd)
{
	off_t at = 0, hole;
	unsigned n = 0;

	while ((at = lseek(fd, at, SEEK_DATA)) >= 0 && (hole = lseek(fd, at, SEEK_HOLE)) >= 0) {
		n += (hole - at) / FRAME_SIZE;
		at = hole;
	}
	return n;
}

static int on_object(void *ctx, const struct m_object *m, int fd)
{
	const uint32_t *pid = ctx;

	if (m->kind == OBJECT_ANON)
		printf("A %u %s %" PRIu64 " %u\n", *pid, m->path, m->resident / FRAME_SIZE, data_pages(fd));
	return 0;
}

static void tell_code(uint32_t pid)
{
	const struct look_sink sink = { no_task, on_object, no_use, &pid };
	struct m_done done;

	look_at_pid(&i.in, pid, 0, true, &sink, &done);
}

/* ---- all ---- */

static void tell(const char *truth)
{
	uint64_t start, end;
	struct task t;
	uint32_t pid;

	if (!strchr("NRUA", truth[0]) || sscanf(truth + 1, " %u", &pid) != 1)
		return;
	memory_set_budget(i.in.mem, LOOK_BUDGET_MS);
	if (find_process(&i.in, pid, 0, &t))
		printf("process %u: not found\n", pid);
	else if (truth[0] == 'N')
		tell_spaces(pid);
	else if (truth[0] == 'U')
		tell_memory(&t, truth);
	else if (truth[0] == 'A')
		tell_code(pid);
	else if (sscanf(truth, "R %*u %" SCNx64 "-%" SCNx64, &start, &end) == 2)
		tell_pages(&t, start, end);
}

static int on_sign(void *ctx, const struct m_sign *m)
{
	printf("%s: %s\n", m->name, m->detail);
	return 0;
}

static int on_checked(void *ctx, const struct m_checked *m)
{
	if (m->status != CHECK_CLEAN)
		printf("check of %s: %s: %s\n", check_name(m->check), check_status_name(m->status), m->why);
	return 0;
}

int main(int argc, char **argv)
{
	const struct check_sink sink = { on_sign, NULL };
	char why[WHY_SIZE] = "", line[1024];
	int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0 || sodium_init() < 0)
		err(2, "seen FILE <TRUTH");
	if (inspection_open(&i, fd, why))
		errx(1, "%s", why);
	while (fgets(line, sizeof(line), stdin))
		tell(line);
	check_all(&i.in, CHECK_PROCESSES | CHECK_MODULES, &sink, on_checked);
	inspection_close(&i);
	return 0;
}
