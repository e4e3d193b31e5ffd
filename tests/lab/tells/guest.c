// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define KERNEL_SECONDS 120

static unsigned tests, failures;

void ok(bool good, const char *format, ...)
{
	va_list args;

	failures += !good;
	printf("%sok %u - ", good ? "" : "not ", ++tests);
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
}

int ok_done(void)
{
	printf("1..%u\n", tests);
	return failures != 0;
}

/* ---- QEMU's monitor ---- */

/* Until its prompt. */
static void read_answer(int fd, char *out, size_t size)
{
	size_t len = 0;

	while (len < size - 1) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&p, 1, 20000) <= 0)
			errx(1, "the monitor says nothing");
		n = read(fd, out + len, size - 1 - len);
		if (n <= 0)
			errx(1, "the monitor is gone");
		len += n;
		out[len] = '\0';
		if (len >= 7 && !strcmp(out + len - 7, "(qemu) "))
			return;
	}
}

static void ask(struct testee *t, const char *command, char *out, size_t size)
{
	if (dprintf(t->monitor, "%s\n", command) < 0)
		err(1, "monitor");
	read_answer(t->monitor, out, size);
}

static void open_monitor(struct testee *t, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char hello[4096];

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	t->monitor = socket(AF_UNIX, SOCK_STREAM, 0);
	for (int i = 0; connect(t->monitor, (struct sockaddr *)&a, sizeof(a)); i++) {
		if (i == 100)
			err(1, "%s", path);
		usleep(100000);
	}
	read_answer(t->monitor, hello, sizeof(hello));
}

void testee_stop(struct testee *t)
{
	char out[4096];

	ask(t, "stop", out, sizeof(out));
	memory_refresh(&t->mem);
	t->mem.still = true;
}

void testee_run(struct testee *t)
{
	char out[4096];

	ask(t, "cont", out, sizeof(out));
	memory_refresh(&t->mem);
	t->mem.still = false;
}

void testee_reset(struct testee *t)
{
	char out[4096];

	ask(t, "system_reset", out, sizeof(out));
}

#define MAX_WAITS 1000			/* then it would be a finding */

struct cleanness {
	unsigned signs, complete, patching, passing, flickering;
	uint64_t us;
	char why[TEXT_WHY];		/* of the last that was under way */
	struct m_checked last;
};

static int on_false_finding(void *ctx, const struct m_sign *m)
{
	struct cleanness *c = ctx;

	printf("# %s: %s\n", m->name, m->detail);
	c->signs++;
	return 0;
}

static int on_checked(void *ctx, const struct m_checked *m)
{
	struct cleanness *c = ctx;
	const bool alone = m->status == CHECK_INCOMPLETE && !strchr(m->why, ';');
	const bool patching = alone && strstr(m->why, "being patched");
	const bool passing = alone && strstr(m->why, "come or go");
	const bool flickering = m->status == CHECK_INCOMPLETE && strstr(m->why, "in some looks only");

	c->complete += m->status == CHECK_CLEAN;
	c->patching += patching;
	c->passing += passing;
	c->flickering += flickering;
	if (patching || passing)
		snprintf(c->why, sizeof(c->why), "%s", m->why);
	else if (m->status != CHECK_CLEAN)
		printf("# %s: %s: %s\n", check_name(m->check), check_status_name(m->status), m->why);
	c->us += m->elapsed_us;
	c->last = *m;
	return 0;
}

/* A slow guest's module takes seconds to load; what goes is gone in time. */
static bool passes(struct testee *t, uint32_t checks)
{
	struct cleanness c = { .passing = 1 };
	const struct check_sink sink = { on_false_finding, &c };

	for (int i = 0; i < MAX_WAITS && c.passing && !c.signs; i++) {
		check_pause(500);
		c.passing = 0;
		check_all(&t->in, checks, &sink, on_checked);
	}
	return !c.passing && !c.signs;
}

/* Where others take the machine, a guest does more between two looks of one check. */
static unsigned most_flickering(unsigned checks)
{
	const char *patience = getenv("LAB_PATIENCE");

	return 1 + checks / (patience && atoi(patience) > 1 ? 5 : 100);
}

void testee_stays_clean(struct testee *t, uint32_t checks, unsigned times)
{
	struct cleanness c = { 0 };
	const struct check_sink sink = { on_false_finding, &c };
	unsigned n = times * __builtin_popcount(checks);

	for (unsigned i = 0; i < times; i++) {
		testee_ready(t);
		check_all(&t->in, checks, &sink, on_checked);
		check_pause(200);
	}
	printf("# %s; %llu us a check\n", c.last.counts, (unsigned long long)(n ? c.us / n : 0));
	ok(!c.signs && n, "%u checks of a guest that runs find nothing", n);
	/* What came into being between two looks, and was unloaded between two others. */
	ok(c.complete + c.patching + c.passing + c.flickering == n && c.flickering <= most_flickering(n) &&
	   (!c.passing || passes(t, checks)),
	   "%u were complete, %u told of patches, %u of what comes or goes, %u of what was there in some looks:"
	   " %s", c.complete, c.patching, c.passing, c.flickering, c.why);
}

static int no_task(void *ctx, const struct m_task *m) { return 0; }
static int no_object(void *ctx, const struct m_object *m, int fd) { return 0; }
static int no_use(void *ctx, const struct m_uses *m) { return 0; }

