// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vcpus: both freezes on a VM of its own, each of whose vCPUs is hard to stop
 * in another way.  Prints TAP.
 * vcpus keep: leaves a VM behind that is contained, and prints its process id.
 * vcpus release PID: releases the VM of that process.
 */
#include "../device.h"
#include "../tinyvm.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define RAM 0xf000u
#define NO_RAM 0xf000u
#define COUNTERS 0x2000u	/* one a vCPU, 64 bytes apart */
#define MANY_FILES 70000	/* more than the module looks at */
#define TOP_FILE 80000
#define SERVED 0x2800u		/* by the VMM: MMIO exits of each vCPU */

/* vCPUs.  ADDED begins to exist later. */
enum { SPINS, HALTS, DOES_MMIO, REPEATS, ADDED, VCPUS };

/* 16-bit code.  The data segment begins at the vCPU's own counter. */
static const uint8_t spins[] = {
	0x66, 0xff, 0x06, 0x00, 0x00,	/* inc dword [0] */
	0xeb, 0xf9,			/* again */
};
static const uint8_t halts[] = {
	0xf4,				/* hlt: only an NMI wakes it */
	0xeb, 0xfd,
};
static const uint8_t does_mmio[] = {
	0x26, 0xa2, 0x00, 0xf0,		/* mov [es:0xf000], al: no RAM there */
	0x66, 0xff, 0x06, 0x00, 0x00,
	0xeb, 0xf5,
};
static const uint8_t repeats[] = {
	0xbf, 0x00, 0xf0,		/* mov di, 0xf000 */
	0xb9, 0xff, 0x0f,		/* mov cx, 0xfff */
	0xf3, 0xaa,			/* rep stosb */
	0x66, 0xff, 0x06, 0x00, 0x00,
	0xeb, 0xf1,
};
static const uint8_t nmi[] = {
	0x66, 0xff, 0x06, 0x00, 0x00,
	0xcf,				/* iret */
};

static const struct {
	const uint8_t *code;
	size_t size;
} programs[VCPUS] = {
	[SPINS] = { spins, sizeof(spins) }, [HALTS] = { halts, sizeof(halts) },
	[DOES_MMIO] = { does_mmio, sizeof(does_mmio) }, [REPEATS] = { repeats, sizeof(repeats) },
	[ADDED] = { spins, sizeof(spins) },
};

/* ---- the VMM, a child ---- */

static int vm_fd;
static uint8_t *ram;

static int make_vcpu(int i)
{
	int vcpu = tiny_vcpu(vm_fd, i, &(struct kvm_regs){
		.rip = TINY_CODE + i * 0x40, .rflags = 2, .rsp = 0x8000 + i * 0x400,
	});
	struct kvm_mp_state runnable = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs = tiny_sregs(vcpu);
	struct kvm_lapic_state lapic;

	if (ioctl(vcpu, KVM_GET_LAPIC, &lapic))
		err(1, "vCPU %d", i);
	lapic.regs[0xf1] |= 1;		/* enabled: KVM finds it by its id from then on */
	sregs.ds.base = COUNTERS + i * 64;
	sregs.ds.selector = sregs.ds.base >> 4;
	tiny_set_sregs(vcpu, &sregs);
	if (ioctl(vcpu, KVM_SET_LAPIC, &lapic) || ioctl(vcpu, KVM_SET_MP_STATE, &runnable))
		err(1, "vCPU %d: state", i);
	return vcpu;
}

static void *run_vcpu(void *arg)
{
	int i = (intptr_t)arg, vcpu = make_vcpu(i);
	struct kvm_run *run = tiny_map_run(vcpu);
	volatile uint32_t *served = (uint32_t *)(ram + SERVED + i * 64);

	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0)) {
			if (errno == EBADF)
				pause();	/* SIGHUP closed it */
			if (errno != EINTR && errno != EAGAIN)
				err(1, "KVM_RUN");
		} else if (run->exit_reason == KVM_EXIT_MMIO) {
			++*served;
		} else {
			errx(1, "vCPU %d: exit %u", i, run->exit_reason);
		}
	}
}

static void start_vcpu(int i)
{
	pthread_t thread;

	pthread_create(&thread, NULL, run_vcpu, (void *)(intptr_t)i);
}

