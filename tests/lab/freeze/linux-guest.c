// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * linux-guest PID QMP_SOCKET DUMP: both freezes on QEMU with a Linux guest of
 * two vCPUs that runs ticker.  QEMU must go on answering.  Prints TAP.
 */
#include "../device.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "ticker.h"

#define ANSWER_MS 5000		/* under emulation, beside other work */
#define DUMP_MS 30000		/* writes the guest's memory */

static struct kvm_warden_guest_info info;
static int guest, qmp;
static uint64_t page_gpa;

/* ---- QMP ---- */

/* Reads until the text has come, or an error, or time is up. */
static bool qmp_wait(const char *text, int ms)
{
	static char buf[65536];
	uint64_t end = now_us() + ms * 1000ull;
	size_t n = 0;

	while (n < sizeof(buf) - 1 && now_us() < end) {
		struct pollfd p = { .fd = qmp, .events = POLLIN };
		ssize_t got = poll(&p, 1, 100) == 1 ? read(qmp, buf + n, sizeof(buf) - 1 - n) : 0;

		if (got < 0 || (got == 0 && (p.revents & POLLHUP)))
			return false;
		n += got;
		buf[n] = 0;
		if (strstr(buf, text))
			return true;
		if (strstr(buf, "\"error\""))
			break;
	}
	printf("# QMP said: %.*s\n", (int)n, buf);
	return false;
}

static void qmp_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	qmp = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(qmp, (struct sockaddr *)&address, sizeof(address)) || !qmp_wait("\"QMP\"", ANSWER_MS) ||
	    write(qmp, "{\"execute\":\"qmp_capabilities\"}\n", 31) != 31 || !qmp_wait("\"return\"", ANSWER_MS))
		err(1, "QMP");
}

/* The answer has the text, within the bound. */
static void qmp_check(const char *command, const char *arguments, const char *text, int ms,
		      const char *what)
{
	uint64_t from = now_us();
	bool good;

	dprintf(qmp, "{\"execute\":\"%s\"%s%s}\n", command, *arguments ? ",\"arguments\":" : "", arguments);
	good = qmp_wait(text, ms);
	check(good, "%s: %s answers after %llu ms", what, command, (unsigned long long)(now_us() - from) / 1000);
}

/* ---- the guest ---- */

static bool is_mark(const uint8_t *bytes)
{
	for (unsigned int i = 0; i < sizeof(((struct page *)0)->mark); i++)
		if (bytes[i] != MARK(i))
			return false;
	return true;
}

static bool find_page(void)
{
	static uint8_t buf[1 << 20];
	struct kvm_warden_memslot slots[64];
	struct kvm_warden_memslots request = { .slots = (uintptr_t)slots, .count = 64 };

	if (ioctl(guest, KVM_WARDEN_MEMSLOTS, &request))
		err(1, "memslots");
	for (uint32_t i = 0; i < request.count; i++)
		for (uint64_t at = 0; at < slots[i].size; at += sizeof(buf)) {
			struct kvm_warden_segment s[sizeof(buf) / 4096];
			struct kvm_warden_read r = { .segments = (uintptr_t)s, .count = sizeof(buf) / 4096 };

			for (uint32_t p = 0; p < r.count; p++)
				s[p] = (struct kvm_warden_segment){ .gpa = slots[i].gpa + at + p * 4096,
					.buf = (uintptr_t)buf + p * 4096, .len = sizeof(struct page) };
			if (ioctl(guest, KVM_WARDEN_READ, &r))
				continue;
			for (uint32_t p = 0; p < r.count; p++)
				if (!s[p].error && is_mark(buf + p * 4096)) {
					page_gpa = s[p].gpa;
					return true;
				}
		}
	return false;
}

static struct page counted(void)
{
	struct page page = { 0 };

	if (!read_guest(guest, page_gpa, &page, sizeof(page)))
		errx(1, "cannot read the guest's counters");
	return page;
}

static bool stands(unsigned int us)
{
	struct page a = counted(), b;

	usleep(us);
	b = counted();
	return a.spins == b.spins && a.ticks == b.ticks;
}

