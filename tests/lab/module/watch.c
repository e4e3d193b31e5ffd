// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * watch: the write watch, on guests that write in a loop.  Prints TAP.
 * watch off: the module was loaded without watch.  With KVM_RETRIES in the
 * environment KVM tries an instruction again that its emulator lacks.
 */
#include "vmm.h"

#define PAGE 0x40000u			/* of the second slot */
#define TRACING "/sys/kernel/tracing/"
#define SYS "/sys/kernel/kvm_warden/"

static const uint8_t writer[] = {
	0xb8, 0x00, 0x40, 0x8e, 0xd8, 0x8e, 0xc0,		/* mov ds and es, 0x4000 */
	0xc7, 0x06, 0x00, 0x01, 0x34, 0x12,			/* 0x1007: mov word [0x100], 0x1234 */
	0x66, 0xc7, 0x06, 0x04, 0x01, 0xef, 0xbe, 0xad, 0xde,	/* 0x100d: mov dword [0x104], 0xdeadbeef */
	0xc6, 0x06, 0x00, 0x08, 0x55,				/* mov byte [0x800], 0x55: beside it */
	0xc6, 0x06, 0x00, 0x10, 0x66,				/* mov byte [0x1000]: the next page */
	0xf0, 0x66, 0x83, 0x06, 0x08, 0x01, 0x01,		/* 0x1020: lock add dword [0x108], 1 */
	0xb9, 0x14, 0x00, 0xbf, 0x10, 0x01, 0xb0, 0x77,
	0xf3, 0xaa,						/* 0x102f: rep stosb: 20 bytes from 0x110 */
	0xe6, 0x10,						/* out: to the VMM */
	0xeb, 0xcb,						/* again */
};

/* x87 stores are not in KVM's emulator. */
static const uint8_t x87[] = {
	0xb8, 0x00, 0x40, 0x8e, 0xd8, 0xdb, 0xe3, 0xd9, 0xe8,	/* ds; fninit; fld1 */
	0xe6, 0x10,						/* out */
	0xd9, 0x16, 0x00, 0x01,					/* fst dword [0x100] */
	0xeb, 0xf8,						/* to the out */
};

/* 32-bit: each round walks the page tables anew. */
static const uint8_t walker[] = {
	0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8,			/* cr3 = cr3 */
	0xc6, 0x05, 0x00, 0x00, 0x04, 0x00, 0x01,		/* mov byte [0x40000], 1 */
	0xe6, 0x10, 0xeb, 0xef,					/* out; again */
};

static const struct program writes = { .code = writer, .size = sizeof(writer) };

/* ---- the requests ---- */

static int watch(int guest, uint64_t gpa, uint64_t len)
{
	struct kvm_warden_watch request = { .gpa = gpa, .len = len };

	return result(ioctl(guest, KVM_WARDEN_WATCH, &request));
}

/* Once the slot is there again: the VMM may be slow. */
static int watch_when_there(int guest, uint64_t gpa, uint64_t len)
{
	int r = watch(guest, gpa, len);

	for (int i = 0; i < 100 && r == ENXIO; i++) {
		usleep(30000);
		r = watch(guest, gpa, len);
	}
	return r;
}

static int unwatch(int guest, uint64_t gpa, uint64_t len)
{
	struct kvm_warden_watch request = { .gpa = gpa, .len = len };

	return result(ioctl(guest, KVM_WARDEN_UNWATCH, &request));
}