static void wake_halted(void)
{
	struct kvm_msi nmi = { .address_lo = 0xfee00000 | HALTS << 12, .data = 0x400 };

	if (ioctl(vm_fd, KVM_SIGNAL_MSI, &nmi) != 1)
		err(1, "NMI");
}

/*
 * The VM's file behind more than the module looks at; the second time, alone again.
 * The module remembers where it found it last: it goes there once they are many.
 */
static void bury(void)
{
	const struct rlimit limit = { TOP_FILE + 1, TOP_FILE + 1 };
	static bool buried;
	int first, fd;

	if (buried) {
		close_range(3, TOP_FILE - 1, 0);
		return;
	}
	buried = true;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		err(1, "so many files");
	first = fd = dup(0);
	while (fd >= 0 && fd < MANY_FILES)
		fd = dup(0);
	if (fd < 0 || dup2(vm_fd, TOP_FILE) < 0)
		err(1, "so many files");
	for (fd = 3; fd < first; fd++)
		dup2(0, fd);
}

/*
 * SIGUSR1: one more vCPU.  SIGUSR2: an NMI for the halted one.  SIGHUP: the files go.
 * SIGTERM: the VM's file is buried, or dug out.
 */
static void be_vmm(int ready)
{
	sigset_t set;
	int signal;

	vm_fd = tiny_vm();
	ram = tiny_ram(RAM, MAP_SHARED);
	tiny_slot(vm_fd, 0, 0, RAM, ram);
	if (ioctl(vm_fd, KVM_CREATE_IRQCHIP))
		err(1, "VM");
	for (int i = 0; i < VCPUS; i++)
		memcpy(ram + TINY_CODE + i * 0x40, programs[i].code, programs[i].size);
	memcpy(ram + 0x1800, nmi, sizeof(nmi));
	ram[2 * 4 + 1] = 0x18;		/* vector 2 */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < ADDED; i++)
		start_vcpu(i);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	while (!sigwait(&set, &signal)) {
		if (signal == SIGUSR1)
			start_vcpu(ADDED);
		else if (signal == SIGUSR2)
			wake_halted();
		else if (signal == SIGTERM)
			bury();
		else
			close_range(3, ~0u, 0);
	}
}

static pid_t start_vmm(void)
{
	int fds[2];
	pid_t pid;
	char byte;

	if (pipe(fds))
		err(1, "pipe");
	pid = fork();
	if (pid == 0) {
		dup2(2, 1);		/* whoever reads what keep prints must see its end */
		close(control);
		be_vmm(fds[1]);
		_exit(1);
	}
	close(fds[1]);
	if (read(fds[0], &byte, 1) != 1)
		errx(1, "the VM did not start");
	close(fds[0]);
	usleep(500000);
	return pid;
}

