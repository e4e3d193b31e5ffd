// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage RAM MONITOR LOOKS: abnormal use of CPU and memory, as wardenctl tells it of a guest
 * where users.c's processes run beside Debian's compiler at work.  What the guest's
 * compilers took they say on its serial line (TELLS_SERIAL).
 */
#define CHECK_SECONDS "0"
#define SWEEP_SECONDS "2"
#include "whole.h"

#define CPU_PERCENT 50
#define CPU_SECONDS 60
#define MEMORY_MIB 48
#define MEMORY_SECONDS 20
#define WATCH_MS (2 * CPU_SECONDS * 1000)	/* the compilers are seen for so long, and more */
#define BURST_MS 3000				/* more than a sweep's time */

#define STR(x) #x
#define XSTR(x) STR(x)

static const char policy_usage[] =
	"[usage miners]\ncpu = " XSTR(CPU_PERCENT) "%\nfor = " XSTR(CPU_SECONDS) "s\nbaseline = 24h\n"
	"[usage hoarders]\nmemory = " XSTR(MEMORY_MIB) "M\nfor = " XSTR(MEMORY_SECONDS) "s\nbaseline = 1h\n";

/* Large from the first sweep on; what grows does so later. */
static void let_grow(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path ? path : "");
	ok(fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a)) && write(fd, "grow\n", 5) == 5,
	   "the guest is told that some of it may grow");
	close(fd);
}

/* Begun: those before are over. */
static void await_sweeps(json_int_t n)
{
	json_int_t sweeps = 0;

	for (int i = 0; i < FIND_SECONDS && sweeps < n; i++) {
		json_t *g = guest_json();

		sweeps = number(json_object_get(g, "work"), "sweeps");
		json_decref(g);
		sleep(1);
	}
	ok(sweeps >= n, "%lld sweeps were begun", (long long)sweeps);
}

/* As documented: signature, kind, process and what was seen. */
static void expect_evidence(const char *signature, const char *comm, const char *like)
{
	json_t *answer = ctl("findings", 0), *f;
	struct task v = { 0 };
	size_t i;

	testee_find(&t, comm, 0, &v);
	json_array_foreach(json_object_get(answer, "findings"), i, f) {
		const char *detail = text(json_object_get(f, "evidence"), "detail");
		char exe[64];

		if (strcmp(text(f, "signature"), signature) || strcmp(text(f, "comm"), comm))
			continue;
		snprintf(exe, sizeof(exe), "/bin/%s", comm);
		ok(!strcmp(text(f, "object_kind"), "usage") && number(f, "pid") == v.pid &&
		   !strcmp(text(f, "exe"), exe) && strstr(detail, like), "%s of %s %lld: %s", text(f, "object_kind"),
		   text(f, "exe"), (long long)number(f, "pid"), detail);
	}
	json_decref(answer);
}

/* ---- the compilers, by the guest's own word ---- */

struct compilers {
	unsigned runs;
	long first, last;		/* ms since the guest's boot */
	long cpu, longest;		/* ms */
	long burst;			/* the longest time for which one kept a CPU to itself */
	bool has_failed;
};

static struct compilers compilers_of(const char *serial)
{
	struct compilers c = { 0 };
	char line[256];
	FILE *f = fopen(serial ? serial : "", "r");

	while (f && fgets(line, sizeof(line), f)) {
		long begun, ended, cpu;

		c.has_failed |= strstr(line, "COMPILE FAILED") != NULL;
		if (sscanf(line, "COMPILED %ld %ld %ld", &begun, &ended, &cpu) != 3)
			continue;
		c.first = c.runs++ ? c.first : begun;
		c.last = ended;
		c.cpu += cpu;
		if (ended - begun > c.longest)
			c.longest = ended - begun;
		if (cpu * 100 >= (ended - begun) * CPU_PERCENT && ended - begun > c.burst)
			c.burst = ended - begun;
	}
	if (f)
		fclose(f);
	return c;
}

static void await_compilers(const char *serial)
{
	struct compilers c = { 0 };

	for (int i = 0; i < 3 * WATCH_MS / 1000 && (c.last - c.first < WATCH_MS || c.burst < BURST_MS); i++) {
		sleep(1);
		c = compilers_of(serial);
	}
	printf("# %u compilers in %ld s took %ld s of CPU time; the longest ran %ld s, alone on a CPU %ld\n",
	       c.runs, (c.last - c.first) / 1000, c.cpu / 1000, c.longest / 1000, c.burst / 1000);
	ok(!c.has_failed && c.last - c.first >= WATCH_MS && c.cpu * 100 >= (c.last - c.first) * CPU_PERCENT,
	   "all compilers together are above the rule's %d%% for twice its time", CPU_PERCENT);
	ok(c.burst >= BURST_MS && c.longest < CPU_SECONDS * 1000,
	   "one alone is so for a time, and none for as long as the rule has");
}

/* Nothing else, whatever it is called. */
static void expect_no_other(unsigned expected)
{
	json_t *answer = ctl("findings", 0), *f;
	unsigned n = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "findings"), i, f)
		if (!strcmp(text(f, "object_kind"), "usage")) {
			printf("# %s of %s\n", text(f, "signature"), text(f, "exe"));
			n++;
		}
	ok(n == expected, "of abnormal use there are %u findings in all", n);
	json_decref(answer);
}

int main(int argc, char **argv)
{
	const char *serial = getenv("TELLS_SERIAL");
	pid_t pid;

	if (argc != 4)
		return 2;
	pid = whole_start(argv[1], argv[2], policy_usage);
	if (!pid)
		return 77;
	await_sweeps(3);
	let_grow(getenv("TELLS_COMMANDS"));
	expect_finding("Usage.Memory", "hoarder");
	expect_evidence("Usage.Memory", "hoarder", "has held " XSTR(MEMORY_MIB) " MiB or more for 2");
	expect_finding("Usage.Memory", "leak");
	expect_finding("Usage.CPU", "miner");
	expect_evidence("Usage.CPU", "miner", "has used " XSTR(CPU_PERCENT) "% of a CPU or more for 6");
	await_compilers(serial);
	expect_no_other(3);
	print_findings();
	whole_end(pid);
	return ok_done();
}