static short events_of(int guest, int timeout_ms)
{
	struct pollfd p = { .fd = guest, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1 ? p.revents : 0;
}

/* Reads until a record of that kind comes, 3 s at most. */
static bool ends(int guest, uint32_t why, uint64_t *ret_page)
{
	struct kvm_warden_write w;

	for (uint64_t limit = now_us() + 3000000; now_us() < limit;) {
		if (!(events_of(guest, 100) & POLLIN) || read(guest, &w, sizeof(w)) != sizeof(w))
			continue;
		if (w.flags & KVM_WARDEN_WRITE_ENDED) {
			*ret_page = w.gpa;
			if (w.flags != (KVM_WARDEN_WRITE_ENDED | why))
				printf("# ended with flags %#x\n", w.flags);
			return w.flags == (KVM_WARDEN_WRITE_ENDED | why);
		}
	}
	return false;
}

static uint64_t exits_of(int guest)
{
	struct kvm_warden_guest_info info = { 0 };

	ioctl(guest, KVM_WARDEN_GUEST_INFO, &info);
	return info.exits;
}

static bool runs(int guest)
{
	uint64_t before = exits_of(guest);

	for (int i = 0; i < 50 && exits_of(guest) <= before + 5; i++)
		usleep(100000);
	return exits_of(guest) > before + 5;
}

/* ---- what is seen ---- */

struct seen {
	bool word, dword, locked, other;
	unsigned int bytes;		/* of the string */
	uint32_t counter;
	uint64_t seq;
};

static void look(const struct kvm_warden_write *w, struct seen *seen)
{
	uint32_t value;

	memcpy(&value, w->data, sizeof(value));
	if (w->gpa == PAGE + 0x100 && w->len == 2 && w->rip == 0x1007 && (value & 0xffff) == 0x1234)
		seen->word = true;
	else if (w->gpa == PAGE + 0x104 && w->len == 4 && w->rip == 0x100d && value == 0xdeadbeef)
		seen->dword = true;
	else if (w->gpa == PAGE + 0x108 && w->len == 4 && w->rip == 0x1020) {
		seen->locked = !seen->counter || value == seen->counter + 1;
		seen->counter = value;
	} else if (w->gpa >= PAGE + 0x110 && w->gpa + w->len <= PAGE + 0x124 && w->data[0] == 0x77)
		seen->bytes |= ((1u << w->len) - 1) << (w->gpa - PAGE - 0x110);
	else
		seen->other = true;
	seen->seq = w->seq;
}

static void test_writes(void)
{
	struct kvm_warden_write w[64];
	struct seen seen = { 0 };
	struct vmm vmm;
	uint32_t value;
	char line[128];
	ssize_t n;

	vmm_start(&vmm, &writes);
	check(read(vmm.guest, w, sizeof(w)) < 0 && errno == EINVAL, "nothing to read before a watch");
	check(!watch(vmm.guest, PAGE + 0x100, 0x40), "64 bytes are watched");
	fcntl(vmm.guest, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 20; i++) {
		events_of(vmm.guest, 1000);
		n = read(vmm.guest, w, sizeof(w));
		for (ssize_t k = 0; k < n / (ssize_t)sizeof(w[0]); k++)
			look(&w[k], &seen);
	}
	check(seen.word, "mov of a word: address, length, bytes, and where it was done");
	check(seen.dword, "mov of a long");
	check(seen.locked, "lock add: each value it made (%u the last)", seen.counter);
	check(seen.bytes == 0xfffff, "rep stosb: all 20 bytes (%#x)", seen.bytes);
	check(!seen.other, "nothing else: not beside it in the page, not the next page");
	check(read_guest(vmm.guest, PAGE + 0x104, &value, 4) && value == 0xdeadbeef,
	      "the writes were done");
	check(strstr(file_text("/sys/kernel/debug/kvm_warden/watches"), " 0x40100 64 1 "), "debugfs knows");

	write_file("", TRACING "trace");
	write_file("1", TRACING "events/kvm_warden/kvm_warden_write/enable");
	usleep(300000);
	write_file("0", TRACING "events/kvm_warden/kvm_warden_write/enable");
	snprintf(line, sizeof(line), "value=0x%x rip=0x100d exit=0x400 data=0xdeadbeef len=4", PAGE + 0x104);
	check(strstr(file_text(TRACING "trace"), line), "the trace event says the same");

	usleep(1000000);
	n = read(vmm.guest, w, sizeof(w[0]));
	while (read(vmm.guest, w, sizeof(w)) > 0)
		;
	events_of(vmm.guest, 1000);
	n = read(vmm.guest, w, sizeof(w[0]));
	check(n == sizeof(w[0]) && w[0].lost > 0, "a slow reader is told what it lost (%llu)",
	      (unsigned long long)w[0].lost);
	check(!unwatch(vmm.guest, PAGE + 0x100, 0x40), "the watch ends");
	while (read(vmm.guest, w, sizeof(w)) > 0)
		;
	check(errno == EAGAIN && !events_of(vmm.guest, 300), "and no record comes any more");
	check(runs(vmm.guest), "the guest runs on");
	vmm_end(&vmm);
}

static void test_refusals(void)
{
	struct kvm_warden_watch request = { .gpa = PAGE, .len = 1, .flags = 1 };
	struct kvm_warden_write w;
	struct vmm vmm;
	int other;

	vmm_start(&vmm, &writes);
	other = open_guest(vmm.info.guest);
	check(watch(other, 0x30000, 1) == ENXIO && read(other, &w, sizeof(w)) < 0 && errno == EINVAL,
	      "a request that failed is no first watch, and leaves the place to the other fd");
	check(result(ioctl(vmm.guest, KVM_WARDEN_WATCH, &request)) == EINVAL, "flags are EINVAL");
	check(watch(vmm.guest, PAGE, 0) == EINVAL && watch(vmm.guest, ~0ull, 2) == EINVAL,
	      "no bytes, or an address that wraps, are EINVAL");
	check(watch(vmm.guest, 0, 1) == EINVAL, "the root of page tables is EINVAL");
	check(watch(vmm.guest, 0x30000, 1) == ENXIO && watch(vmm.guest, PAGE + 0xffff, 2) == ENXIO,
	      "what is no RAM, or half so, is ENXIO");
	check(watch(vmm.guest, PAGE, 17 << 12) == ENOSPC, "17 pages are ENOSPC");
	check(watch(vmm.guest, PAGE, ~0ull >> 1) == ENOSPC, "so are all");
	check(!watch(vmm.guest, PAGE, 15 << 12) && !watch(vmm.guest, PAGE + 8, 8), "16 are not");
	check(watch(vmm.guest, PAGE + 16, 8) == ENOSPC, "one page twice counts twice");
	check(watch(vmm.guest, PAGE + 8, 8) == EEXIST, "the same again is EEXIST");
	check(watch(other, PAGE, 1) == EBUSY, "another fd is EBUSY");
	check(unwatch(other, PAGE + 8, 8) == ENOENT && unwatch(vmm.guest, PAGE + 8, 9) == ENOENT,
	      "what is not watched is ENOENT");
	check(read(vmm.guest, &w, sizeof(w) - 1) < 0 && errno == EINVAL, "no room for a record is EINVAL");
	close(vmm.guest);
	usleep(50000);
	check(!watch(other, PAGE, 1), "with that fd its watch is gone");
	vmm.guest = other;
	vmm_end(&vmm);
}

/* ---- what ends a watch ---- */

static void test_slot(void)
{
	struct vmm vmm;
	uint64_t page;
	bool good = true;

	vmm_start(&vmm, &writes);
	for (int i = 0; i < 5; i++) {
		good = good && !watch_when_there(vmm.guest, PAGE + 0x100, 8);
		usleep(20000);
		kill(vmm.pid, SIGUSR2);
		good = good && ends(vmm.guest, KVM_WARDEN_WRITE_SLOT, &page) && page == PAGE;
	}
	check(good, "five times: a slot made anew ends the watch, which can begin again");
	check(runs(vmm.guest), "the guest runs on");
	vmm_end(&vmm);
}

static uint8_t byte_of(int guest, uint64_t gpa)
{
	uint8_t byte = 0;

	read_guest(guest, gpa, &byte, 1);
	return byte;
}

/* Writes alone are told, one of them after that time: what waits unread is older. */
static bool goes_on(int guest, unsigned int ms)
{
	struct kvm_warden_write w = { 0 };
	uint64_t begun = now_us();

	while (now_us() < begun + 30000000) {
		if (!(events_of(guest, 100) & POLLIN) || read(guest, &w, sizeof(w)) != sizeof(w))
			continue;
		if (w.flags)
			return false;
		if (w.time_ns / 1000 > begun + ms * 1000)
			return true;
	}
	return false;
}

/* From 6.5 on KVM refuses to move a slot while a page is tracked. */
static void test_moved_slot(void)
{
	static const struct program program = { .code = writer, .size = sizeof(writer), .moves = true };
	struct vmm vmm;
	uint64_t page;
	bool ended;

	vmm_start(&vmm, &program);
	check(!watch(vmm.guest, PAGE + 0x100, 8), "watched, in a slot that its VMM moves");
	kill(vmm.pid, SIGUSR2);
	for (int i = 0; i < 100 && !byte_of(vmm.guest, MOVES); i++)
		usleep(30000);
	if (byte_of(vmm.guest, MOVES) == 2) {
		check(goes_on(vmm.guest, 1000), "KVM refuses, and the watch goes on");
	} else {
		ended = ends(vmm.guest, KVM_WARDEN_WRITE_SLOT, &page) && page == PAGE;
		check(ended, "the move ends the watch");
		check(!watch_when_there(vmm.guest, PAGE + 0x100, 8), "which can begin again");
	}
	check(runs(vmm.guest), "the guest runs on");
	vmm_end(&vmm);
}

/* ---- huge pages ---- */

static int huge_pages(void)
{
	return atoi(file_text("/sys/kernel/debug/kvm/pages_2m"));
}

/* Until KVM has mapped the guest's memory so. */
static bool are_huge(bool wanted)
{
	for (int i = 0; i < 30; i++) {
		if (!!huge_pages() == wanted)
			return true;
		usleep(100000);
	}
	return false;
}

static void test_huge(void)
{
	static const struct program program = { .code = writer, .size = sizeof(writer), .huge = true };
	struct kvm_warden_write w[64];
	struct seen seen = { 0 };
	struct vmm vmm;

	vmm_start(&vmm, &program);
	check(are_huge(true), "KVM maps a guest's memory by a huge page");
	check(!watch(vmm.guest, PAGE + 0x100, 0x40), "64 bytes in it are watched");
	fcntl(vmm.guest, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 20; i++) {
		ssize_t n;

		events_of(vmm.guest, 1000);
		n = read(vmm.guest, w, sizeof(w));
		for (ssize_t k = 0; k < n / (ssize_t)sizeof(w[0]); k++)
			look(&w[k], &seen);
	}
	check(seen.word && seen.dword && seen.locked && seen.bytes == 0xfffff && !seen.other,
	      "each write to them is seen, and no other");
	check(are_huge(false), "the huge page is taken apart for it");
	check(!unwatch(vmm.guest, PAGE + 0x100, 0x40) && runs(vmm.guest), "the watch ends, the guest runs on");
	vmm_end(&vmm);
}

/* ---- what does not end a watch ---- */

/* KVM tells the end of a slot of any address space; we count in the first one. */
static void test_smm_slot(void)
{
	static const struct program program = { .code = writer, .size = sizeof(writer), .smm = true };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct vmm vmm;

	if (ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_MULTI_ADDRESS_SPACE) < 2) {
		printf("# a slot of SMM: skipped, this KVM has none\n");
		close(kvm);
		return;
	}
	close(kvm);
	vmm_start(&vmm, &program);
	check(!watch(vmm.guest, PAGE + 0x100, 8), "watched, beside a slot of SMM");
	for (int i = 1; i <= 3; i++) {
		kill(vmm.pid, SIGUSR2);
		for (int k = 0; k < 30 && byte_of(vmm.guest, SMM_ROUNDS) != i; k++)
			usleep(100000);
	}
	check(byte_of(vmm.guest, SMM_ROUNDS) == 3, "which is made and deleted three times");
	check(goes_on(vmm.guest, 1000), "the watch goes on");
	check(!unwatch(vmm.guest, PAGE + 0x100, 8), "until it is ended");
	vmm_end(&vmm);
}