static void end_vmm(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- the tests ---- */

struct counters {
	uint32_t of[VCPUS], served[VCPUS];
};

static pid_t vmm;
static int guest;
static struct kvm_warden_guest_info info;

static struct counters counters(void)
{
	uint8_t page[0x1000];
	struct counters c = { 0 };

	if (!read_guest(guest, COUNTERS, page, sizeof(page)))
		errx(1, "cannot read the counters");
	for (int i = 0; i < VCPUS; i++) {
		memcpy(&c.of[i], page + i * 64, 4);
		memcpy(&c.served[i], page + SERVED - COUNTERS + i * 64, 4);
	}
	return c;
}

/* Which vCPUs have counted in that time, as a mask. */
static unsigned int busy(unsigned int us)
{
	struct counters a = counters(), b;
	unsigned int mask = 0;

	usleep(us);
	b = counters();
	for (int i = 0; i < VCPUS; i++)
		mask |= (a.of[i] != b.of[i] || a.served[i] != b.served[i]) << i;
	return mask;
}

/* All of these: one emulated CPU takes its time to come round to each. */
static bool go_on(unsigned int wanted)
{
	unsigned int seen = 0;

	for (int i = 0; i < 100 && (seen & wanted) != wanted; i++)
		seen |= busy(20000);
	return (seen & wanted) == wanted;
}

/* An instruction whose I/O the VMM is carrying out may end, a repeated one in 1,024 rounds. */
static bool still(unsigned int us)
{
	struct counters a = counters(), b;

	usleep(us);
	b = counters();
	return !memcmp(a.of, b.of, sizeof(a.of)) && b.served[DOES_MMIO] - a.served[DOES_MMIO] <= 1 &&
	       b.served[REPEATS] - a.served[REPEATS] <= 1024;
}

#define BUSY (1u << SPINS | 1u << DOES_MMIO | 1u << REPEATS)

static uint32_t flags(void)
{
	struct kvm_warden_guest_info now = { .guest = info.guest - 1 };

	return ioctl(control, KVM_WARDEN_NEXT_GUEST, &now) ? ~0u : now.flags;
}

/* Its beginning, for one use at a time. */
static const char *file_text(const char *format, va_list args)
{
	static char text[512];
	char path[128];
	ssize_t n;
	int fd;

	vsnprintf(path, sizeof(path), format, args);
	fd = open(path, O_RDONLY);
	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	text[n < 0 ? 0 : n] = 0;
	if (fd >= 0)
		close(fd);
	return text;
}

static bool file_says(const char *want, const char *format, ...)
{
	va_list args;
	bool says;

	va_start(args, format);
	says = strstr(file_text(format, args), want);
	va_end(args);
	return says;
}

static bool file_is(const char *want, const char *format, ...)
{
	va_list args;
	bool is;

	va_start(args, format);
	is = !strcmp(file_text(format, args), want);
	va_end(args);
	return is;
}

static bool write_switch(const char *value)
{
	int fd = open("/sys/kernel/kvm_warden/enabled", O_WRONLY);
	bool good = fd >= 0 && write(fd, value, 1) == 1;

	close(fd);
	return good;
}

static void begin(void)
{
	vmm = start_vmm();
	if (!find_guest(vmm, &info))
		errx(1, "the VM is no guest");
	guest = open_guest(info.guest);
	usleep(300000);
}

static void end(void)
{
	end_vmm(vmm);
	close(guest);
}

static void test_arguments(void)
{
	struct kvm_warden_freeze f = { .timeout_ms = KVM_WARDEN_FREEZE_MAX_MS + 1 };
	struct kvm_warden_contain c = { .guest = info.guest, .flags = 1 };

	check(result(ioctl(guest, KVM_WARDEN_FREEZE, &f)) == EINVAL, "a freeze of more than a second is EINVAL");
	f = (struct kvm_warden_freeze){ .flags = 1 };
	check(result(ioctl(guest, KVM_WARDEN_FREEZE, &f)) == EINVAL, "freeze flags are EINVAL");
	f = (struct kvm_warden_freeze){ .reserved = { 0, 1 } };
	check(result(ioctl(guest, KVM_WARDEN_FREEZE, &f)) == EINVAL, "a reserved field is EINVAL");
	check(result(ioctl(guest, KVM_WARDEN_FREEZE, (void *)8)) == EFAULT, "a bad pointer is EFAULT");
	check(thaw(guest) == ENOENT, "nothing to thaw is ENOENT");
	check(result(ioctl(control, KVM_WARDEN_CONTAIN, &c)) == EINVAL, "containment flags are EINVAL");
	c = (struct kvm_warden_contain){ .guest = info.guest, .reserved = 1 };
	check(result(ioctl(control, KVM_WARDEN_RELEASE, &c)) == EINVAL, "and so is its reserved field");
	check(contain(999999, 0) == ENOENT && release(999999) == ENOENT, "a guest that is not is ENOENT");
	check(release(info.guest) == ENOENT, "nothing to release is ENOENT");
	c = (struct kvm_warden_contain){ .guest = info.guest };
	check(result(ioctl(guest, KVM_WARDEN_CONTAIN, &c)) == ENOTTY, "a guest fd cannot contain");
	check(result(ioctl(control, KVM_WARDEN_FREEZE, &f)) == ENOTTY, "the control device cannot freeze");
	check(go_on(BUSY) && !flags(), "and all that stopped nothing");
	kill(vmm, SIGUSR2);
	usleep(100000);
	check(counters().of[HALTS] == 1, "an NMI wakes the halted vCPU (%u)", counters().of[HALTS]);
}

/* How far each vCPU came between the request and its answer, and after that. */
static void test_freeze(void)
{
	struct counters before, at, after;
	struct kvm_warden_freeze f, unless_told;
	uint64_t asked;
	int r;

	before = counters();
	asked = now_us();
	/* They have a quarter of it to come to rest, which is little on a slow host. */
	r = freeze(guest, KVM_WARDEN_FREEZE_MAX_MS / 2, &f);
	asked = now_us() - asked;
	at = counters();
	usleep(30000);
	after = counters();
	check(!r && f.vcpus == 4 && f.parked + f.outside == 4,
	      "frozen: of %u vCPUs %u parked or halted, %u in the VMM", f.vcpus, f.parked, f.outside);
	check(!memcmp(&at.of, &after.of, sizeof(at.of)), "no counter moves");
	check(flags() == KVM_WARDEN_GUEST_FROZEN, "the flag tells");
	check(freeze(guest, 10, &(struct kvm_warden_freeze){ 0 }) == EALREADY, "a second freeze is EALREADY");
	check(!thaw(guest) && !flags(), "thawed");
	check(!freeze(guest, 0, &unless_told) && unless_told.timeout_ms == KVM_WARDEN_FREEZE_DEFAULT_MS &&
	      !thaw(guest), "for %u ms unless told", unless_told.timeout_ms);
	check(go_on(BUSY), "and it goes on");
	printf("# freeze: %llu us until the last vCPU stood, %llu us in all; %u increments of the one that spins, %u MMIO exits after the request\n",
	       (unsigned long long)f.took_ns / 1000, (unsigned long long)asked,
	       at.of[SPINS] - before.of[SPINS], at.served[DOES_MMIO] - before.served[DOES_MMIO]);
}

/* Of debugfs: how many ask for kvm_entry, and whether it is attached. */
static bool entry_hook_is(const char *want)
{
	char line[32];

	snprintf(line, sizeof(line), "\nkvm_entry %s\n", want);
	return file_says(line, "/sys/kernel/debug/kvm_warden/hooks");
}

/* Every vCPU's entry costs something only while somebody wants it stopped. */
static void test_entry_hook(void)
{
	struct kvm_warden_freeze f;
	uint64_t thawed;

	check(entry_hook_is("0 0"), "kvm_entry is not attached while nothing is stopped");
	check(!freeze(guest, KVM_WARDEN_FREEZE_MAX_MS, &f) && entry_hook_is("1 1"), "a freeze attaches it");
	check(!thaw(guest) && entry_hook_is("0 1"), "it stays for a moment after that");
	thawed = now_us();
	while (!entry_hook_is("0 0") && now_us() < thawed + 10000000)
		usleep(50000);
	check(entry_hook_is("0 0"), "and is gone, %llu ms later", (unsigned long long)(now_us() - thawed) / 1000);
	check(go_on(BUSY), "the guest runs on");
}

static void test_freeze_ends(void)
{
	struct kvm_warden_freeze f;
	int other = open_guest(info.guest), r;
	pid_t holder;

	r = freeze(guest, 50, &f);
	check(!r && still(10000) && thaw(other) == ENOENT, "another fd cannot thaw it");
	usleep(120000);
	check(!flags() && go_on(BUSY), "it ends by itself");
	check(thaw(guest) == ENOENT, "its holder is told so");
	r = freeze(other, 400, &f);
	check(!r && still(10000), "another fd may then freeze it");
	close(other);
	check(!flags() && go_on(BUSY), "and its close ends that");
	holder = fork();
	if (holder == 0) {
		int mine = open_guest(info.guest);

		_exit(freeze(mine, 400, &f) ? 1 : (pause(), 0));
	}
	usleep(50000);
	check(flags() == KVM_WARDEN_GUEST_FROZEN, "frozen by another process");
	kill(holder, SIGKILL);
	waitpid(holder, NULL, 0);
	check(!flags() && go_on(BUSY), "whose death ends it");
}

static void test_cycles(void)
{
	struct kvm_warden_freeze f;
	uint64_t worst = 0, sum = 0, from = now_us();
	int refusals = 0, moves = 0, ended = 0;

	for (int n = 0; n < 50; n++) {
		struct counters a, b;

		refusals += freeze(guest, 100, &f) != 0;
		a = counters();
		b = counters();
		moves += memcmp(a.of, b.of, sizeof(a.of)) != 0;
		ended += thaw(guest) != 0;
		sum += f.took_ns;
		if (f.took_ns > worst)
			worst = f.took_ns;
	}
	check(!refusals && !moves && !ended, "50 times frozen and thawed at once: %d refused, %d moved, %d ended before",
	      refusals, moves, ended);
	check(go_on(BUSY), "and it goes on");
	printf("# cycles: 50 in %llu ms; %llu us on average until all stood, %llu at worst\n",
	       (unsigned long long)(now_us() - from) / 1000, (unsigned long long)sum / 50000,
	       (unsigned long long)worst / 1000);
}

static void test_budget(void)
{
	struct kvm_warden_freeze f;
	uint64_t held = 0, took, from = now_us();
	int r, refusals = 0, freezes = 0;

	do {
		r = freeze(guest, 200, &f);
		if (r == EBUSY) {
			refusals++;
			usleep(20000);
		} else {
			uint64_t since = now_us();

			while (flags() & KVM_WARDEN_GUEST_FROZEN)
				usleep(2000);
			held += now_us() - since;
			freezes++;
		}
	} while (now_us() - from < 5000000 || r != EBUSY);
	took = now_us() - from;
	check(refusals > 0, "a greedy observer is EBUSY");
	check(f.wait_ns && f.wait_ns <= 200ull * 1000000 * KVM_WARDEN_FREEZE_SHARE,
	      "and told how long (%llu ms)", (unsigned long long)f.wait_ns / 1000000);
	/* What is saved, a share of the time, the last one; each ends late on a busy host. */
	check(held < 1000000 + took / KVM_WARDEN_FREEZE_SHARE + 200000 + freezes * 100000,
	      "it held the guest %llu ms of %llu, in %d freezes", (unsigned long long)held / 1000,
	      (unsigned long long)took / 1000, freezes);
	check(go_on(BUSY), "which runs on");
	usleep(f.wait_ns / 1000 + 100000);
	check(!freeze(guest, 200, &f) && !thaw(guest), "after the wait it is granted again");
}

/* What debugfs has of each vCPU, by reason; false: a line of another vCPU, or twice. */
static bool exits_of_vcpus(uint64_t *ret_exits)
{
	FILE *file = fopen("/sys/kernel/debug/kvm_warden/exits", "r");
	unsigned long long id, exits;
	unsigned int vcpu, reason, lines = 0, last = ~0u, last_vcpu = ~0u;
	bool good = true;
	char line[128];

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%llu %u 0x%x %llu", &id, &vcpu, &reason, &exits) != 4 ||
		    id != info.guest)
			continue;
		good = good && vcpu < VCPUS && !(vcpu == last_vcpu && reason == last) && exits;
		if (good)
			ret_exits[vcpu] += exits;
		last = reason;
		last_vcpu = vcpu;
		lines++;
	}
	if (file)
		fclose(file);
	return good && lines;
}

