// SPDX-License-Identifier: GPL-2.0-or-later
/* Acts on a real QEMU, and with monitors that do not behave. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/util.h"
#include "qmp/acts.h"
#include "test_qmp_vm.h"

#define SECOND 1000000000ull

static struct qmp q;
static struct m_acted acted;

/* ---- a real one ---- */

static void need_qemu(void)
{
	if (vm_exists())
		return;
	print_message("skipped: no %s\n", VM_PROGRAM);
	skip();
}

static pid_t start(const char *const *extra, bool pretty)
{
	char socket[96];
	const char *monitor[] = { pretty ? "-qmp-pretty" : "-qmp", socket, NULL };

	need_qemu();
	snprintf(vm_path, sizeof(vm_path), "/tmp/test-qmp-%d", getpid());
	snprintf(socket, sizeof(socket), "unix:%s,server=on,wait=off", vm_path);
	return vm_start(monitor, extra);
}

static void talk(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	if (qmp_open(&q, fd, qmp_now_ns() + 10 * SECOND, qmp_now_ns() + 60 * SECOND))
		fail_msg("%s", q.why);
}

static void hang_up(void)
{
	close(q.fd);
	qmp_close(&q);
}

static void expect(uint32_t verb, enum act_status status, const char *detail)
{
	act_run(&q, verb, &acted);
	if (acted.status != status || !strstr(acted.detail, detail))
		fail_msg("%s: status %u \"%s\", not %u \"%s\"", host_verb_name(verb),
			 acted.status, acted.detail, status, detail);
	assert_true(text_is_printable(acted.detail));
}

static void test_pause(void **state)
{
	pid_t vm = start(NULL, false);

	talk(vm_connect());
	expect(HOST_PAUSE, ACT_DONE, "paused by its VMM (state \"paused\")");
	expect(HOST_PAUSE, ACT_DONE, "did not run anyway");
	expect(HOST_RESUME, ACT_DONE, "runs again (state \"running\")");
	expect(HOST_RESUME, ACT_DONE, "was running");
	hang_up();
	vm_stop(vm);
}

/* A boot sector: mov dx, 0x604; mov ax, 0x2400; out dx, ax; cli; hlt.  ACPI's S3. */
static const unsigned char sleeper[512] = {
	0xba, 0x04, 0x06, 0xb8, 0x00, 0x24, 0xef, 0xfa, 0xf4, [510] = 0x55, 0xaa,
};

static bool is_running(void)
{
	json_t *value = NULL;
	bool running;

	assert_int_equal(qmp_execute(&q, "query-status", NULL, &value), 0);
	running = json_is_true(json_object_get(value, "running"));
	json_decref(value);
	return running;
}

/* Asleep it does not run, and wakes when it wants to: "did not run anyway" would be a lie. */
static void test_pause_of_a_sleeper(void **state)
{
	char disk[64], drive[96];
	const char *extra[] = { "-machine", "pc,accel=tcg", "-drive", drive, NULL };
	bool running = true;
	pid_t vm;
	FILE *f;

	snprintf(disk, sizeof(disk), "/tmp/test-qmp-%d.disk", getpid());
	snprintf(drive, sizeof(drive), "file=%s,format=raw", disk);
	f = fopen(disk, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(sleeper, sizeof(sleeper), 1, f), 1);
	fclose(f);
	vm = start(extra, false);
	talk(vm_connect());
	for (int ms = 0; ms < VM_WAIT_MS && running; ms += 50) {
		running = is_running();
		usleep(50000);
	}
	assert_false(running);
	act_run(&q, HOST_PAUSE, &acted);
	/* A QEMU since 9.0 holds it. */
	if (acted.status == ACT_DONE)
		assert_non_null(strstr(acted.detail, "\"paused\""));
	else
		assert_non_null(strstr(acted.detail, "by itself"));
	hang_up();
	vm_stop(vm);
	unlink(disk);
}

static void monitor(const char *command, char *out, size_t size)
{
	json_t *value = NULL;

	assert_int_equal(qmp_execute(&q, "human-monitor-command",
				     json_pack("{s:s}", "command-line", command), &value), 0);
	snprintf(out, size, "%s", json_string_value(value));
	json_decref(value);
}

/* Where the firmware put the registers of the first e1000. */
static unsigned e1000_registers(void)
{
	static char text[16384];
	unsigned bar = 0;

	for (int ms = 0; ms < VM_WAIT_MS && !bar; ms += 50) {
		const char *at;

		monitor("info pci", text, sizeof(text));
		at = strstr(text, "8086:100e");
		at = at ? strstr(at, "BAR0: 32 bit memory at ") : NULL;
		if (!at || sscanf(at, "BAR0: 32 bit memory at 0x%x [", &bar) != 1 || bar == ~0u)
			bar = 0;
		usleep(50000);
	}
	assert_int_not_equal(bar, 0);
	return bar;
}