static void test_stuck(void)
{
	static const struct program program = { .code = x87, .size = sizeof(x87) };
	uint32_t value = 0;
	uint64_t page;
	struct vmm vmm;

	if (!getenv("KVM_RETRIES")) {
		printf("# x87 stores: skipped, this kernel's KVM ends the VM\n");
		return;
	}
	vmm_start(&vmm, &program);
	check(!watch(vmm.guest, PAGE, 4096), "a page that x87 instructions store to");
	check(ends(vmm.guest, KVM_WARDEN_WRITE_STUCK, &page) && page == PAGE,
	      "KVM cannot emulate that: the page is let go, and told");
	check(runs(vmm.guest), "the guest runs on");
	check(read_guest(vmm.guest, PAGE + 0x100, &value, 4) && value == 0x3f800000, "its store was done");
	vmm_end(&vmm);
}

static void test_page_table(void)
{
	static const struct program program = { .code = walker, .size = sizeof(walker), .paged = true };
	uint64_t page;
	struct vmm vmm;

	vmm_start(&vmm, &program);
	check(watch(vmm.guest, 0x5000, 4) == EINVAL, "the root in CR3 is refused");
	check(!watch(vmm.guest, 0x6000, 4096), "a page table below it cannot be told apart");
	check(ends(vmm.guest, KVM_WARDEN_WRITE_PAGE_TABLE, &page) && page == 0x6000,
	      "the CPU's walk ends it, and that is told");
	check(runs(vmm.guest), "the guest runs on");
	vmm_end(&vmm);
}