/* While nothing moves: each vCPU's exits by reason are the guest's exits, to the unit. */
static void test_exits(void)
{
	uint64_t exits[VCPUS] = { 0 }, sum = 0;
	struct kvm_warden_guest_info now;
	char all[32];
	bool good = exits_of_vcpus(exits), each = true;

	for (int i = 0; i < VCPUS; i++) {
		sum += exits[i];
		each = each && (exits[i] > 0) == (i < ADDED);
	}
	check(good && each, "debugfs has exits of each vCPU (%llu %llu %llu %llu)",
	      (unsigned long long)exits[0], (unsigned long long)exits[1],
	      (unsigned long long)exits[2], (unsigned long long)exits[3]);
	snprintf(all, sizeof(all), "%llu\n", (unsigned long long)sum);
	check(file_is(all, "/sys/kernel/kvm_warden/guests/%llu/exits", (unsigned long long)info.guest) &&
	      find_guest(vmm, &now) && now.exits == sum, "their sum is the guest's, in sysfs too (%llu)",
	      (unsigned long long)sum);
}

static void test_contain(void)
{
	struct counters before = counters(), at, after;
	uint64_t asked = now_us();
	struct kvm_warden_freeze f;
	int r = contain(info.guest, 0);

	asked = now_us() - asked;
	at = counters();
	usleep(200000);
	after = counters();
	check(!r && !memcmp(at.of, after.of, sizeof(at.of)), "contained: no counter moves");
	check(after.served[REPEATS] - at.served[REPEATS] <= 1024 &&
	      after.served[DOES_MMIO] - at.served[DOES_MMIO] <= 1,
	      "an instruction under way ends: %u rounds of rep stosb, %u stores",
	      after.served[REPEATS] - at.served[REPEATS], after.served[DOES_MMIO] - at.served[DOES_MMIO]);
	check(busy(200000) == 0, "then nothing moves at all");
	test_exits();
	check(flags() == KVM_WARDEN_GUEST_CONTAINED, "the flag tells");
	check(file_says("1", "/sys/kernel/kvm_warden/guests/%llu/contained", (unsigned long long)info.guest),
	      "sysfs tells");
	check(file_says(" 1 0 1 ", "/sys/kernel/debug/kvm_warden/freezes"), "debugfs tells");
	printf("# containment: %llu us; %u increments of the one that spins after the request\n",
	       (unsigned long long)asked, at.of[SPINS] - before.of[SPINS]);
	close(control);
	open_control();
	check(find_guest(vmm, &info) && info.flags == KVM_WARDEN_GUEST_CONTAINED && still(50000),
	      "it outlives the fd and is found again");
	r = freeze(guest, 50, &f);
	check(!r && f.parked == 4 && flags() == (KVM_WARDEN_GUEST_CONTAINED | KVM_WARDEN_GUEST_FROZEN),
	      "a freeze comes on top: %u parked", f.parked);
	check(!thaw(guest) && still(50000), "and its end sets nothing free");
}

