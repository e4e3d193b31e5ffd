// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * storm [--seed N] [--from N] [--count N]: random calls on every kind of fd that
 * the module gives out, while VMs come and go.  Call N is an ioctl or a read of one that
 * is open, perhaps after another call, and follows from the seed and N alone, so that a
 * run can be taken up where it ended: the last line on standard error names the place.
 *
 * Held: each call ends, with an error that it may have; nothing is written where
 * the caller did not point; what is read of watched writes is the guest's; and the
 * kernel and the guests are well afterwards.
 */
#include "memvm.h"

#include <getopt.h>
#include <setjmp.h>

#define ARENA (1u << 20)		/* where calls may write; a hole follows */
#define ARGUMENT 256u			/* at its end */
#define MEMORIES 8u
#define MAPS 8u
#define VM_LIFE 4000u			/* calls */
#define WRITTEN 0x2000u			/* by the guest, all the time */

/* Exits for ever, and writes between: KVM's emulator has the instruction. */
static const uint8_t writes[] = {
	0xff, 0x06, 0x00, 0x20,		/* inc word [WRITTEN] */
	0x0f, 0xa2,			/* cpuid */
	0xe6, 0x10,			/* out 0x10, al */
	0xeb, 0xf6,			/* again */
};

static uint64_t seed = 1, state;
static uint8_t *arena, *hole;
static struct vm vm;
static bool have_vm;
static int memories[MEMORIES];
static struct { uint8_t *at; size_t size; } maps[MAPS];
static unsigned long odd, calls_by_error[256], records;