static void test_switches(void)
{
	unsigned long long watches = times("watch"), detaches = times("detach");
	struct vmm vmm;
	uint64_t page;

	vmm_start(&vmm, &writes);
	usleep(400000);
	check(!watch(vmm.guest, PAGE, 4096) && times("watch") == watches + 1, "watched, and the time it took counted");
	write_file("0", SYS "enabled");
	check(ends(vmm.guest, KVM_WARDEN_WRITE_OFF, &page) && times("detach") == detaches + 1,
	      "hooks off ends it, and that is counted, too");
	check(watch(vmm.guest, PAGE, 4096) == ESHUTDOWN, "meanwhile none begins");
	write_file("1", SYS "enabled");
	check(!watch(vmm.guest, PAGE, 4096), "hooks on, one does");
	write_file("off", SYS "guests/%llu/level", (unsigned long long)vmm.info.guest);
	check(ends(vmm.guest, KVM_WARDEN_WRITE_OFF, &page) && watch(vmm.guest, PAGE, 4096) == EACCES,
	      "level off ends it");
	check(unwatch(vmm.guest, PAGE, 4096) == ENOENT, "then it is not watched");
	vmm_end(&vmm);
}

static bool kvm_is_free(void)
{
	for (int i = 0; i < 30; i++) {
		if (atoi(file_text("/sys/module/kvm_amd/refcnt")) == 0)
			return true;
		usleep(100000);
	}
	return false;
}

