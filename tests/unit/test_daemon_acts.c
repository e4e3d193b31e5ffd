// SPDX-License-Identifier: GPL-2.0-or-later
/* The host's answers: the real warden-qmp, real QEMUs, and what plays one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "daemon/acts.h"
#include "daemon/monitor.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"
#include "test_fuse.h"
#include "test_qmp_vm.h"

#define GUESTS 40
#define LIMIT_US 120000000ull

static sd_event *loop;
static struct acts *acts;
static struct config config;
static char dir[32], conf[96];
static struct vmm vmms[GUESTS];		/* guest n; pid 0: there is none */
static struct { uint64_t id; struct m_acted acted; } answer[32];
static unsigned answers;

static bool find(void *arg, uint64_t guest, struct vmm *ret_vmm)
{
	if (guest >= GUESTS || !vmms[guest].pid)
		return false;
	*ret_vmm = vmms[guest];
	return true;
}

static void take_answer(void *arg, uint64_t id, const struct m_acted *acted)
{
	assert_true(answers < ARRAY_SIZE(answer));
	answer[answers].id = id;
	answer[answers++].acted = *acted;
}

static int setup(void **state)
{
	const char *libexec = getenv("WARDEN_LIBEXEC") ?: "build/libexec";
	char path[512];
	sigset_t set;
	FILE *f;

	if (geteuid())
		return 0;
	if (sd_event_default(&loop) < 0)
		return -1;
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	if (libexec[0] != '/') {
		char *here = realpath(".", NULL);

		snprintf(path, sizeof(path), "%s/%s", here, libexec);
		free(here);
		libexec = path;
	}
	strcpy(dir, "/tmp/test-acts-XXXXXX");
	if (!mkdtemp(dir) || chmod(dir, 0755))
		return -1;
	snprintf(conf, sizeof(conf), "%s/wardend.conf", dir);
	f = fopen(conf, "w");
	fprintf(f, "[wardend]\nlibexec_dir = %s\n", libexec);
	fclose(f);
	return config_load(conf, &config) ?: fuse_setup(state);
}

static int teardown(void **state)
{
	fuse_teardown(state);
	unlink(conf);
	rmdir(dir);
	sd_event_unref(loop);
	return 0;
}

static int begin(void **state)
{
	memset(vmms, 0, sizeof(vmms));
	answers = 0;
	config.qmp[0] = '\0';
	if (!geteuid())
		acts = acts_new(loop, -1, &config, conf, &(struct acts_hooks){
			.find = find, .answer = take_answer,
		});
	return 0;
}

static int end(void **state)
{
	if (!geteuid())
		acts_free(acts);
	for (int i = 0; i < GUESTS; i++)
		if (vmms[i].pid) {
			kill(vmms[i].pid, SIGKILL);
			waitpid(vmms[i].pid, NULL, 0);
			close(vmms[i].pidfd);
		}
	unlink(vm_path);
	return 0;
}

static void need(bool what, const char *why)
{
	if (what)
		return;
	print_message("skipped: needs %s\n", why);
	skip();
}

static void set_vmm(uint64_t guest, pid_t pid)
{
	vmms[guest].pid = pid;
	vmms[guest].pidfd = syscall(SYS_pidfd_open, pid, 0);
	assert_true(vmms[guest].pidfd >= 0);
}

static void start_qemu(uint64_t guest)
{
	char socket[96];
	const char *const monitor[] = { "-qmp", socket, NULL };

	need(vm_exists(), VM_PROGRAM);
	snprintf(vm_path, sizeof(vm_path), "%s/vm-%u", dir, (unsigned)guest);
	snprintf(socket, sizeof(socket), "unix:%s,server=on,wait=off", vm_path);
	set_vmm(guest, vm_start(monitor, NULL));
}