/* "Link up" in the status register, as the guest's driver would read it. */
static bool e1000_link(unsigned registers)
{
	char command[64], text[128];
	unsigned status;

	snprintf(command, sizeof(command), "xp /1wx 0x%x", registers + 8);
	monitor(command, text, sizeof(text));
	assert_int_equal(sscanf(text, "%*x: 0x%x", &status), 1);
	return status & 2;
}

/*
 * Network devices with an id, without one, of the machine's own making, on a
 * hub; with a netdev of its own or a nameless one; and one that is connected to
 * nothing.
 */
static void test_links(void **state)
{
	static const char *const extra[] = {
		"-netdev", "user,id=a", "-device", "e1000,netdev=a,id=nic0",
		"-netdev", "user,id=b", "-device", "virtio-net-pci,netdev=b",
		"-nic", "user,model=e1000e",
		"-net", "nic,model=rtl8139", "-net", "user",
		"-device", "e1000,id=alone", NULL,
	};
	pid_t vm = start(extra, true);
	unsigned registers;

	talk(vm_connect());
	registers = e1000_registers();
	assert_true(e1000_link(registers));
	expect(HOST_LINK_DOWN, ACT_DONE, "4 of 4 links are down");
	assert_false(e1000_link(registers));
	expect(HOST_PAUSE, ACT_DONE, "paused");
	expect(HOST_LINK_UP, ACT_DONE, "4 of 4 links are up");
	expect(HOST_LINK_DOWN, ACT_DONE, "4 of 4 links are down");
	assert_false(e1000_link(registers));
	hang_up();
	vm_stop(vm);
}

static void test_no_network(void **state)
{
	pid_t vm = start(NULL, false);

	talk(vm_connect());
	/* A step that changes nothing is no answer: the next one has to follow. */
	expect(HOST_LINK_DOWN, ACT_FAILED, "no link that the VMM could cut");
	expect(HOST_LINK_UP, ACT_DONE, "0 of 0 links are up");
	hang_up();
	vm_stop(vm);
}

static void test_power_off(void **state)
{
	pid_t vm = start(NULL, false);
	int status;

	talk(vm_connect());
	expect(HOST_POWER_OFF, ACT_DONE, "quits");
	hang_up();
	assert_int_equal(waitpid(vm, &status, 0), vm);
	assert_true(WIFEXITED(status));
	unlink(vm_path);
}

static void test_monitor_that_is_taken(void **state)
{
	pid_t vm = start(NULL, false);
	int first = vm_connect(), second = vm_connect();
	uint64_t started = qmp_now_ns();

	assert_true(first >= 0 && second >= 0);
	assert_int_equal(qmp_open(&q, second, started + SECOND / 2, started + 10 * SECOND),
			 QMP_SILENT);
	assert_true(qmp_now_ns() - started < 9 * SECOND);	/* not the other limit */
	assert_non_null(strstr(q.why, "another client"));
	hang_up();
	close(first);
	vm_stop(vm);
}

/* ---- those that do not behave ---- */

static int peer;

static int setup_pair(void **state)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	peer = pair[1];
	q.fd = pair[0];
	fcntl(q.fd, F_SETFL, O_NONBLOCK);
	return 0;
}

static int teardown_pair(void **state)
{
	close(peer);
	hang_up();
	return 0;
}

#define HELLO "{\"QMP\":{\"version\":{},\"capabilities\":[]}}\r\n{\"return\":{},\"id\":1}\r\n"

static void say(const char *text)
{
	assert_int_equal(write(peer, text, strlen(text)), strlen(text));
}

static enum qmp_result open_pair(unsigned ms)
{
	uint64_t until = qmp_now_ns() + ms * 1000000ull;

	return qmp_open(&q, q.fd, until, until);
}

static void test_events_and_old_answers_are_passed_over(void **state)
{
	say(HELLO);
	say("{\"event\":\"STOP\",\"timestamp\":{}}\n{\"return\":{\"status\":\"lie\"},\"id\":1}\n"
	    "{\"return\":{\"running\":true}}\n{\"return\":{\"status\":\"x\"},\"id\":\"2\"}\n"
	    "{\"return\":{\"running\":false,\"status\":\"paused\"},\"id\":2}\n"
	    "{\"event\":\"RESUME\"}{\"return\":{\"running\":false,\"status\":\"paused\"},\"id\":3}");
	assert_int_equal(open_pair(1000), QMP_OK);
	expect(HOST_PAUSE, ACT_DONE, "did not run anyway");
}

