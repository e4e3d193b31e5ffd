// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * walk RAM CR3 CR4 IDTR TASKS VMAS FILES: what it costs to look into the guest of
 * image, with the introspector's own code, on one core.  TASKS, VMAS and FILES
 * are what the guest counted itself: a wrong walk ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "introspect/content.h"
#include "introspect/dump.h"
#include "introspect/files.h"
#include "introspect/kernel.h"
#include "introspect/known.h"
#include "introspect/tasks.h"
#include "introspect/views.h"
#include "introspect/vmas.h"
#include "lib/log.h"
#include "lib/util.h"

#define RUNS 15

static const char *path;
static struct kvm_warden_regs regs;
static struct guest_memory mem;
static struct kernel k;

struct walk {
	uint32_t tasks, vmas, files, unread;
	uint64_t file;			/* one with pages, the largest */
	uint64_t size;
};

static double now_ms(void)
{
	return clock_now_ns() / 1e6;
}

/* ---- figures ---- */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void tell(const char *figure, double value, double median, const char *unit)
{
	printf("{\"bench\":\"introspect\",\"figure\":\"%s\",\"value\":%.3f,\"unit\":\"%s\","
	       "\"median\":%.3f,\"runs\":%d,\"kernel\":\"%s\"}\n", figure, value, unit, median, RUNS,
	       getenv("BENCH_KERNEL") ? getenv("BENCH_KERNEL") : "6.1");
}

static double tell_runs(const char *figure, double *ms, double scale, const char *unit)
{
	qsort(ms, RUNS, sizeof(*ms), by_value);
	tell(figure, ms[0] * scale, ms[RUNS / 2] * scale, unit);
	return ms[0];
}

/* ---- steps ---- */

static void open_guest(void)
{
	struct dump dump;
	char why[DUMP_WHY_SIZE] = "";
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 || fstat(fd, &st) ? -errno : dump_recognise(fd, &dump, why);

	if (!r)
		r = dump_open(&mem, fd, &dump, dump_hole(st.st_size, 0), why);
	if (r || memory_set_registers(&mem, &regs, 1))
		fatal("%s: %s", path, why[0] ? why : strerror(-r));
}

static void discover(bool known)
{
	char why[WHY_SIZE];

	if (!known)
		known_forget();
	if (kernel_discover(&mem, &k, why) != DISCOVERY_READY)
		fatal("%s: %s", path, why);
	if (k.known != known)
		fatal("%s: a kernel that is%s known", path, known ? " not" : "");
}

static int visit(void *ctx, const struct vma *v)
{
	static struct guest_file f;
	struct walk *w = ctx;

	w->vmas++;
	if (!v->file)
		return 0;
	w->files++;
	if (file_read_info(&k, v->file, &f))
		w->unread++;
	else if ((v->flags & VM_EXEC) && f.nrpages > w->size) {
		w->size = f.nrpages;
		w->file = f.mapping;
	}
	return 0;
}

/* Tasks, their mappings, and the path of each file among these. */
static struct walk walk_all(void)
{
	static struct guest_file exe;
	struct task_list list;
	struct walk w = { 0 };

	if (task_list_read(&k, &list))
		fatal("the list of tasks");
	for (uint32_t i = 0; i < list.n; i++) {
		struct task t;

		if (task_read(&k, list.va[i], &t))
			fatal("task %u of %u", i, list.n);
		w.tasks += t.pid != 0;
		if (t.exe_file)
			w.unread += file_read_info(&k, t.exe_file, &exe) != 0;
		if (t.mm && vmas_walk(&k, t.mm, visit, &w))
			fatal("mappings of process %u", t.pid);
	}
	task_list_free(&list);
	return w;
}

struct frames {
	struct address_space as;
	uint8_t *seen;			/* a bit each */
	uint64_t limit, distinct, met;
};

static int take_leaf(void *ctx, const struct mapping *leaf)
{
	struct frames *f = ctx;

	/* Of a large page the part in the mapping is not told apart: none is here. */
	for (uint64_t pa = leaf->pa; pa < leaf->pa + leaf->size && pa < f->limit; pa += FRAME_SIZE) {
		uint64_t n = pa / FRAME_SIZE;

		f->met++;
		f->distinct += !(f->seen[n / 8] >> n % 8 & 1);
		f->seen[n / 8] |= 1u << n % 8;
	}
	return 0;
}

static int visit_code(void *ctx, const struct vma *v)
{
	struct frames *f = ctx;

	return v->flags & VM_EXEC ? page_leaves(&f->as, v->start, v->end, 4096, take_leaf, f) : 0;
}

static struct frames code_frames(void)
{
	struct frames f = { .limit = memory_end(&mem) };
	struct task_list list;

	f.seen = calloc(1, f.limit / FRAME_SIZE / 8 + 1);
	if (!f.seen || task_list_read(&k, &list))
		fatal("the list of tasks");
	for (uint32_t i = 0; i < list.n; i++) {
		struct task t;

		if (task_read(&k, list.va[i], &t) || !t.mm)
			continue;
		f.as = task_space(&k, &t);
		vmas_walk(&k, t.mm, visit_code, &f);
	}
	task_list_free(&list);
	free(f.seen);
	return f;
}

/* ---- the benches ---- */

static void bench_discovery(void)
{
	double cold[RUNS], warm[RUNS];

	for (int i = 0; i < RUNS; i++) {
		double start = now_ms();

		open_guest();
		discover(false);
		cold[i] = now_ms() - start;
		memory_close(&mem);
		start = now_ms();
		open_guest();
		discover(true);
		warm[i] = now_ms() - start;
		memory_close(&mem);
	}
	tell_runs("cold_discovery_ms", cold, 1, "ms");
	tell_runs("warm_discovery_ms", warm, 1, "ms");
}