/* A process with a VMM's command line, that does what the shell is told. */
static void start_shell(uint64_t guest, const char *script, const char *socket)
{
	int ready[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(ready), 0);
	pid = child_fork();
	if (!pid) {
		sigset_t none;

		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		dup2(ready[1], 1);
		close(ready[0]);
		execl("/bin/sh", "sh", "-c", script, "vm", "-name", "guest=sh", "-qmp", socket, NULL);
		_exit(127);
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &c, 1), 1);
	close(ready[0]);
	set_vmm(guest, pid);
}

#define IDLE "echo; while :; do sleep 0.1; done"

static void ask(uint64_t id, uint64_t guest, uint32_t verb)
{
	const struct m_act what = { .guest = guest, .verb = verb };
	struct msg m;

	assert_int_equal(msg_encode(&m, &msg_act, id, &what, -1), 0);
	assert_true(acts_take(acts, &m));
}

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

static void wait_answers(unsigned n)
{
	uint64_t until = now_us() + LIMIT_US;

	while (answers < n && now_us() < until)
		sd_event_run(loop, 100000);
	assert_int_equal(answers, n);
}

static void expect(unsigned i, uint64_t id, enum act_status status, const char *detail)
{
	const struct m_acted *a = &answer[i].acted;

	if (answer[i].id != id || a->status != status || !strstr(a->detail, detail))
		fail_msg("answer %u: id %u, status %u \"%s\"; not id %u, status %u \"%s\"", i,
			 (unsigned)answer[i].id, a->status, a->detail, (unsigned)id, status, detail);
}

static void test_by_the_monitor(void **state)
{
	need(!geteuid(), "root");
	start_qemu(1);
	ask(1, 1, HOST_PAUSE);
	ask(2, 1, HOST_LINK_DOWN);
	ask(3, 1, HOST_RESUME);
	ask(4, 1, HOST_POWER_OFF);
	wait_answers(4);
	expect(0, 1, ACT_DONE, "paused by its VMM");
	expect(1, 2, ACT_FAILED, "no link that the VMM could cut");
	expect(2, 3, ACT_DONE, "runs again");
	expect(3, 4, ACT_DONE, "(quit)");
	assert_true(answer[0].acted.elapsed_us > 0);
}

static void test_by_configuration(void **state)
{
	char link[48];

	need(!geteuid(), "root");
	start_qemu(1);
	/* -name guest=unit */
	snprintf(link, sizeof(link), "%s/unit", dir);
	assert_int_equal(symlink(vm_path, link), 0);
	snprintf(config.qmp, sizeof(config.qmp), "%s/%%n", dir);
	ask(1, 1, HOST_PAUSE);
	wait_answers(1);
	unlink(link);
	expect(0, 1, ACT_DONE, "paused");
	ask(2, 1, HOST_PAUSE);
	wait_answers(2);
	expect(1, 2, ACT_UNAVAILABLE, "No such file");
}

/* One that another client holds is told as such; another guest's acts are answered first. */
static void test_taken_monitor(void **state)
{
	int client;

	need(!geteuid(), "root");
	start_qemu(1);
	client = vm_connect();
	assert_true(client >= 0);
	start_shell(2, IDLE, "none");
	ask(1, 1, HOST_PAUSE);
	ask(2, 1, HOST_PAUSE);
	ask(3, 2, HOST_PAUSE);
	wait_answers(1);
	expect(0, 3, ACT_UNAVAILABLE, "no QMP monitor");
	wait_answers(3);
	expect(1, 1, ACT_UNAVAILABLE, "another client");
	expect(2, 2, ACT_UNAVAILABLE, "another client");
	close(client);
}