static void test_halted(void)
{
	uint32_t before = counters().of[HALTS];

	kill(vmm, SIGUSR2);
	usleep(100000);
	check(counters().of[HALTS] == before, "a halted vCPU that is woken runs nothing");
}

static void test_added(void)
{
	struct kvm_warden_freeze f;
	int r;

	kill(vmm, SIGUSR1);
	/* A slow host has it a while later. */
	for (int i = 0; i < 50; i++) {
		usleep(100000);
		r = freeze(guest, 50, &f);
		if (r || thaw(guest) || f.vcpus == 5)
			break;
	}
	check(counters().of[ADDED] == 0, "a vCPU that is added runs nothing");
	check(!r && f.vcpus == 5 && f.parked == 5, "it is counted: %u of %u parked",
	      f.parked, f.vcpus);
}

/* Threads that a signal makes leave KVM_RUN again and again spend little time. */
static void test_stopped_by_signal(void)
{
	char path[64];
	unsigned long ticks[2][2] = { 0 };

	snprintf(path, sizeof(path), "/proc/%d/stat", vmm);
	kill(vmm, SIGSTOP);
	for (int i = 0; i < 2; i++) {
		FILE *file = fopen(path, "r");

		if (!file || fscanf(file, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				    &ticks[i][0], &ticks[i][1]) != 2)
			errx(1, "%s", path);
		fclose(file);
		usleep(300000);
	}
	check(ticks[1][0] + ticks[1][1] - ticks[0][0] - ticks[0][1] <= 2,
	      "SIGSTOP stops the VMM; it does not spin");
	kill(vmm, SIGCONT);
	check(still(50000), "SIGCONT sets no vCPU free");
}

