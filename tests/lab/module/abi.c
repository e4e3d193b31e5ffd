// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * abi: holds kvm_warden.ko to its UAPI header.  It is a small VMM itself: its
 * guest changes CR3 and exits for ever.  Prints TAP.
 * abi info: prints what GET_INFO answers, and of no guest how each request ends.
 */
#include <dirent.h>
#include <ftw.h>
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../device.h"
#include "../tinyvm.h"

#define RAM (8u << 20)
#define HIGH_GPA 0x100000000ull		/* a second slot, never touched */
#define HIGH_SIZE (1u << 20)

/* ---- the VM ---- */

struct vm {
	pid_t pid;
	int ready;		/* readable once it runs */
};

/*
 * 16-bit code at 0x1000: CR3 goes to and fro between two values (paging is
 * off: nothing but the register changes), with an exit after each.
 */
static const uint8_t code[] = {
	0x66, 0xb8, 0x00, 0x50, 0x00, 0x00,	/* mov eax, 0x5000 */
	0x0f, 0x22, 0xd8,			/* mov cr3, eax */
	0x0f, 0xa2,				/* cpuid */
	0x66, 0xb8, 0x00, 0x60, 0x00, 0x00,	/* mov eax, 0x6000 */
	0x0f, 0x22, 0xd8,			/* mov cr3, eax */
	0x0f, 0xa2,				/* cpuid */
	0xe6, 0x10,				/* out 0x10, al: to the VMM */
	0xeb, 0xe6,				/* again */
};

static void *add_slot(int vm, int slot, uint64_t gpa, size_t size)
{
	void *ram = tiny_ram(size, MAP_PRIVATE);

	/* One huge page would be resident as a whole. */
	if (madvise(ram, size, MADV_NOHUGEPAGE))
		err(1, "memory slot");
	tiny_slot(vm, slot, gpa, size, ram);
	return ram;
}

static void *run_vcpu(void *arg)
{
	tiny_run(*(int *)arg, 1000);
}

enum kind { PLAIN, END_LEADER, RECREATE };

/* In the child: runs a VM until SIGUSR1 makes it close it. */
static void run_vm(int ready, bool end_leader)
{
	int vm = tiny_vm();
	struct kvm_run *run;
	uint8_t *ram = add_slot(vm, 0, 0, RAM);
	static int vcpu;
	sigset_t set;
	pthread_t thread;
	int signal;

	add_slot(vm, 1, HIGH_GPA, HIGH_SIZE);
	memcpy(ram + TINY_CODE, code, sizeof(code));
	for (unsigned int i = 0; i < 64 * 1024; i++)
		ram[0x100000 + i] = i * 7 + (i >> 8);
	vcpu = tiny_vcpu_at_code(vm, 0);
	run = tiny_map_run(vcpu);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pthread_create(&thread, NULL, run_vcpu, &vcpu);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	if (end_leader)
		pthread_exit(NULL);
	sigwait(&set, &signal);
	/* The vCPU thread stops at its next ioctl; its file goes with the rest. */
	pthread_cancel(thread);
	pthread_join(thread, NULL);
	munmap(run, 4096);
	close(vcpu);
	close(vm);
}

static void be_vmm(int ready, enum kind kind)
{
	run_vm(ready, kind == END_LEADER);
	if (kind == RECREATE)
		run_vm(ready, false);
	for (;;)
		pause();
}

/* It is a guest once it runs, which takes its time on a busy host. */
static struct vm start_vm(enum kind kind)
{
	struct kvm_warden_guest_info info;
	int fds[2];
	struct vm vm;
	char byte;

	if (pipe(fds))
		err(1, "pipe");
	vm.pid = fork();
	if (vm.pid == 0) {
		be_vmm(fds[1], kind);
		_exit(1);
	}
	vm.ready = fds[0];
	close(fds[1]);
	if (read(vm.ready, &byte, 1) != 1)
		errx(1, "the VM did not start");
	for (int i = 0; i < 100 && !find_guest(vm.pid, &info); i++)
		usleep(100000);
	usleep(300000);
	return vm;
}