/* A VMM that a guest has taken over may name any socket of this host. */
static void test_socket_of_another(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int sock = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), taken;
	char option[96], byte;

	need(!geteuid(), "root");
	snprintf(vm_path, sizeof(vm_path), "%s/other", dir);
	strcpy(address.sun_path, vm_path);
	assert_int_equal(bind(sock, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(sock, 4), 0);
	snprintf(option, sizeof(option), "unix:%s,server=on", vm_path);
	start_shell(1, IDLE, option);
	ask(1, 1, HOST_PAUSE);
	wait_answers(1);
	expect(0, 1, ACT_UNAVAILABLE, "listens there, not VMM");
	/* Not a byte was sent to it. */
	taken = accept(sock, NULL, NULL);
	assert_true(taken >= 0);
	assert_int_equal(recv(taken, &byte, 1, MSG_DONTWAIT), 0);
	close(taken);
	close(sock);
}

static void test_power_off_without_monitor(void **state)
{
	need(!geteuid(), "root");
	start_shell(1, IDLE, "none");
	ask(1, 1, HOST_POWER_OFF);
	wait_answers(1);
	expect(0, 1, ACT_DONE, "(SIGTERM)");
	start_shell(2, "trap '' TERM; " IDLE, "none");
	ask(2, 2, HOST_POWER_OFF);
	wait_answers(2);
	expect(1, 2, ACT_DONE, "(SIGKILL)");
}

/* What is not certain to be the VMM is not touched. */
static void test_uncertain_vmm(void **state)
{
	need(!geteuid(), "root");
	start_shell(1, IDLE, "none");
	close(vmms[1].pidfd);
	vmms[1].pidfd = -1;
	ask(1, 1, HOST_POWER_OFF);
	wait_answers(1);
	expect(0, 1, ACT_UNAVAILABLE, "not certain");
	assert_int_equal(waitpid(vmms[1].pid, NULL, WNOHANG), 0);
	vmms[1].pidfd = dup(0);
}

static void test_gone(void **state)
{
	need(!geteuid(), "root");
	ask(1, 3, HOST_PAUSE);
	ask(2, 3, HOST_CONTAIN);
	wait_answers(2);
	expect(0, 1, ACT_NO_GUEST, "gone");
	expect(1, 2, ACT_NO_GUEST, "gone");
}

static void test_module_that_refuses(void **state)
{
	need(!geteuid(), "root");
	start_shell(1, IDLE, "none");
	ask(1, 1, HOST_CONTAIN);
	ask(2, 1, HOST_RELEASE);
	wait_answers(2);
	expect(0, 1, ACT_FAILED, "the module refuses");
	expect(1, 2, ACT_FAILED, "the module refuses");
}

/* An engine that comes back asked for none of it. */
static void test_forgotten(void **state)
{
	need(!geteuid(), "root");
	start_qemu(1);
	ask(1, 1, HOST_PAUSE);
	ask(2, 1, HOST_RESUME);
	acts_forget(acts);
	ask(3, 1, HOST_PAUSE);
	wait_answers(1);
	expect(0, 3, ACT_DONE, "did not run anyway");
}

static void test_what_is_no_act(void **state)
{
	struct m_act what = { .guest = 1, .verb = 99 };
	struct msg m;

	need(!geteuid(), "root");
	assert_int_equal(msg_encode(&m, &msg_act, 1, &what, -1), 0);
	assert_false(acts_take(acts, &m));
	what.verb = 0;
	assert_int_equal(msg_encode(&m, &msg_act, 1, &what, -1), 0);
	assert_false(acts_take(acts, &m));
	m.type = M_LOOK;
	assert_false(acts_take(acts, &m));
}

/* More than there is room for are answered too. */
static void test_flood(void **state)
{
	need(!geteuid(), "root");
	start_shell(1, IDLE, "none");
	for (unsigned i = 0; i < 1024; i++)
		ask(i + 1, 1, HOST_PAUSE);
	assert_int_equal(answers, 0);
	ask(5000, 1, HOST_PAUSE);
	assert_int_equal(answers, 1);
	expect(0, 5000, ACT_FAILED, "too many");
	ask(5001, 1, HOST_CONTAIN);
	expect(1, 5001, ACT_FAILED, "the module refuses");
	acts_forget(acts);
}