static void test_switched_off(void)
{
	struct kvm_warden_freeze f;

	check(write_switch("0") && still(100000), "switched off, it stays contained");
	check(file_says("stopped guests stay stopped", "/sys/kernel/kvm_warden/state"), "and the state says so");
	check(freeze(guest, 10, &f) == ESHUTDOWN, "a new freeze is ESHUTDOWN");
	check(!release(info.guest) && go_on(BUSY), "release works");
	check(contain(info.guest, 0) == ESHUTDOWN, "a new containment is ESHUTDOWN");
	check(write_switch("1") && !contain(info.guest, 0) && still(50000), "switched on, it works again");
}

/* kvm takes one vendor: the other's module comes in vain, and goes. */
static void test_other_vendor(void)
{
	check(system("modprobe -d $LAB_KERNEL/root kvm_intel 2>/dev/null; ! grep -q ^kvm_intel /proc/modules") == 0 &&
	      still(100000) && flags() & KVM_WARDEN_GUEST_CONTAINED, "the other vendor's module sets no vCPU free");
}

static void test_release(void)
{
	check(!release(info.guest) && !flags(), "released");
	check(release(info.guest) == ENOENT, "once");
	check(go_on(BUSY | 1u << ADDED), "all go on, and the added one begins");
	check(counters().of[HALTS] == 2, "what had woken the halted one was not lost");
}

