// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rootkit RAM MONITOR LOOKS: a module in the guest does what rootkits do, one trick
 * after the other, while the guest runs; each is found, and nothing else, and nothing
 * once it is undone.  TELLS_COMMANDS is the socket of the guest's second serial port,
 * where its init takes commands.
 */
#include <err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest.h"
#include "lib/util.h"

#define ALL_CHECKS (CHECK_PROCESSES | CHECK_MODULES | CHECK_KERNEL)
#define ANSWER_MS 400000		/* while all its functions are traced a guest is slow */
#define SETTLE_MS 1000			/* a probe becomes a jump later */
#define MAX_TRIES 60
#define MAX_CHECKS 5
#define MAX_TRICKS 8
#define MAX_SIGNS 8
#define OWN "module tells_rootkit"

static struct testee t;
static int commands;

/* ---- the guest's command line ---- */

static void open_commands(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	if (!path)
		errx(2, "TELLS_COMMANDS is not set");
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	commands = socket(AF_UNIX, SOCK_STREAM, 0);
	if (commands < 0 || connect(commands, (struct sockaddr *)&a, sizeof(a)))
		err(1, "%s", path);
}

static void read_line(char *line, size_t size)
{
	struct pollfd p = { .fd = commands, .events = POLLIN };
	size_t n = 0;
	char c = 0;

	while (c != '\n') {
		if (poll(&p, 1, ANSWER_MS) <= 0 || read(commands, &c, 1) != 1)
			errx(1, "the guest does not answer");
		if (n < size - 1 && c != '\n' && c != '\r')
			line[n++] = c;
	}
	line[n] = '\0';
}

/* True if the guest's status was 0. */
static bool command(const char *text)
{
	char line[128];

	if (dprintf(commands, "%s\n", text) < 0)
		err(1, "commands");
	read_line(line, sizeof(line));
	while (strncmp(line, "DONE ", 5)) {
		printf("# guest: %s\n", line);
		read_line(line, sizeof(line));
	}
	return !strcmp(line, "DONE 0");
}

static void must(const char *text)
{
	if (!command(text))
		ok(false, "the guest does: %s", text);
}

/* ---- what each trick is found as ---- */

struct expected {
	const char *name, *detail;	/* detail: has this in it */
	unsigned times;			/* 0: once */
};

struct step {
	const char *what;
	const char *tricks[MAX_TRICKS];
	struct expected signs[MAX_SIGNS];
	bool refuses;			/* the hooked system call fails, as it should */
};

#define NO_OWNER { "Hidden.Code", "belong to no module" }
#define HIDDEN_FROM(views) "is not in: " views "; it is in: "

static const struct step steps[] = {
	{ "a module out of the list", { "module-list" },
	  .signs = { { "Hidden.Module", OWN " " HIDDEN_FROM("module list") }, NO_OWNER } },
	{ "a module out of /sys/module", { "module-sysfs" },
	  .signs = { { "Hidden.Module", OWN " " HIDDEN_FROM("/sys/module") } } },
	{ "a module in no list but the tree", { "module-list", "module-sysfs" },
	  .signs = { { "Hidden.Module", OWN " " HIDDEN_FROM("module list, /sys/module")
		       "module address tree" }, NO_OWNER } },
	{ "the code of a module that is nowhere",
	  { "module-list", "module-sysfs", "module-tree" }, .signs = { NO_OWNER } },
	{ "a process out of the task list", { "task-list" },
	  .signs = { { "Hidden.Process", HIDDEN_FROM("task list") } } },
	{ "a process out of the pid table", { "task-pid" },
	  .signs = { { "Hidden.Process", HIDDEN_FROM("pid table") } } },
	{ "a process that is nobody's child", { "task-parent" },
	  .signs = { { "Hidden.Process", HIDDEN_FROM("process tree") } } },
	{ "a process in no cgroup", { "task-cgroup" },
	  .signs = { { "Hidden.Process", HIDDEN_FROM("cgroups") } } },
	{ "a process out of all four", { "task-list", "task-pid", "task-parent", "task-cgroup" },
	  .signs = { { "Hidden.Process",
		       HIDDEN_FROM("task list, pid table, process tree, cgroups")
		       "task_struct slab" } } },
	{ "an ftrace hook", { "ftrace" },
	  .signs = { { "Kernel.Ftrace", "memory of " OWN } }, .refuses = true },
	{ "an ftrace hook that says it is the kernel's own", { "ftrace", "ftrace-quiet" },
	  .signs = { { "Kernel.Ftrace", "memory of " OWN } }, .refuses = true },
	{ "an entry of the table of system calls", { "call-table" },
	  .signs = { { "Kernel.SystemCall", "memory of " OWN }, { "Kernel.Rodata", "64 bytes" } } },
	{ "an inline hook", { "inline" },
	  .signs = { { "Kernel.Text", "kernel's text" } }, .refuses = true },
	{ "kprobes", { "kprobe" },
	  .signs = { { "Kernel.Probe", "memory of " OWN, 2 } }, .refuses = true },
	{ "a page of the kernel's code by other page tables", { "tables" },
	  .signs = { { "Kernel.PageTables", "other memory there" } } },
	{ "an inline hook, by a kernel that says it is another", { "banner", "inline" },
	  .signs = { { "Kernel.Text", "kernel's text" }, { "Kernel.Rodata", "64 bytes" } },
	  .refuses = true },
	{ "all of a module that is nowhere",
	  { "module-list", "module-sysfs", "module-tree", "task-list", "ftrace", "call-table",
	    "inline", "kprobe" },
	  .signs = { NO_OWNER, { "Hidden.Process", HIDDEN_FROM("task list") },
		     { "Kernel.Ftrace", "memory of no module" },
		     { "Kernel.Probe", "memory of no module", 2 },
		     { "Kernel.SystemCall", "memory of no module" },
		     { "Kernel.Rodata", "64 bytes" }, { "Kernel.Text", "kernel's text" } },
	  .refuses = true },
};