void testee_sweep(struct testee *t, struct m_done *ret_done)
{
	const struct look_sink sink = { no_task, no_object, no_use, NULL };

	look_at_all(&t->in, false, &sink, ret_done);
}

static uint64_t value_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 16) : 0;
}

static void read_registers(struct testee *t, struct kvm_warden_regs *ret)
{
	char out[16384];

	ask(t, "info registers", out, sizeof(out));
	*ret = (struct kvm_warden_regs){
		.cr0 = value_of(out, "CR0="), .cr3 = value_of(out, "CR3="),
		.cr4 = value_of(out, "CR4="), .efer = value_of(out, "EFER="),
		.idtr = value_of(out, "IDT=     "),
	};
}

/* ---- its memory ---- */

static void map_ram(struct testee *t, const char *ram)
{
	int fd = open(ram, O_RDWR | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		err(1, "%s", ram);
	t->size = st.st_size;
	t->ram = mmap(NULL, t->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (t->ram == MAP_FAILED)
		err(1, "%s", ram);
	close(fd);
}

int testee_memory(struct guest_memory *mem, const char *ram, const struct kvm_warden_regs *regs)
{
	int fd = open(ram, O_RDONLY | O_CLOEXEC), r;
	struct memory_range all = { 0, 0 };
	const uint64_t start = 0;
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	all.size = st.st_size;
	r = memory_open_file(mem, fd, &all, &start, 1);
	return r ? r : memory_set_registers(mem, regs, 1);
}

/* Its one vCPU's, as they are now: the process whose tables were in use may have ended. */
static struct testee *live;

static int live_registers(struct guest_memory *mem, uint32_t vcpu, struct kvm_warden_regs *ret)
{
	if (vcpu)
		return -ENXIO;
	read_registers(live, ret);
	return 0;
}

bool testee_attach(struct testee *t, const char *ram)
{
	static struct guest_memory_ops ops;
	struct kvm_warden_regs regs;

	read_registers(t, &regs);
	if (testee_memory(&t->mem, ram, &regs) || introspector_init(&t->in, &t->mem))
		errx(1, "cannot read %s", ram);
	ops = *t->mem.ops;
	ops.registers = live_registers;
	t->mem.ops = &ops;
	live = t;
	return testee_ready(t);
}

bool testee_ready(struct testee *t)
{
	bool changed;

	return introspector_ready(&t->in, &changed);
}

bool testee_again(struct testee *t, bool *ret_changed)
{
	struct kvm_warden_regs regs;

	read_registers(t, &regs);
	memory_refresh(&t->mem);
	return !memory_set_registers(&t->mem, &regs, 1) && introspector_ready(&t->in, ret_changed);
}

void testee_detach(struct testee *t)
{
	introspector_free(&t->in);
	memory_close(&t->mem);
}

void testee_connect(struct testee *t, const char *monitor)
{
	open_monitor(t, monitor);
}

void testee_open(struct testee *t, const char *ram, const char *monitor)
{
	if (sodium_init() < 0)
		errx(1, "libsodium");
	testee_connect(t, monitor);
	map_ram(t, ram);
	for (int i = 0; i < KERNEL_SECONDS; i++) {
		if (testee_attach(t, ram))
			return;
		testee_detach(t);
		sleep(1);
	}
	errx(1, "no kernel found: %s", t->in.state.why);
}

static uint64_t *place(struct testee *t, uint64_t va)
{
	uint64_t pa;

	if (virt_to_phys(&t->in.kernel.as, va, &pa) || pa > t->size - 8)
		errx(1, "%lx is not mapped", (unsigned long)va);
	return (uint64_t *)(t->ram + pa);
}

uint64_t testee_read(struct testee *t, uint64_t va)
{
	uint64_t v;

	memcpy(&v, place(t, va), 8);
	return v;
}

void testee_write(struct testee *t, uint64_t va, uint64_t value)
{
	uint64_t *at = place(t, va);

	if (t->nundo == sizeof(t->undo) / sizeof(*t->undo))
		errx(1, "too many writes");
	t->undo[t->nundo].pa = (uint8_t *)at - t->ram;
	memcpy(&t->undo[t->nundo++].old, at, 8);
	memcpy(at, &value, 8);
}

void testee_restore(struct testee *t)
{
	while (t->nundo) {
		t->nundo--;
		memcpy(t->ram + t->undo[t->nundo].pa, &t->undo[t->nundo].old, 8);
	}
}

void testee_unlink(struct testee *t, uint64_t node)
{
	uint64_t next = testee_read(t, node), prev = testee_read(t, node + 8);

	testee_write(t, prev, next);
	testee_write(t, next + 8, prev);
}

void testee_unlink_hlist(struct testee *t, uint64_t node)
{
	uint64_t next = testee_read(t, node), at = testee_read(t, node + 8);

	testee_write(t, at, next);
	if (next)
		testee_write(t, next + 8, at);
}

bool testee_find(struct testee *t, const char *comm, unsigned n, struct task *ret_task)
{
	struct task_list list;
	bool found = false;

	memory_refresh(&t->mem);
	memory_set_budget(&t->mem, 0);
	if (task_list_read(&t->in.kernel, &list))
		return false;
	for (uint32_t i = 0; !found && i < list.n; i++)
		found = !task_read(&t->in.kernel, list.va[i], ret_task) &&
			!strcmp(ret_task->comm, comm) && !n--;
	task_list_free(&list);
	return found;
}