static void test_refusals(void **state)
{
	say(HELLO);
	say("{\"id\":2,\"error\":{\"class\":\"GenericError\",\"desc\":\"no\\u0007\\u001b[2J\"}}");
	say("{\"id\":3,\"error\":{}}{\"id\":4,\"error\":5}");
	assert_int_equal(open_pair(1000), QMP_OK);
	expect(HOST_PAUSE, ACT_FAILED, "refuses query-status: no\\x07\\x1b[2J");
	expect(HOST_PAUSE, ACT_FAILED, "(no reason)");
	expect(HOST_POWER_OFF, ACT_FAILED, "(no reason)");
}

/* It says yes, and does nothing. */
static void test_liar(void **state)
{
	say(HELLO);
	say("{\"return\":{\"running\":true,\"status\":\"running\"},\"id\":2}{\"return\":{},\"id\":3}"
	    "{\"return\":{\"running\":true,\"status\":\"running\"},\"id\":4}");
	assert_int_equal(open_pair(1000), QMP_OK);
	expect(HOST_PAUSE, ACT_FAILED, "its state is \"running\"");
}

static void test_values_of_other_kinds(void **state)
{
	say(HELLO);
	say("{\"return\":5,\"id\":2}{\"return\":null,\"id\":3}");
	assert_int_equal(open_pair(1000), QMP_OK);
	expect(HOST_PAUSE, ACT_DONE, "state \"?\"");
	say("{\"return\":[1,{},{\"name\":5,\"type\":\"child<x>\"},{\"name\":\"n\",\"type\":7}],\"id\":4}"
	    "{\"return\":{},\"id\":5}{\"return\":\"x\",\"id\":6}");
	expect(HOST_LINK_DOWN, ACT_FAILED, "no link");
}

static void test_device_passed_through(void **state)
{
	say(HELLO);
	say("{\"return\":[{\"name\":\"nic\",\"type\":\"child<e1000>\"},"
	    "{\"name\":\"host\",\"type\":\"child<vfio-pci>\"}],\"id\":2}"
	    "{\"return\":\"a\",\"id\":3}{\"error\":{\"desc\":\"no such property\"},\"id\":4}"
	    "{\"return\":[],\"id\":5}{\"return\":[],\"id\":6}{\"return\":{},\"id\":7}");
	assert_int_equal(open_pair(1000), QMP_OK);
	expect(HOST_LINK_DOWN, ACT_PARTLY, "1 of 1 links are down; a device passed through");
}

static void test_no_qmp(void **state)
{
	say("220 mail.example.com ESMTP\r\n");
	assert_int_equal(open_pair(1000), QMP_BROKEN);
	assert_non_null(strstr(q.why, "does not speak QMP"));
}

static void test_no_greeting_but_an_object(void **state)
{
	say("{\"return\":{},\"id\":1}");
	assert_int_equal(open_pair(1000), QMP_BROKEN);
}

static void test_silence_in_the_middle(void **state)
{
	uint64_t started = qmp_now_ns();

	say(HELLO "{\"return\":{\"run");
	assert_int_equal(open_pair(400), QMP_OK);
	expect(HOST_PAUSE, ACT_FAILED, "did not answer in time");
	assert_true(qmp_now_ns() - started < 30 * SECOND);
}

static void test_hang_up(void **state)
{
	say(HELLO);
	assert_int_equal(open_pair(1000), QMP_OK);
	shutdown(peer, SHUT_RDWR);
	signal(SIGPIPE, SIG_IGN);
	expect(HOST_PAUSE, ACT_FAILED, "hung up");
}

/* Events without end: bytes are counted, whatever they say. */
static void test_flood(void **state)
{
	pid_t pid = child_fork();

	if (!pid) {
		say(HELLO);
		for (;;)
			say("{\"event\":\"RTC_CHANGE\",\"data\":{\"offset\":1}}\n");
	}
	assert_int_equal(open_pair(60000), QMP_OK);
	expect(HOST_PAUSE, ACT_FAILED, "more than it may");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup_pair, teardown_pair)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pause), cmocka_unit_test(test_pause_of_a_sleeper),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_no_network), cmocka_unit_test(test_power_off),
		cmocka_unit_test(test_monitor_that_is_taken),
		T(test_events_and_old_answers_are_passed_over), T(test_refusals), T(test_liar),
		T(test_values_of_other_kinds), T(test_device_passed_through), T(test_no_qmp), T(test_no_greeting_but_an_object),
		T(test_silence_in_the_middle), T(test_hang_up), T(test_flood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