struct found {
	bool passing;			/* it may be one that comes or goes: the next check can tell */
	const struct step *step;
	uint32_t pid;
	unsigned n, seen[MAX_SIGNS];
};

static bool is_expected(const struct found *f, const struct expected *e, const struct m_sign *m)
{
	return e->name && !strcmp(m->name, e->name) && strstr(m->detail, e->detail) &&
	       (m->pid == f->pid || strcmp(m->name, "Hidden.Process"));
}

static int on_sign(void *ctx, const struct m_sign *m)
{
	struct found *f = ctx;

	printf("# %s: %s\n", m->name, m->detail);
	f->n++;
	for (size_t i = 0; i < MAX_SIGNS; i++)
		f->seen[i] += is_expected(f, &f->step->signs[i], m);
	return 0;
}

static int on_checked(void *ctx, const struct m_checked *m)
{
	struct found *f = ctx;

	f->passing = f->passing || strstr(m->why, "come or go");
	if (m->why[0])
		printf("# %s: %s: %s\n", check_name(m->check), check_status_name(m->status), m->why);
	return 0;
}

static bool is_found(const struct step *s, uint32_t pid, bool *ret_passing)
{
	struct found f = { .step = s, .pid = pid };
	const struct check_sink sink = { on_sign, &f };
	unsigned n = 0;
	bool each = true;

	testee_ready(&t);
	check_all(&t.in, ALL_CHECKS, &sink, on_checked);
	for (size_t i = 0; i < MAX_SIGNS && s->signs[i].name; i++) {
		unsigned times = s->signs[i].times ? s->signs[i].times : 1;

		each = each && f.seen[i] == times;
		n += times;
	}
	*ret_passing = f.passing;
	return each && f.n == n;
}

static void expect(const struct step *s, uint32_t pid)
{
	bool passing, found = is_found(s, pid, &passing);

	for (int i = 1; !found && passing && i < MAX_CHECKS; i++)
		found = is_found(s, pid, &passing);
	ok(found, "%s: found, and nothing else", s->what);
}

/* Not while a tracer of the kernel's own has the same function: ftrace goes by its list then. */
static bool works(void)
{
	for (int i = 0; i < MAX_TRIES; i++) {
		if (!command("hostname"))
			return true;
		check_pause(SETTLE_MS);
	}
	return false;
}

static void take_step(const struct step *s, uint32_t pid)
{
	for (size_t i = 0; i < MAX_TRICKS && s->tricks[i]; i++)
		must(s->tricks[i]);
	check_pause(SETTLE_MS);
	if (s->refuses)
		ok(works(), "%s: it works", s->what);
	expect(s, pid);
	must("undo");
	must("hostname");
	testee_stays_clean(&t, ALL_CHECKS, 1);
}

int main(int argc, char **argv)
{
	char choose[32];
	struct task v;

	if (argc != 4)
		return 2;
	testee_open(&t, argv[1], argv[2]);
	open_commands(getenv("TELLS_COMMANDS"));
	printf("# %s\n", t.in.state.release);
	/* First sight is of before. */
	testee_stays_clean(&t, ALL_CHECKS, 3);
	must("load");
	testee_stays_clean(&t, ALL_CHECKS, atoi(argv[3]));
	if (!testee_find(&t, "sleep", 0, &v)) {
		ok(false, "there is a process to hide");
		return ok_done();
	}
	snprintf(choose, sizeof(choose), "task %u", v.pid);
	must(choose);
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
		take_step(&steps[i], v.pid);
	ok(command("healthy"), "the guest's kernel has warned of nothing");
	/* That will: of files that its directory, put back, does not have. */
	must("unload");
	testee_stays_clean(&t, ALL_CHECKS, 3);
	return ok_done();
}