static unsigned children(void)
{
	char path[64], line[4096] = "";
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	f = fopen(path, "re");
	assert_non_null(f);
	if (fgets(line, sizeof(line), f))
		for (const char *at = line; (at = strchr(at, ' ')); at++)
			n++;
	fclose(f);
	return n;
}

/* One VMM of many guests fills two of the places that all share. */
static void test_many_guests_of_one(void **state)
{
	unsigned before;

	need(!geteuid(), "root");
	start_shell(1, IDLE, "none");
	before = children();
	for (unsigned i = 2; i < 34; i++)
		vmms[i] = vmms[1];
	for (unsigned i = 2; i < 34; i++)
		ask(i, i, HOST_PAUSE);
	assert_true(children() <= before + 2);	/* one of a test before may have gone */
	wait_answers(5);		/* each has its turn */
	memset(vmms + 2, 0, 32 * sizeof(vmms[0]));	/* the process is ended once */
	acts_forget(acts);
}

/* VMMs that take their time, as many as are asked at once, hold up no containment. */
static void test_module_waits_for_no_vmm(void **state)
{
	need(!geteuid(), "root");
	start_shell(1, IDLE, "none");
	for (unsigned i = 2; i < 35; i++)
		vmms[i] = vmms[1];
	for (unsigned i = 2; i < 34; i++)
		ask(i, i, HOST_PAUSE);
	ask(34, 34, HOST_CONTAIN);
	memset(vmms + 2, 0, 33 * sizeof(vmms[0]));	/* the process is ended once */
	assert_int_equal(answers, 1);
	expect(0, 34, ACT_FAILED, "the module refuses");
	acts_forget(acts);
}

/* Who looks for that socket waits where no signal ends him: neither the act nor others do. */
static void test_monitor_that_hangs(void **state)
{
	char option[96];
	uint64_t began = now_us();

	need(!geteuid() && fuse_server > 0, "root and FUSE");
	snprintf(option, sizeof(option), "unix:%s/hang,server=on", fuse_folder);
	start_shell(1, IDLE, option);
	ask(1, 1, HOST_PAUSE);
	ask(2, 1, HOST_CONTAIN);
	assert_int_equal(answers, 1);
	expect(0, 2, ACT_FAILED, "the module refuses");
	ask(3, 1, HOST_POWER_OFF);
	wait_answers(2);
	expect(1, 1, ACT_PARTLY, "too long");
	wait_answers(3);
	expect(2, 3, ACT_DONE, "(SIGTERM)");
	assert_true(now_us() - began < LIMIT_US / 2);
	fuse_end_server();
}

static void test_expand(void **state)
{
	char path[VMM_PATH];

	assert_true(monitor_expand("/run/%n.sock", "web-1", path));
	assert_string_equal(path, "/run/web-1.sock");
	assert_true(monitor_expand("/run/%n/%n", "a", path));
	assert_string_equal(path, "/run/a/a");
	assert_true(monitor_expand("/run/q%", "", path));
	assert_string_equal(path, "/run/q%");
	assert_false(monitor_expand("/run/%n", "", path));
	assert_false(monitor_expand("/run/%n", "../x", path));
	assert_false(monitor_expand("/run/%n", "a/b", path));
	assert_false(monitor_expand("/%n%n%n%n%n%n%n%n", "sixteen-letters.", path));
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_by_the_monitor), T(test_by_configuration), T(test_taken_monitor),
		T(test_socket_of_another), T(test_power_off_without_monitor),
		T(test_uncertain_vmm), T(test_gone), T(test_module_that_refuses),
		T(test_forgotten), T(test_what_is_no_act), T(test_flood), T(test_many_guests_of_one),
		T(test_module_waits_for_no_vmm),
		T(test_monitor_that_hangs),
		T(test_expand),
	};

	log_open("test_daemon_acts", false);
	return cmocka_run_group_tests(tests, setup, teardown);
}