static void end_vm(struct vm *vm)
{
	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
	close(vm->ready);
}

/* ---- the device ---- */

static bool pattern_holds(const uint8_t *bytes, unsigned int from, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (bytes[i] != (uint8_t)((from + i) * 7 + ((from + i) >> 8)))
			return false;
	return true;
}

static int refused(int fd, unsigned long command, void *arg)
{
	return ioctl(fd, command, arg) < 0 ? errno : 0;
}

/* ---- the tests ---- */

static void test_control(void)
{
	struct kvm_warden_info info = { 0 };
	struct kvm_warden_open request = { .guest = 1, .flags = 1 };

	check(!ioctl(control, KVM_WARDEN_GET_INFO, &info) && info.abi == KVM_WARDEN_ABI_VERSION &&
	      info.attached == 1, "GET_INFO: this ABI, attached");
	check(refused(control, KVM_WARDEN_OPEN_GUEST, &request) == EINVAL, "unknown flags are EINVAL");
	request = (struct kvm_warden_open){ .guest = 999999 };
	check(refused(control, KVM_WARDEN_OPEN_GUEST, &request) == ENOENT, "a guest that is not is ENOENT");
	check(refused(control, _IO(0xb7, 0x7f), NULL) == ENOTTY, "an unknown command is ENOTTY");
	check(refused(control, KVM_WARDEN_GET_INFO, (void *)8) == EFAULT, "a bad pointer is EFAULT");
}

/* ---- what an unprivileged user is given ---- */

#define SYS "/sys/kernel/kvm_warden/"
#define PATHS 1024

static char *paths[PATHS];
static int n_paths, for_others;		/* of them, files with rights for group or others */

static int add_path(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	if (n_paths == PATHS)
		return 1;
	paths[n_paths++] = strdup(path);
	for_others += st && S_ISREG(st->st_mode) && st->st_mode & 077;
	return 0;
}

/* All below it, itself too; how many. */
static int add_tree(const char *path)
{
	int before = n_paths;

	nftw(path, add_path, 16, FTW_PHYS);
	return n_paths - before;
}

static void be_nobody(void)
{
	if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
		_exit(255);
}

/* Of these paths, how many nobody can open to read or to write. */
static int nobody_opens(void)
{
	pid_t pid = fork();
	int status, n = 0;

	if (pid == 0) {
		be_nobody();
		for (int i = 0; i < n_paths; i++)
			if (open(paths[i], O_RDONLY) >= 0 || open(paths[i], O_WRONLY) >= 0) {
				printf("# nobody opens %s\n", paths[i]);
				n++;
			}
		fflush(stdout);
		_exit(n < 254 ? n : 254);
	}
	waitpid(pid, &status, 0);
	for (int i = 0; i < n_paths; i++)
		free(paths[i]);
	n_paths = 0;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* What is open to all: of the host, and of no guest. */
static bool is_open_to_all(const char *path)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		be_nobody();
		_exit(open(path, O_RDONLY) < 0 || open(path, O_WRONLY) >= 0);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && !WEXITSTATUS(status);
}