static struct walk bench_walk(void)
{
	double first[RUNS], again[RUNS], best;
	struct walk w = { 0 };

	for (int i = 0; i < RUNS; i++) {
		double start;

		open_guest();
		discover(true);
		mem.touched = mem.calls = 0;
		start = now_ms();
		w = walk_all();
		first[i] = now_ms() - start;
		if (!i) {
			tell("walk_bytes_touched", mem.touched, mem.touched, "bytes");
			tell("walk_system_calls", mem.calls, mem.calls, "calls");
		}
		memory_refresh(&mem);
		start = now_ms();
		w = walk_all();
		again[i] = now_ms() - start;
		if (i + 1 < RUNS)
			memory_close(&mem);
	}
	tell_runs("walk_1000_processes_ms", first, 1, "ms");
	best = tell_runs("rewalk_1000_processes_ms", again, 1, "ms");
	tell("ns_per_vma", best * 1e6 / w.vmas, again[RUNS / 2] * 1e6 / w.vmas, "ns");
	return w;
}

static void bench_code(void)
{
	struct frames f = { 0 };
	double ms[RUNS];

	for (int i = 0; i < RUNS; i++) {
		double start = now_ms();

		memory_refresh(&mem);
		f = code_frames();
		ms[i] = now_ms() - start;
	}
	tell_runs("distinct_code_frames_ms", ms, 1, "ms");
	tell("distinct_code_frames", f.distinct, f.distinct, "frames");
	tell("code_pages_met", f.met, f.met, "pages");
}

static int count_task(void *ctx, uint64_t va)
{
	++*(uint32_t *)ctx;
	return 0;
}

/* Every struct page of 4 GiB is looked at, and threads are tasks too. */
static void bench_slab(const struct walk *w)
{
	double ms[RUNS];

	for (int i = 0; i < RUNS; i++) {
		double start = now_ms();
		uint32_t tasks = 0;

		memory_refresh(&mem);
		if (slab_tasks(&k, count_task, &tasks) || tasks < w->tasks)
			fatal("the slab cache of tasks: %u of %u", tasks, w->tasks);
		ms[i] = now_ms() - start;
	}
	tell_runs("slab_4gib_ms", ms, 1, "ms");
}

/* A file out of the page cache, in its own order, against a copy of as many bytes. */
static void bench_rebuild(const struct walk *w)
{
	const uint32_t pages = MIN(w->size, (uint64_t)MAX_FILE_PAGES);
	uint8_t *to = malloc((size_t)pages * FRAME_SIZE), *from = malloc((size_t)pages * FRAME_SIZE);
	bool *present = calloc(pages, sizeof(*present));
	double rebuild[RUNS], copy[RUNS];
	struct page_map map;

	if (!to || !from || !present)
		fatal("out of memory");
	memset(to, 1, (size_t)pages * FRAME_SIZE);
	for (int i = 0; i < RUNS; i++) {
		double start = now_ms();

		if (page_map_init(&map, pages) || pagecache_read(&k, w->file, &map) ||
		    memory_read_frames(&mem, map.frame, pages, from, present))
			fatal("the page cache of a file");
		rebuild[i] = now_ms() - start;
		if (map.resident != pages)
			fatal("%u pages of %u are resident", map.resident, pages);
		page_map_free(&map);
		start = now_ms();
		memcpy(to, from, (size_t)pages * FRAME_SIZE);
		copy[i] = now_ms() - start;
	}
	qsort(rebuild, RUNS, sizeof(*rebuild), by_value);
	qsort(copy, RUNS, sizeof(*copy), by_value);
	tell("rebuild_ratio_to_memcpy", copy[0] / rebuild[0], copy[RUNS / 2] / rebuild[RUNS / 2], "ratio");
	tell("rebuild_bytes", (double)pages * FRAME_SIZE, (double)pages * FRAME_SIZE, "bytes");
	free(to);
	free(from);
	free(present);
}

static void tell_allocated(void)
{
	char line[256];
	uint64_t kib = 0;
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1)
			break;
	if (f)
		fclose(f);
	tell("allocated_bytes", kib * 1024.0, kib * 1024.0, "bytes");
}

static void check(const char *what, uint32_t here, const char *there)
{
	if (here != strtoul(there, NULL, 10))
		fatal("%s: %u here, and %s by the guest's own count", what, here, there);
}

int main(int argc, char **argv)
{
	cpu_set_t one;
	struct walk w;

	log_open("walk", false);
	if (argc != 8 || sodium_init() < 0)
		fatal("usage: walk RAM CR3 CR4 IDTR TASKS VMAS FILES");
	CPU_ZERO(&one);
	CPU_SET(sched_getcpu(), &one);
	sched_setaffinity(0, sizeof(one), &one);
	path = argv[1];
	regs = (struct kvm_warden_regs){
		.cr0 = 1ull << 31, .efer = 1ull << 10, .cr3 = strtoull(argv[2], NULL, 16),
		.cr4 = strtoull(argv[3], NULL, 16), .idtr = strtoull(argv[4], NULL, 16),
	};
	bench_discovery();
	w = bench_walk();
	check("tasks", w.tasks, argv[5]);
	check("mappings", w.vmas, argv[6]);
	check("files", w.files, argv[7]);
	check("files that could not be read", w.unread, "0");
	bench_code();
	bench_slab(&w);
	bench_rebuild(&w);
	tell_allocated();
	return 0;
}
