// SPDX-License-Identifier: GPL-2.0-or-later
/* CPU and memory of processes over sweeps: what is abnormal by the policy, and what is not. */
#define SWEEP_SECONDS "1"
#include "test_engine_world.h"

#define SWEEPS 7

static const char policy_usage[] =
	"[usage cpu]\ncpu = 90%\nfor = 3s\nbaseline = 24h\n"
	"[usage memory]\nmemory = 100M\nfor = 3s\n"
	"[exempt renderer]\nsignature = Usage.*\nexe = /usr/bin/renderer\n";

static uint64_t began;

static void show(uint64_t id, uint32_t pid, const char *comm, uint64_t cpu_ns, uint64_t mib)
{
	struct m_task t = { .pid = pid, .ppid = 1, .start_ns = START + pid, .cr3 = CR3,
			    .cpu_ns = cpu_ns, .rss_bytes = mib << 20, .threads = 1 };

	strcpy(t.comm, comm);
	snprintf(t.exe, sizeof(t.exe), "/usr/bin/%s", comm);
	send_to(w.introspect, &msg_task, id, &t, -1);
}

/* Each sweep as a guest would have it at that moment. */
static void show_sweep(unsigned n)
{
	struct m_sweep m;
	struct m_done done = { .status = DONE_COMPLETE };
	uint64_t id = expect(w.introspect, &msg_sweep, &m), passed = mono() - began;

	show(id, 100, "miner", passed, 10);
	/* A compiler: as busy, but each of its processes is soon over. */
	show(id, 200 + n, "cc1", 900000000, 300);
	/* Rests every third sweep. */
	show(id, 300, "batch", passed / 3 * 2, 10);
	show(id, 400, "leak", passed / 100, n ? 200 : 20);
	/* As large before its guest was seen, and so is each new session. */
	show(id, 700, "database", passed / 100, 300);
	if (n)
		show(id, 701, "database", passed / 100, 300);
	show(id, 500, "renderer", passed, 10);
	show(id, 600, "quiet", passed / 50, 50);
	send_to(w.introspect, &msg_done, id, &done, -1);
}

static unsigned found(const char *signature, const char *comm, const char *action)
{
	json_t *answer = ctl("findings", 0), *f, *d;
	unsigned n = 0;
	size_t i;

	json_array_foreach(json_object_get(answer, "findings"), i, f) {
		d = json_array_get(json_object_get(f, "decisions"), 0);
		n += (!signature || !strcmp(text(f, "signature"), signature)) &&
		     (!comm || !strcmp(text(f, "comm"), comm)) &&
		     (!action || !strcmp(text(d, "note"), action));
	}
	json_decref(answer);
	return n;
}

static void a_miner_is_told_from_a_compiler(void **state)
{
	NEEDS_PROGRAMS();
	began = mono();
	guest_with_kernel(false);
	for (unsigned i = 0; i < SWEEPS; i++)
		show_sweep(i);
	for (int i = 0; i < 50 && found("Usage.CPU", NULL, NULL) < 2; i++)
		usleep(50000);
	assert_int_equal(found("Usage.CPU", "miner", NULL), 1);
	assert_int_equal(found("Usage.Memory", "leak", NULL), 1);
	/* Told, and nothing follows. */
	assert_int_equal(found("Usage.CPU", "renderer", "exempt: renderer"), 1);
	assert_int_equal(found(NULL, NULL, NULL), 3);
	verify_journal();
}

#define U(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, (void *)policy_usage)

int main(void)
{
	const struct CMUnitTest tests[] = { U(a_miner_is_told_from_a_compiler) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