/* A VMM of user 0 that has given its capabilities up owns these files. */
static bool bare_root_is_refused(const char *path, const char *text)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	pid_t pid = fork();
	int status, fd;

	if (pid == 0) {
		fd = open(path, O_WRONLY);
		if (fd < 0 || syscall(SYS_capset, &header, none))
			_exit(2);
		_exit(write(fd, text, strlen(text)) < 0 && errno == EPERM);
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* While there is a guest. */
static void test_unprivileged(void)
{
	int n;

	add_path("/dev/kvm_warden", NULL, 0, NULL);
	check(nobody_opens() == 0, "an unprivileged user cannot open the device");
	n = add_tree(SYS "guests");
	check(n >= 2 + 13 && !for_others, "a guest has %d files in sysfs, each root's alone", n - 2);
	check(nobody_opens() == 0, "an unprivileged user opens none of them, nor their folders");
	n = add_tree("/sys/kernel/debug/kvm_warden");
	check(n > 1 && nobody_opens() == 0, "nor one of the %d files in debugfs", n - 1);
	n = add_tree("/sys/kernel/tracing/events/kvm_warden");
	check(n > 11 * 5 && nobody_opens() == 0, "nor one of the %d of trace events", n);
	add_path(SYS "untracked_exits", NULL, 0, NULL);
	add_path(SYS "default_level", NULL, 0, NULL);
	check(nobody_opens() == 0, "nor what tells of guests that are to come");
	check(is_open_to_all(SYS "version") && is_open_to_all(SYS "features") &&
	      is_open_to_all(SYS "state") && is_open_to_all(SYS "enabled"),
	      "the host's own state is read by all, and written by none");
	check(bare_root_is_refused(SYS "enabled", "0") && bare_root_is_refused(SYS "default_level", "off"),
	      "user 0 without capabilities switches nothing off");
}

/* ---- what sysfs says of a guest ---- */

/* The file's first line, for one use at a time. */
static const char *line_of(const char *path)
{
	static char line[128];
	FILE *file = fopen(path, "r");

	if (!file || !fgets(line, sizeof(line), file))
		line[0] = 0;
	if (file)
		fclose(file);
	return line;
}

static uint64_t number_of(uint64_t id, const char *name)
{
	char path[128], *end;
	uint64_t n;

	snprintf(path, sizeof(path), SYS "guests/%llu/%s", (unsigned long long)id, name);
	n = strtoull(line_of(path), &end, 10);
	return *end == '\n' ? n : ~0ull;
}

static void check_number(const struct kvm_warden_guest_info *info, const char *name, uint64_t want)
{
	uint64_t n = number_of(info->guest, name);

	check(n == want, "sysfs %s is GUEST_INFO's (%llu of %llu)", name, (unsigned long long)n,
	      (unsigned long long)want);
}

static void check_flags(const struct kvm_warden_guest_info *info)
{
	check_number(info, "encrypted", !!(info->flags & KVM_WARDEN_GUEST_ENCRYPTED));
	check_number(info, "nested", !!(info->flags & KVM_WARDEN_GUEST_NESTED));
	check_number(info, "hidden", !!(info->flags & KVM_WARDEN_GUEST_HIDDEN));
	check_number(info, "contained", !!(info->flags & KVM_WARDEN_GUEST_CONTAINED));
	check_number(info, "frozen", !!(info->flags & KVM_WARDEN_GUEST_FROZEN));
}

/* While it stands still its numbers do, but for an exit that is on its way. */
/* What the module cannot know itself. */
static void test_told(int guest, uint64_t id)
{
	struct kvm_warden_counts counts = { .guest = id, .delivered = 11, .dropped = 22, .suppressed = ~0ull, .missed = 44 };
	struct kvm_warden_guest_info info;

	check(!ioctl(control, KVM_WARDEN_TELL, &counts) && !ioctl(guest, KVM_WARDEN_GUEST_INFO, &info) &&
	      info.delivered == 11 && info.dropped == 22 && info.suppressed == ~0ull && info.missed == 44,
	      "what became of its events is kept as it is told");
	check_number(&info, "events_delivered", 11);
	check_number(&info, "events_dropped", 22);
	check_number(&info, "events_suppressed", ~0ull);
	check_number(&info, "events_missed", 44);
	check(refused(guest, KVM_WARDEN_TELL, &counts) == ENOTTY, "not by its own fd");
	counts.reserved[0] = 1;
	check(refused(control, KVM_WARDEN_TELL, &counts) == EINVAL, "nor with what is reserved");
	counts = (struct kvm_warden_counts){ .guest = id + 1000 };
	check(refused(control, KVM_WARDEN_TELL, &counts) == ENOENT, "nor of a guest that is none");
}

static void test_sysfs(int guest)
{
	struct kvm_warden_guest_info info;
	struct kvm_warden_freeze f;

	ioctl(guest, KVM_WARDEN_GUEST_INFO, &info);
	check_flags(&info);
	check(!freeze(guest, 900, &f), "frozen");
	usleep(10000);
	check(!ioctl(guest, KVM_WARDEN_GUEST_INFO, &info) && info.flags == KVM_WARDEN_GUEST_FROZEN &&
	      info.exits && info.emitted && info.seen_again && info.address_spaces,
	      "GUEST_INFO has its numbers");
	check_flags(&info);
	check_number(&info, "vmm_pid", info.vmm_pid);
	check_number(&info, "vcpus", info.vcpus);
	check_number(&info, "address_spaces", info.address_spaces);
	check_number(&info, "exits", info.exits);
	check_number(&info, "events_emitted", info.emitted);
	check_number(&info, "seen_again", info.seen_again);
	test_told(guest, info.guest);
	check(!thaw(guest), "and was frozen all the while");
}

/* Of the module, not of a guest. */
static void test_sysfs_root(void)
{
	char version[128];

	strcpy(version, line_of("VERSION"));
	check(version[0] && !strcmp(line_of(SYS "version"), version), "sysfs version is that of VERSION");
	check(!strcmp(line_of(SYS "untracked_exits"), "0\n"), "no guest went untracked");
}

static void test_memory(int guest, pid_t pid)
{
	static uint8_t buf[2 << 20];
	struct kvm_warden_segment s[3], one;
	struct kvm_warden_read request = { .segments = (uintptr_t)s, .count = 3 };
	long before = rss_pages(pid);

	one = read_at(guest, 0x1000, buf, sizeof(code), 0);
	check(!one.error && one.done == sizeof(code) && !memcmp(buf, code, sizeof(code)),
	      "a read gives the guest's bytes");
	one = read_at(guest, 0x100000 + 4093, buf, 8192, 0);
	check(!one.error && one.done == 8192 && pattern_holds(buf, 4093, 8192),
	      "a read across page borders, unaligned");
	s[0] = (struct kvm_warden_segment){ .gpa = 0x100001, .buf = (uintptr_t)buf, .len = 5 };
	s[1] = (struct kvm_warden_segment){ .gpa = 0x40000000, .buf = (uintptr_t)buf + 100, .len = 8 };
	s[2] = (struct kvm_warden_segment){ .gpa = 0x10f000, .buf = (uintptr_t)buf + 200, .len = 0x3000 };
	check(!ioctl(guest, KVM_WARDEN_READ, &request) && s[0].done == 5 && !s[0].error &&
	      pattern_holds(buf, 1, 5), "vectored: the first piece");
	check(s[1].done == 0 && s[1].error == -ENXIO, "vectored: no memslot is ENXIO, the rest goes on");
	check(s[2].done == 0x1000 && s[2].error == -ENODATA && pattern_holds(buf + 200, 0xf000, 0x1000),
	      "vectored: short at the first page that is not resident");
	one = read_at(guest, HIGH_GPA, buf, HIGH_SIZE, 0);
	check(one.done == 0 && one.error == -ENODATA, "memory never touched is ENODATA");
	check(rss_pages(pid) == before, "reads bring nothing into the VMM (%ld pages, then %ld)",
	      before, rss_pages(pid));
}

static void test_bad_reads(int guest)
{
	static uint8_t buf[16];
	struct kvm_warden_segment s = { .gpa = 0x1000, .buf = (uintptr_t)buf, .len = 8 };
	struct kvm_warden_read request = {
		.segments = (uintptr_t)&s, .count = 1, .flags = ~KVM_WARDEN_READ_FAULT,
	};

	check(refused(guest, KVM_WARDEN_READ, &request) == EINVAL, "unknown read flags are EINVAL");
	request = (struct kvm_warden_read){ .segments = (uintptr_t)&s, .count = KVM_WARDEN_MAX_SEGMENTS + 1 };
	check(refused(guest, KVM_WARDEN_READ, &request) == EINVAL, "too many segments are EINVAL");
	request = (struct kvm_warden_read){ .segments = 16, .count = 1 };
	check(refused(guest, KVM_WARDEN_READ, &request) == EFAULT, "a bad segment pointer is EFAULT");
	request = (struct kvm_warden_read){ .segments = (uintptr_t)&s, .count = 1 };
	s.reserved = 1;
	check(refused(guest, KVM_WARDEN_READ, &request) == EINVAL, "a reserved field is EINVAL");
	s = (struct kvm_warden_segment){ .gpa = 0x1000, .buf = 16, .len = 8 };
	check(refused(guest, KVM_WARDEN_READ, &request) == EFAULT, "a bad buffer is EFAULT");
	s = (struct kvm_warden_segment){ .gpa = ~0ull - 3, .buf = (uintptr_t)buf, .len = 8 };
	check(refused(guest, KVM_WARDEN_READ, &request) == EINVAL, "an address that wraps is EINVAL");
	s = (struct kvm_warden_segment){ .gpa = 0, .buf = (uintptr_t)buf, .len = KVM_WARDEN_MAX_SEGMENT + 1 };
	check(refused(guest, KVM_WARDEN_READ, &request) == EINVAL, "a piece too long is EINVAL");
}

static void test_registers(int guest)
{
	struct kvm_warden_regs regs = { .vcpu = 0 };
	const uint64_t began = now_us();
	bool low = false, high = false, later = false;

	check(!ioctl(guest, KVM_WARDEN_REGS, &regs), "registers of vCPU 0");
	/* A slow host may not have run it for seconds. */
	for (int i = 0; i < 600 && !later; i++) {
		later = !ioctl(guest, KVM_WARDEN_REGS, &regs) && regs.age_ns / 1000 < now_us() - began;
		if (!later)
			usleep(100000);
	}
	check(later, "a sample of after the question comes (%llu us old)",
	      (unsigned long long)regs.age_ns / 1000);
	check(regs.rip >= 0x1000 && regs.rip <= 0x1000 + sizeof(code), "RIP %#llx is in the code",
	      (unsigned long long)regs.rip);
	/* On one CPU it runs while we sleep. */
	for (int i = 0; i < 2000 && !(low && high); i++, usleep(1000)) {
		regs = (struct kvm_warden_regs){ 0 };
		if (ioctl(guest, KVM_WARDEN_REGS, &regs))
			break;
		low |= regs.cr3 == 0x5000;
		high |= regs.cr3 == 0x6000;
	}
	check(low && high, "CR3 shows both values that the guest wrote without an exit");
	regs = (struct kvm_warden_regs){ .vcpu = 7 };
	check(refused(guest, KVM_WARDEN_REGS, &regs) == ENXIO, "a vCPU that is not is ENXIO");
	regs = (struct kvm_warden_regs){ .reserved = { 1 } };
	check(refused(guest, KVM_WARDEN_REGS, &regs) == EINVAL, "reserved fields are EINVAL");
}

static void test_slots(int guest)
{
	struct kvm_warden_memslot slots[4] = { 0 };
	struct kvm_warden_memslots request = { .slots = (uintptr_t)slots, .count = 4 };

	check(!ioctl(guest, KVM_WARDEN_MEMSLOTS, &request) && request.count == 2 &&
	      slots[0].gpa == 0 && slots[0].size == RAM && slots[1].gpa == HIGH_GPA &&
	      slots[1].size == HIGH_SIZE, "both memslots, in order");
	request = (struct kvm_warden_memslots){ .slots = (uintptr_t)slots, .count = 1 };
	check(!ioctl(guest, KVM_WARDEN_MEMSLOTS, &request) && request.count == 2,
	      "too little room tells how many there are");
	request = (struct kvm_warden_memslots){ .count = KVM_WARDEN_MAX_SLOTS + 1 };
	check(refused(guest, KVM_WARDEN_MEMSLOTS, &request) == EINVAL, "too much room is EINVAL");
}

static void test_counters(pid_t pid)
{
	struct kvm_warden_guest_info a, b;

	find_guest(pid, &a);
	usleep(300000);
	find_guest(pid, &b);
	check(a.address_spaces == 2, "two address spaces were seen");
	check(b.exits > a.exits, "exits are counted (%llu, then %llu)",
	      (unsigned long long)a.exits, (unsigned long long)b.exits);
	check(b.seen_again > a.seen_again, "an address space seen again within a second is not announced");
	sleep(2);
	find_guest(pid, &a);
	check(a.emitted > b.emitted && a.emitted - b.emitted <= 8,
	      "and is announced about once a second (%llu events in 2 s)",
	      (unsigned long long)(a.emitted - b.emitted));
}

static bool write_switch(const char *value)
{
	int fd = open(SYS "enabled", O_WRONLY);
	bool good = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);

	if (fd >= 0)
		close(fd);
	return good;
}