static void test_expiry(void)
{
	uint64_t from = now_us();

	check(!contain(info.guest, 60000) && !contain(info.guest, 300), "a new expiry takes the old one's place");
	while ((flags() & KVM_WARDEN_GUEST_CONTAINED) && now_us() - from < 5000000)
		usleep(1000);
	from = now_us() - from;
	check(from >= 300000 && from < 5000000 && busy(50000), "it expires, after %llu ms of 300",
	      (unsigned long long)from / 1000);
	check(!contain(info.guest, ~0ull) && still(50000) && !release(info.guest), "the longest expiry is never");
}

static void test_killed(void)
{
	struct pollfd p = { .fd = guest, .events = POLLIN };
	uint64_t from;

	contain(info.guest, 0);
	from = now_us();
	end_vmm(vmm);
	from = now_us() - from;
	check(from < 1000000, "kill -9 of the VMM while contained: gone in %llu ms", (unsigned long long)from / 1000);
	check(poll(&p, 1, 3000) == 1 && contain(info.guest, 0) == ENOENT, "and with it the guest");
	close(guest);
}

/* A VMM that its guest took over hides: it must not slip its containment. */
static void test_hidden(void)
{
	struct kvm_warden_guest_info later;

	kill(vmm, SIGHUP);
	usleep(1200000);
	check(find_guest(vmm, &later) && later.guest == info.guest && (later.flags & KVM_WARDEN_GUEST_CONTAINED),
	      "a VMM that closes every file of the VM leaves it contained");
	check(!release(info.guest), "and it can be released");
	usleep(600000);
	check(flags() & KVM_WARDEN_GUEST_HIDDEN &&
	      file_is("1\n", "/sys/kernel/kvm_warden/guests/%llu/hidden", (unsigned long long)info.guest),
	      "then it runs, hidden, and sysfs says so");
	check(!contain(info.guest, 0) && flags() & KVM_WARDEN_GUEST_CONTAINED, "and can be contained again");
}

static bool memslots_become(int error)
{
	for (int i = 0; i < 50; i++) {
		struct kvm_warden_memslots none = { 0 };

		if ((ioctl(guest, KVM_WARDEN_MEMSLOTS, &none) ? errno : 0) == error)
			return true;
		usleep(100000);
	}
	return false;
}

/* The search for the VM's file ends; it is not the guest that does. */
static void test_buried(void)
{
	contain(info.guest, 0);
	check(memslots_become(0), "a VMM with few files has its VM found");
	kill(vmm, SIGTERM);
	check(memslots_become(ENODEV) && flags() & KVM_WARDEN_GUEST_CONTAINED,
	      "behind %d others it is not looked for, and stays contained", MANY_FILES);
	kill(vmm, SIGTERM);
	check(memslots_become(0) && flags() & KVM_WARDEN_GUEST_CONTAINED, "it is found once they are closed");
}

static void test_killed_in_freeze(void)
{
	struct kvm_warden_freeze f;
	struct pollfd p;

	begin();
	p = (struct pollfd){ .fd = guest };
	check(!freeze(guest, 900, &f), "frozen for long");
	end_vmm(vmm);
	check(poll(&p, 1, 3000) == 1 && thaw(guest) == ENODEV, "kill -9 of the VMM while frozen");
	check(freeze(guest, 10, &f) == ENODEV, "a guest that is gone is ENODEV");
	close(guest);
}

static int keep(void)
{
	begin();
	printf("%d\n", vmm);
	return contain(info.guest, 0);
}

static int release_vmm(pid_t pid)
{
	return !find_guest(pid, &info) || release(info.guest);
}

int main(int argc, char **argv)
{
	setlinebuf(stdout);
	open_control();
	if (argc > 1 && !strcmp(argv[1], "keep"))
		return keep();
	if (argc > 2 && !strcmp(argv[1], "release"))
		return release_vmm(atoi(argv[2]));
	begin();
	test_arguments();
	test_entry_hook();
	test_freeze();
	test_freeze_ends();
	test_cycles();
	test_contain();
	test_halted();
	test_added();
	test_stopped_by_signal();
	test_switched_off();
	test_other_vendor();
	test_release();
	test_expiry();
	test_budget();
	test_killed();
	begin();
	contain(info.guest, 0);
	test_hidden();
	end();
	begin();
	test_buried();
	end();
	test_killed_in_freeze();
	printf("1..%d\n", tests);
	return failures != 0;
}