static uint64_t rnd(void)		/* splitmix64 */
{
	uint64_t z = state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

static bool one_in(unsigned n)
{
	return rnd() % n == 0;
}

/* Small, at an edge, or anything. */
static uint64_t number(void)
{
	static const uint64_t edges[] = {
		0, 1, PAGE - 1, PAGE, RAM_SIZE - 1, RAM_SIZE, TOUCHED, HIGH_GPA, 0xffffffff, 1ull << 31,
		~0ull, ~0ull - PAGE, 1ull << 63, 1ull << 47, KVM_WARDEN_MAX_SEGMENT, KVM_WARDEN_MAX_SEGMENTS,
	};

	switch (rnd() % 4) {
	case 0: return rnd() % 16;
	case 1: return edges[rnd() % (sizeof(edges) / sizeof(*edges))];
	case 2: return rnd() % RAM_SIZE;
	default: return rnd();
	}
}

static uint64_t pointer(void)
{
	switch (rnd() % 16) {
	case 0: return 0;
	case 1: return rnd();
	case 2: return 0xffff888000000000ull + rnd() % (1u << 30);
	case 3: return (uintptr_t)hole - rnd() % 64;	/* runs into the hole */
	case 4: return (uintptr_t)hole;
	default: return (uintptr_t)arena + rnd() % (ARENA / 2);
	}
}

/* ---- arguments ---- */

static void fill_guest(void *arg)
{
	*(uint64_t *)arg = one_in(4) ? number() : have_vm ? vm.id - one_in(4) : 0;
}

static void fill_contain(void *arg)
{
	struct kvm_warden_contain *request = arg;

	fill_guest(arg);
	request->expiry_ms = one_in(8) ? number() : 1 + rnd() % 20;
}

static void fill_regs(void *arg)
{
	struct kvm_warden_regs *request = arg;

	request->vcpu = one_in(4) ? number() : 0;
	request->flags = one_in(2) ? KVM_WARDEN_REGS_FRESH : one_in(8) ? number() : 0;
}

static void fill_memslots(void *arg)
{
	struct kvm_warden_memslots *request = arg;

	request->slots = pointer();
	request->count = one_in(4) ? number() : rnd() % 8;
}

static void fill_read(void *arg)
{
	struct kvm_warden_read *request = arg;
	struct kvm_warden_segment *s = (void *)(arena + ARENA / 2);

	request->count = one_in(8) ? number() : rnd() % 8;
	request->flags = one_in(16) ? number() : one_in(8);
	request->segments = one_in(8) ? pointer() : (uintptr_t)s;
	for (int i = 0; i < 8; i++)
		s[i] = (struct kvm_warden_segment){
			.gpa = one_in(2) ? rnd() % RAM_SIZE : number(), .buf = pointer(),
			.len = one_in(8) ? number() : rnd() % (ARENA / 4), .reserved = one_in(32),
		};
}

static void fill_freeze(void *arg)
{
	((struct kvm_warden_freeze *)arg)->timeout_ms = one_in(8) ? number() : 1 + rnd() % 20;
}

static void fill_map(void *arg)
{
	struct kvm_warden_map *request = arg;

	request->gpa = one_in(4) ? number() : rnd() % (RAM_SIZE / PAGE) * PAGE;
	request->size = one_in(4) ? number() : (1 + rnd() % 64) * PAGE;
}

/* Few enough that the same is met again, to be ended or refused. */
static void fill_watch(void *arg)
{
	struct kvm_warden_watch *request = arg;

	request->gpa = one_in(8) ? number() : WRITTEN + rnd() % 2 * 8;
	request->len = one_in(8) ? number() : 8;
}

static void fill_nothing(void *arg)
{
}

/* What takes long is done once in so many times that it comes up. */
static const struct command {
	unsigned long number;
	void (*fill)(void *arg);
	unsigned rare;
} commands[] = {
	{ KVM_WARDEN_GET_INFO, fill_nothing, 1 },
	{ KVM_WARDEN_NEXT_GUEST, fill_guest, 1 },
	{ KVM_WARDEN_OPEN_GUEST, fill_guest, 1 },
	{ KVM_WARDEN_CONTAIN, fill_contain, 32 },
	{ KVM_WARDEN_RELEASE, fill_guest, 1 },
	{ KVM_WARDEN_TELL, fill_guest, 1 },
	{ KVM_WARDEN_GUEST_INFO, fill_nothing, 1 },
	{ KVM_WARDEN_REGS, fill_regs, 8 },
	{ KVM_WARDEN_MEMSLOTS, fill_memslots, 1 },
	{ KVM_WARDEN_READ, fill_read, 1 },
	{ KVM_WARDEN_FREEZE, fill_freeze, 32 },
	{ KVM_WARDEN_THAW, fill_nothing, 1 },
	{ KVM_WARDEN_MAP, fill_map, 1 },
	{ KVM_WARDEN_WATCH, fill_watch, 4 },
	{ KVM_WARDEN_UNWATCH, fill_watch, 8 },
};

static const struct command read_command = { KVM_WARDEN_READ, fill_read, 1 };

#define COMMANDS (sizeof(commands) / sizeof(*commands))

/* ---- calls ---- */

static bool is_among(int error, const int *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (error == list[i])
			return true;
	return false;
}

#define AMONG(error, list) is_among(error, list, sizeof(list) / sizeof(*(list)))

/* Of any call; of a watch; and of a read that is not to wait. */
static bool is_right(const char *what, unsigned long detail, int error)
{
	static const int rights[] = {
		0, EINVAL, EFAULT, ENOTTY, ENODEV, ENOENT, ENXIO, EPERM, EBUSY, EALREADY,
		EOPNOTSUPP, EACCES, EBADF, EMFILE, ENOMEM, ESPIPE, EEXIST, EOVERFLOW, ENOSYS,
	};
	static const int watches[] = { ENOSPC, ESHUTDOWN, EINTR };

	return AMONG(error, rights) ||
	       (detail == KVM_WARDEN_WATCH && AMONG(error, watches)) ||
	       (detail == KVM_WARDEN_UNWATCH && error == EINTR) ||
	       (!strcmp(what, "read") && error == EAGAIN);
}

static void note(const char *what, unsigned long detail, int error)
{
	calls_by_error[error & 255]++;
	if (is_right(what, detail, error))
		return;
	odd++;
	fprintf(stderr, "storm: %s %#lx: %s\n", what, detail, strerror(error));
}

/* A guest's fd must not wait for what may never come. */
static void never_wait(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void keep_fd(int fd)
{
	unsigned i = rnd() % MEMORIES;

	if (memories[i] >= 0)
		close(memories[i]);
	never_wait(fd);
	memories[i] = fd;
}

/* A read or ioctl of what is closed would never reach the module. */
static int any_fd(void)
{
	int memory = memories[rnd() % MEMORIES];

	switch (rnd() % 4) {
	case 0: return control;
	case 1: case 2: if (memory >= 0) return memory; /* fallthrough */
	default: return have_vm ? vm.guest : control;
	}
}

static void call_ioctl(void)
{
	const struct command *c = &commands[rnd() % COMMANDS];
	uint8_t *arg = arena + ARENA - ARGUMENT;
	unsigned long number;
	int fd, r;

	if (!one_in(c->rare))
		c = &read_command;
	number = c->number;
	fd = one_in(8) ? any_fd() : _IOC_NR(number) < 0x10 || !have_vm ? control : vm.guest;
	memset(arg, 0, ARGUMENT);
	c->fill(arg);
	if (one_in(8))
		arg[rnd() % 64] = rnd();
	if (one_in(32))
		number = (number & ~0xfful) | (rnd() & 0x3f);
	if (one_in(64))
		number = rnd();
	/* Whole, or all but its end behind the hole's edge. */
	if (one_in(32))
		arg = (uint8_t *)(uintptr_t)pointer();
	r = ioctl(fd, number, arg);
	note("ioctl", number, r < 0 ? errno : 0);
	if (r > 2 && (number == KVM_WARDEN_OPEN_GUEST || number == KVM_WARDEN_MAP))
		keep_fd(r);
}

static void call_mmap(void)
{
	unsigned i = rnd() % MAPS;
	size_t size = one_in(8) ? number() % (1ull << 30) : (1 + rnd() % 64) * PAGE;
	int prot = one_in(4) ? rnd() % 8 : PROT_READ;
	int flags = one_in(8) ? MAP_PRIVATE : MAP_SHARED;
	uint64_t at = one_in(4) ? number() & ~(uint64_t)(PAGE - 1) : rnd() % 8 * PAGE;

	if (maps[i].at)
		munmap(maps[i].at, maps[i].size);
	maps[i].at = mmap(NULL, size, prot, flags | (one_in(8) ? MAP_POPULATE : 0), any_fd(), at);
	maps[i].size = size;
	note("mmap", at, maps[i].at == MAP_FAILED ? errno : 0);
	if (maps[i].at == MAP_FAILED)
		maps[i].at = NULL;
}

static sigjmp_buf bus;

static void on_signal(int signal)
{
	siglongjmp(bus, 1);
}

static void touch_mapping(void)
{
	unsigned i = rnd() % MAPS;
	uint8_t *at = maps[i].at;

	if (!at)
		return;
	switch (rnd() % 5) {
	case 0: mprotect(at, maps[i].size, rnd() % 8); break;
	case 1: madvise(at, maps[i].size, rnd() % 26); break;
	case 2: note("mremap", 0, mremap(at, maps[i].size, maps[i].size + PAGE, 0) == MAP_FAILED ? 0 : EEXIST + 1000); break;
	default:
		if (!sigsetjmp(bus, 1))
			*(volatile uint8_t *)(at + rnd() % maps[i].size);
	}
}

/* Of this guest's, or the end of a watch, for a reason. */
static bool is_whole(const struct kvm_warden_write *w)
{
	if (w->flags & KVM_WARDEN_WRITE_ENDED)
		return !w->seq && !w->len && w->flags != KVM_WARDEN_WRITE_ENDED;
	return w->seq && w->gpa == WRITTEN && w->len == 2 && !w->flags && !w->reserved;
}

/* Room for some records, to what may be no memory; or any size. */
static void call_read(void)
{
	size_t size = one_in(4) ? number() % (ARENA / 4) : rnd() % 5 * sizeof(struct kvm_warden_write);
	uint8_t *at = (uint8_t *)(uintptr_t)pointer();
	ssize_t n = read(any_fd(), at, size);
	struct kvm_warden_write w;

	note("read", size, n < 0 ? errno : 0);
	if (n > 0 && n % sizeof(w))
		odd++;
	for (ssize_t i = 0; i < n; i += sizeof(w), records++) {
		memcpy(&w, at + i, sizeof(w));
		if (is_whole(&w))
			continue;
		odd++;
		fprintf(stderr, "storm: a record of flags %#x at %#llx\n", w.flags,
			(unsigned long long)w.gpa);
	}
}

static void call_other(void)
{
	struct pollfd p = { .fd = any_fd(), .events = rnd() };
	int fd = any_fd();

	switch (rnd() % 5) {
	case 0: note("poll", 0, poll(&p, 1, 0) < 0 ? errno : 0); break;
	case 1: note("write", 0, write(fd, arena, 64) < 0 ? errno : 0); break;
	case 2: note("lseek", 0, lseek(fd, number(), rnd() % 5) < 0 ? errno : 0); break;
	case 3: note("fcntl", 0, fcntl(fd, F_SETFL, O_NONBLOCK | (rnd() & O_APPEND)) < 0 ? errno : 0); break;
	case 4: keep_fd(-1); break;
	}
}

/* ---- the VMs ---- */

static void renew_vm(void)
{
	if (have_vm) {
		release(vm.id);
		end_vm(&vm);
	}
	have_vm = false;
	if (one_in(8))
		return;		/* calls on nothing */
	start_vm(&vm, one_in(2) ? MEMFD : ANONYMOUS, one_in(4));
	never_wait(vm.guest);
	have_vm = true;
}

static bool guest_is_well(void)
{
	struct kvm_warden_segment s;
	struct kvm_warden_guest_info a, b;

	/* Containments that chance asked for outlive this program, those of its neighbours too. */
	for (uint64_t id = 1; id <= vm.id; id++)
		release(id);
	thaw(vm.guest);
	find_guest(vm.pid, &a);
	usleep(300000);
	find_guest(vm.pid, &b);
	s = read_at(vm.guest, 0x3000, arena, PAGE, 0);
	return b.exits > a.exits && s.done == PAGE && pattern_holds(arena, 0x3000, PAGE);
}

/* Each round has one ioctl or read of the module's; now and then another call goes before it. */
static void one_round(void)
{
	switch (rnd() % 12) {
	case 0: call_mmap(); break;
	case 1: touch_mapping(); break;
	case 2: call_other(); break;
	}
	if (one_in(8))
		call_read();
	else
		call_ioctl();
}

static void storm(uint64_t from, uint64_t count)
{
	for (uint64_t n = from; n < from + count; n++) {
		if (n == from || n % VM_LIFE == 0) {
			state = seed * 0x100000001b3ull + n / VM_LIFE;
			renew_vm();
		}
		if (n % 10000 == 0)
			fprintf(stderr, "storm: seed %llu at %llu\n", (unsigned long long)seed,
				(unsigned long long)n);
		state = seed * 0x2545f4914f6cdd1dull ^ n;
		one_round();
	}
}

static bool has_watch(void)
{
	struct kvm_warden_info info = { 0 };

	return !ioctl(control, KVM_WARDEN_GET_INFO, &info) && info.features & KVM_WARDEN_FEATURE_WATCH;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' }, { "from", required_argument, NULL, 'f' },
		{ "count", required_argument, NULL, 'c' }, { 0 },
	};
	uint64_t from = 0, count = 20000;
	struct sigaction action = { .sa_handler = on_signal };
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) > 0)
		switch (option) {
		case 's': seed = strtoull(optarg, NULL, 0); break;
		case 'f': from = strtoull(optarg, NULL, 0); break;
		case 'c': count = strtoull(optarg, NULL, 0); break;
		default: return 2;
		}
	setlinebuf(stdout);
	vm_code.bytes = writes;
	vm_code.size = sizeof(writes);
	open_control();
	arena = mmap(NULL, ARENA + PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	hole = arena + ARENA;
	mprotect(hole, PAGE, PROT_NONE);
	for (unsigned i = 0; i < MEMORIES; i++)
		memories[i] = -1;
	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	storm(from, count);
	check(!odd, "calls %llu to %llu of seed %llu: each ends as it may",
	      (unsigned long long)from, (unsigned long long)(from + count - 1), (unsigned long long)seed);
	for (int error = 0; error < 256; error++)
		if (calls_by_error[error])
			printf("# %8lu %s\n", calls_by_error[error], error ? strerrorname_np(error) : "done");
	if (!has_watch())
		printf("# watched writes: skipped, the module was loaded without\n");
	else if (count >= 10000)
		check(records > 0, "%lu records of watched writes among them", records);
	if (!have_vm) {
		start_vm(&vm, MEMFD, false);
		have_vm = true;
	}
	check(guest_is_well(), "and the guest runs on, and is read");
	end_vm(&vm);
	printf("1..%d\n", tests);
	return failures != 0;
}
