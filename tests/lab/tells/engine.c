// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * engine RAM MONITOR LOOKS: the daemon's engine and its introspector, as they are,
 * over a guest's RAM file; what they find is read from wardenctl.
 */
#define CHECK_SECONDS "3"
#define SWEEP_SECONDS "2"
#include "whole.h"

#define ASKS 20
#define ASKS_MAX 600		/* a busy guest takes its time to load a module */

static const char policy_tells[] =
	"[usage miners]\ncpu = 15%\nfor = 15s\nbaseline = 24h\n"
	"[rule rootkits]\nmatch = Hidden.*\nkinds = hidden\nactions = report,contain\n";

static void print_checks(void)
{
	json_t *g = guest_json(), *c;
	size_t i;

	json_array_foreach(json_object_get(g, "checks"), i, c)
		printf("# check %s: %s (%s) %s\n", text(c, "check"), text(c, "status"),
		       text(c, "counts"), text(c, "why"));
	ok(json_array_size(json_object_get(g, "checks")) == 3, "the guest's status has three checks");
	json_decref(g);
}

/* As an operator reads it. */
static void show_process(void)
{
	char command[512], line[512];
	bool uid = false, cgroup = false, listens = false, worker = false;
	struct task v;
	FILE *p;

	if (!testee_find(&t, "facts", 0, &v)) {
		ok(false, "there is a process called facts");
		return;
	}
	snprintf(command, sizeof(command), "%s --socket %s process %s %u", getenv("WARDENCTL"),
		 w.socket, NAME, v.pid);
	p = popen(command, "r");
	while (p && fgets(line, sizeof(line), p)) {
		printf("# %s", line);
		uid = uid || !strcmp(line, "Uid         1000 1001 1001 1001\n");
		cgroup = cgroup || !strcmp(line, "Cgroup      /pod-4711\n");
		listens = listens || strstr(line, "tcp 0.0.0.0:7777 0.0.0.0:0 LISTEN");
		worker = worker || strstr(line, "worker");
	}
	ok(p && !pclose(p) && uid && cgroup && listens && worker, "wardenctl process shows it whole");
}

static json_t *module_named(const json_t *answer, const char *name)
{
	json_t *m;
	size_t i;

	json_array_foreach(json_object_get(answer, "modules"), i, m)
		if (!strcmp(text(m, "name"), name))
			return m;
	return NULL;
}

static void show_kernel(void)
{
	json_t *answer = ctl("kernel " NAME, 0), *k = json_object_get(answer, "kernel");
	json_t *loop = module_named(answer, "loop");
	const json_int_t levels = number(k, "paging_levels"), up = number(k, "uptime_ns");

	printf("# wardenctl kernel: ");
	json_dumpf(k, stdout, JSON_COMPACT);
	printf(" %zu modules %s\n", json_array_size(json_object_get(answer, "modules")), text(answer, "why"));
	ok(!strcmp(text(k, "release"), t.in.state.release), "wardenctl kernel tells the release");
	ok(strlen(text(k, "build_id")) == 40, "and a BUILD-ID");
	ok(levels == t.in.kernel.as.levels, "%lld levels of paging", (long long)levels);
	ok(strstr(text(k, "command_line"), "console=ttyS0") && up > 0, "its command line, and that it is up");
	ok(loop && !strcmp(text(loop, "state"), "live") && number(loop, "size") > 0 &&
	   strncmp(text(loop, "base"), "0xffffffff", 10) == 0, "the module loop, at %s", text(loop, "base"));
	json_decref(answer);
}

/* dummy comes and goes all the while: what is torn is read again. */
static void tell_modules_in_motion(void)
{
	int asked = 0, whole = 0, with = 0;

	for (; asked < ASKS || (!with && asked < ASKS_MAX); asked++) {
		json_t *answer = ctl("kernel " NAME, 0);

		whole += json_is_true(json_object_get(answer, "complete"));
		with += module_named(answer, "dummy") != NULL;
		json_decref(answer);
		usleep(100000);
	}
	ok(whole == asked && with, "%d of %d times it is complete, %d with dummy", whole, asked, with);
}

/* Processes come and go, and with them inodes of proc; with the module those of sysfs. */
static void list_files_in_motion(void)
{
	int whole = 0, with = 0;

	for (int i = 0; i < ASKS; i++) {
		json_t *answer = api("GET", "/v1/guests/" NAME "/files?all=1", "", 200), *f;
		size_t at;

		whole += json_is_true(json_object_get(answer, "complete"));
		if (!i || !json_is_true(json_object_get(answer, "complete")))
			printf("# files: %lld inodes, %zu files; %s\n", (long long)number(answer, "inodes"),
			       json_array_size(json_object_get(answer, "files")), text(answer, "why"));
		json_array_foreach(json_object_get(answer, "files"), at, f)
			with += !strcmp(text(f, "path"), "/bin/busybox") && number(f, "pages") > 0;
		json_decref(answer);
	}
	ok(whole == ASKS && with == ASKS, "%d of %d lists of files are whole, %d have what all run", whole,
	   ASKS, with);
}

static void hide(void)
{
	struct task v;

	testee_stop(&t);
	if (testee_find(&t, "sleep", 0, &v))
		testee_unlink(&t, v.va + t.in.kernel.at.task_struct_tasks.at);
	testee_write(&t, t.in.kernel.symbol[SYM_IDT_TABLE].address + 16 * 200 + 8, 0xffff8880);
	testee_run(&t);
}

int main(int argc, char **argv)
{
	struct m_act act;
	pid_t pid;

	if (argc != 4)
		return 2;
	pid = whole_start(argv[1], argv[2], policy_tells);
	if (!pid)
		return 77;
	expect_finding("Code.RWX", "rwx");
	expect_finding("Usage.CPU", "miner");
	ok(!found("Usage.CPU", "cc1") && !found("Usage.CPU", "make"), "a compiler's use is no finding");
	ok(!found("Hidden.Process", "") && !found("Hidden.Module", "") && !found("Hidden.Code", "") &&
	   !found("Kernel.Text", "") && !found("Kernel.Rodata", "") && !found("Kernel.IDT", ""),
	   "so far nothing is hidden or hooked");
	show_process();
	show_kernel();
	tell_modules_in_motion();
	list_files_in_motion();
	hide();
	expect_finding("Hidden.Process", "sleep");
	expect_finding("Kernel.IDT", "");
	expect(w.parent, &msg_act, &act);
	ok(act.verb == HOST_CONTAIN && act.guest == GUEST, "and the rule has the guest contained");
	print_findings();
	print_checks();
	testee_stop(&t);
	testee_restore(&t);
	testee_run(&t);
	whole_end(pid);
	return ok_done();
}