static void test_switch(pid_t pid)
{
	struct kvm_warden_guest_info a, b;

	check(write_switch("0"), "the switch goes off");
	find_guest(pid, &a);
	usleep(300000);
	find_guest(pid, &b);
	check(a.exits == b.exits, "no exit is counted while it is off");
	check(write_switch("1"), "the switch goes on");
	usleep(300000);
	find_guest(pid, &a);
	check(a.exits > b.exits, "exits are counted again");
	check(!write_switch("x"), "nonsense is refused");
}

static bool hangs_up(int guest)
{
	struct pollfd p = { .fd = guest };

	return poll(&p, 1, 3000) == 1 && (p.revents & POLLHUP);
}

static void test_gone(int guest, const char *how)
{
	uint8_t byte;
	struct kvm_warden_guest_info info;

	check(hangs_up(guest), "%s: poll says hang-up", how);
	check(read_at(guest, 0x1000, &byte, 1, 0).error == -ENODEV - 10000 &&
	      refused(guest, KVM_WARDEN_GUEST_INFO, &info) == ENODEV, "%s: the fd is ENODEV", how);
}

static int sysfs_guests(void)
{
	DIR *dir = opendir(SYS "guests");
	struct dirent *entry;
	int n = 0;

	while (dir && (entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	if (dir)
		closedir(dir);
	return n;
}

static void test_guest(void)
{
	struct vm vm = start_vm(PLAIN);
	struct kvm_warden_guest_info info;
	int guest;

	check(find_guest(vm.pid, &info) && info.vcpus == 1 && !info.flags, "the VM is a guest");
	usleep(400000);
	check(sysfs_guests() == 1, "sysfs has its folder");
	test_unprivileged();
	guest = open_guest(info.guest);
	check(guest >= 0 && (fcntl(guest, F_GETFD) & FD_CLOEXEC), "its fd is close-on-exec");
	check(refused(guest, KVM_WARDEN_GET_INFO, &info) == ENOTTY, "a guest fd gives no control");
	test_memory(guest, vm.pid);
	test_bad_reads(guest);
	test_registers(guest);
	test_slots(guest);
	test_counters(vm.pid);
	test_sysfs(guest);
	test_switch(vm.pid);
	kill(vm.pid, SIGUSR1);
	test_gone(guest, "VM closed, VMM lives on");
	check(sysfs_guests() == 0, "sysfs has no folder any more");
	close(guest);
	end_vm(&vm);
}

static void test_killed(void)
{
	struct vm vm = start_vm(PLAIN);
	struct kvm_warden_guest_info info;
	int guest = find_guest(vm.pid, &info) ? open_guest(info.guest) : -1;

	end_vm(&vm);
	test_gone(guest, "VMM killed");
	close(guest);
}

static void test_without_leader(void)
{
	struct vm vm = start_vm(END_LEADER);
	struct kvm_warden_guest_info info;
	int guest = find_guest(vm.pid, &info) ? open_guest(info.guest) : -1;
	uint8_t buf[sizeof(code)];
	struct kvm_warden_segment one;

	usleep(600000);
	one = read_at(guest, 0x1000, buf, sizeof(buf), 0);
	check(!one.error && !memcmp(buf, code, sizeof(code)),
	      "a VMM whose first thread has ended is read all the same");
	end_vm(&vm);
	test_gone(guest, "and its end is noticed");
	close(guest);
}

/*
 * KVM gives a second VM of the process the first one's addresses.  It must be
 * another guest at once, not after the reaper has noticed.
 */
static void test_recreated(void)
{
	struct vm vm = start_vm(RECREATE);
	struct kvm_warden_guest_info first, now, second = { 0 };
	int guest = find_guest(vm.pid, &first) ? open_guest(first.guest) : -1;
	char byte;
	bool grew;

	kill(vm.pid, SIGUSR1);
	if (read(vm.ready, &byte, 1) != 1)
		errx(1, "no second VM");
	grew = !ioctl(guest, KVM_WARDEN_GUEST_INFO, &first);
	usleep(100000);
	grew = grew && !ioctl(guest, KVM_WARDEN_GUEST_INFO, &now) && now.exits > first.exits + 4;
	check(!grew, "a VM closed counts no exits of the VM after it");
	second.guest = first.guest;
	check(!ioctl(control, KVM_WARDEN_NEXT_GUEST, &second) && second.vmm_pid == (uint32_t)vm.pid &&
	      second.exits > 0, "the second VM of a process is a guest of its own at once");
	test_gone(guest, "the first VM");
	close(guest);
	end_vm(&vm);
}

/* Reads while the VMM dies: either bytes or ENODEV, never anything else. */
static void test_race(void)
{
	int odd = 0, odd_error = 0;

	for (int i = 0; i < 20; i++) {
		struct vm vm = start_vm(PLAIN);
		struct kvm_warden_guest_info info;
		int guest = find_guest(vm.pid, &info) ? open_guest(info.guest) : -1;
		uint8_t buf[4096];

		kill(vm.pid, SIGKILL);
		for (int n = 0; n < 200; n++) {
			struct kvm_warden_segment one = read_at(guest, 0x100000, buf, sizeof(buf), 0);

			if (one.error && one.error != -ENODEV - 10000 && one.error != -ENODATA &&
			    one.error != -ENXIO) {
				odd++;
				odd_error = one.error;
			}
		}
		end_vm(&vm);
		close(guest);
	}
	check(!odd, "20 VMMs killed while read: bytes or ENODEV (%d odd, %d the last)", odd, odd_error);
}

static int print_info(void)
{
	struct kvm_warden_info info = { 0 };
	struct kvm_warden_guest_info next = { 0 };
	struct kvm_warden_open open_request = { .guest = 1 };
	struct kvm_warden_contain contain_request = { .guest = 1 };

	if (ioctl(control, KVM_WARDEN_GET_INFO, &info))
		err(1, "GET_INFO");
	printf("attached %u guests %llu: next %s, open %s, contain %s\n", info.attached,
	       (unsigned long long)info.guests,
	       strerrorname_np(refused(control, KVM_WARDEN_NEXT_GUEST, &next)),
	       strerrorname_np(refused(control, KVM_WARDEN_OPEN_GUEST, &open_request)),
	       strerrorname_np(refused(control, KVM_WARDEN_CONTAIN, &contain_request)));
	return 0;
}

int main(int argc, char **argv)
{
	setlinebuf(stdout);
	control = open("/dev/kvm_warden", O_RDWR | O_CLOEXEC);
	if (control < 0)
		err(1, "/dev/kvm_warden");
	if (argc > 1 && !strcmp(argv[1], "info"))
		return print_info();
	test_control();
	test_sysfs_root();
	test_guest();
	test_killed();
	test_without_leader();
	test_recreated();
	test_race();
	printf("1..%d\n", tests);
	return failures != 0;
}