/* Both, sooner or later: the emulated host has one CPU for them and everything else. */
static bool runs(void)
{
	struct page a = counted(), b = a;

	for (int i = 0; i < 400 && (a.spins == b.spins || a.ticks == b.ticks); i++) {
		usleep(50000);
		b = counted();
	}
	return a.spins != b.spins && a.ticks != b.ticks;
}

static void test_freezes(void)
{
	struct page before, at;
	struct kvm_warden_freeze f;
	uint64_t worst = 0, sum = 0, spins = 0;
	int bad = 0, parked = 0;

	/* A busy host's threads may take longer to rest than a freeze waits for them. */
	for (int i = 0, tries = 0; i < 20; i++) {
		before = counted();
		bad += freeze(guest, 200, &f) != 0;
		at = counted();
		bad += !stands(10000) || thaw(guest);
		usleep(100000);
		if (f.parked + f.outside < 2 && ++tries < 10) {
			i--;
			continue;
		}
		parked += f.parked + f.outside;
		sum += f.took_ns;
		spins += at.spins - before.spins;
		worst = f.took_ns > worst ? f.took_ns : worst;
	}
	check(!bad && parked == 40, "20 freezes: both counters stand, %d of 40 vCPUs at rest", parked);
	check(runs(), "and go on");
	printf("# linux guest: %llu us on average until both vCPUs stood, %llu at worst; %llu counts between request and answer\n",
	       (unsigned long long)sum / 20000, (unsigned long long)worst / 1000, (unsigned long long)spins / 20);
}

static void test_qmp(const char *dump)
{
	char arguments[256];
	struct stat st;

	check(!contain(info.guest, 0) && stands(300000), "contained: both counters stand");
	qmp_check("query-status", "", "\"running\"", ANSWER_MS, "contained");
	qmp_check("stop", "", "\"return\"", ANSWER_MS, "contained");
	qmp_check("query-status", "", "\"paused\"", ANSWER_MS, "contained");
	qmp_check("cont", "", "\"return\"", ANSWER_MS, "contained");
	check(stands(300000), "cont sets nothing free");
	snprintf(arguments, sizeof(arguments), "{\"paging\":false,\"protocol\":\"file:%s\"}", dump);
	qmp_check("dump-guest-memory", arguments, "\"return\"", DUMP_MS, "contained");
	check(!stat(dump, &st) && st.st_size > 64 << 20, "the dump has %lld MB", (long long)st.st_size >> 20);
	qmp_check("query-cpus-fast", "", "\"return\"", ANSWER_MS, "contained");
	check(stands(200000), "still nothing moves");
	check(!release(info.guest) && runs(), "released: both go on");
	qmp_check("stop", "", "\"return\"", ANSWER_MS, "running");
	check(!contain(info.guest, 0) && !release(info.guest), "a paused guest can be contained and released");
	qmp_check("cont", "", "\"return\"", ANSWER_MS, "running");
	check(runs(), "and runs after that");
}

static void test_quit(pid_t pid)
{
	uint64_t from = now_us();

	check(!contain(info.guest, 0), "contained for the end");
	qmp_check("quit", "", "\"return\"", ANSWER_MS, "contained");
	while (!kill(pid, 0) && now_us() - from < ANSWER_MS * 1000)
		usleep(10000);
	check(kill(pid, 0) && errno == ESRCH, "QEMU has ended, %llu ms after quit",
	      (unsigned long long)(now_us() - from) / 1000);
}

int main(int argc, char **argv)
{
	pid_t pid;

	if (argc != 4)
		errx(1, "usage: linux-guest PID QMP_SOCKET DUMP");
	pid = atoi(argv[1]);
	setlinebuf(stdout);
	open_control();
	for (int i = 0; i < 240 && !page_gpa; i++) {
		usleep(500000);
		if (kill(pid, 0))
			errx(1, "QEMU has ended");
		if (!guest && find_guest(pid, &info))
			guest = open_guest(info.guest);
		if (guest)
			find_page();
	}
	check(page_gpa != 0, "the guest is up and counts");
	check(find_guest(pid, &info) && info.vcpus == 2, "it has two vCPUs");
	check(runs(), "both counters run");
	qmp_connect(argv[2]);
	test_freezes();
	test_qmp(argv[3]);
	test_quit(pid);
	printf("1..%d\n", tests);
	return failures != 0;
}