static void test_killed(void)
{
	int ended = 0, hung_up = 0;
	uint64_t page, last = 0, worst = 0;

	for (int i = 0; i < 20; i++) {
		struct kvm_warden_write w;
		struct vmm vmm;

		vmm_start(&vmm, &writes);
		if (watch(vmm.guest, PAGE, 4096 * 2))
			break;
		usleep(1000 * (i % 7));
		kill(vmm.pid, SIGKILL);
		waitpid(vmm.pid, NULL, 0);
		last = now_us();
		ended += ends(vmm.guest, KVM_WARDEN_WRITE_VM, &page);
		last = now_us() - last;
		worst = last > worst ? last : worst;
		fcntl(vmm.guest, F_SETFL, O_NONBLOCK);
		for (int k = 0; k < 30 && !(events_of(vmm.guest, 100) & POLLHUP); k++)
			while (read(vmm.guest, &w, sizeof(w)) > 0)
				;
		hung_up += !!(events_of(vmm.guest, 0) & POLLHUP);
		while (read(vmm.guest, &w, sizeof(w)) > 0)
			;
		hung_up += read(vmm.guest, &w, sizeof(w)) == 0;
		close(vmm.guest);
	}
	check(ended == 20, "20 VMMs killed while watched: the end is told (worst %llu us after)",
	      (unsigned long long)worst);
	check(hung_up == 40, "then the fd hangs up, and reads the end of file");
	check(kvm_is_free(), "and kvm_amd is held by nobody");
}

static void test_closed(void)
{
	static const struct program program = { .code = writer, .size = sizeof(writer), .vcpus = 2 };
	struct vmm vmm;
	int good = 0;

	vmm_start(&vmm, &program);
	for (int i = 0; i < 100; i++) {
		int guest = open_guest(vmm.info.guest);

		good += guest >= 0 && !watch(guest, PAGE, 4096);
		usleep(100 * (i % 10));
		close(guest);
	}
	check(good == 100, "100 fds closed while two vCPUs write");
	check(runs(vmm.guest), "the guest runs on");
	vmm_end(&vmm);
}

static int try_without(void)
{
	struct vmm vmm;

	vmm_start(&vmm, &writes);
	check(watch(vmm.guest, PAGE, 1) == EOPNOTSUPP, "where it is not allowed a watch is EOPNOTSUPP");
	vmm_end(&vmm);
	printf("1..%d\n", tests);
	return failures != 0;
}

int main(int argc, char **argv)
{
	setlinebuf(stdout);
	open_control();
	if (argc > 1)
		return try_without();
	test_writes();
	test_refusals();
	test_slot();
	test_moved_slot();
	test_huge();
	test_smm_slot();
	test_stuck();
	test_page_table();
	test_switches();
	test_killed();
	test_closed();
	printf("1..%d\n", tests);
	return failures != 0;
}
