// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * memory: reads and mappings of a guest's memory, held to the UAPI header: what
 * they show, what they must never do to the VMM, and what a holder of the fds must
 * not be able to do with them.  Prints TAP.
 * memory keep: leaves a process that holds a mapping and no fd, and prints its id.
 */
#include "../intel/observe.h"
#include "memvm.h"

#include <setjmp.h>
#include <sys/uio.h>

static uint8_t buf[4 << 20];

/* ---- an access that may be SIGBUS ---- */

static sigjmp_buf bus;

static void on_bus(int signal)
{
	siglongjmp(bus, 1);
}

/* Copies n bytes; false if the memory was not there. */
static bool peek(const uint8_t *from, uint8_t *to, size_t n)
{
	struct sigaction action = { .sa_handler = on_bus }, old;
	bool there = false;

	sigaction(SIGBUS, &action, &old);
	if (!sigsetjmp(bus, 1)) {
		memcpy(to, from, n);
		there = true;
	}
	sigaction(SIGBUS, &old, NULL);
	return there;
}

/* ---- a sweep changes nothing ---- */

/* Reads all of RAM; returns how many pages are there. */
static size_t sweep_by_reads(int guest, bool *ret_same)
{
	size_t there = 0;

	for (uint64_t at = 0; at < RAM_SIZE;) {
		struct kvm_warden_segment s = read_at(guest, at, buf, sizeof(buf), 0);

		if (s.done && at >= 0x2000 && !pattern_holds(buf, at, s.done))
			*ret_same = false;
		there += s.done / PAGE;
		at += s.done;
		if (s.error == -ENODATA)
			at += PAGE;
		else if (s.error)
			break;
	}
	return there;
}

static size_t sweep_by_mapping(const uint8_t *map, bool *ret_same)
{
	size_t there = 0;

	for (uint64_t at = 0; at < RAM_SIZE; at += PAGE) {
		if (!peek(map + at, buf, PAGE))
			continue;
		there++;
		if (at >= 0x2000 && !pattern_holds(buf, at, PAGE))
			*ret_same = false;
	}
	return there;
}

static void test_sweep(enum ram kind, const char *name)
{
	struct vm vm;
	long rss, pages;
	bool same = true;
	size_t there;

	start_vm(&vm, kind, false);
	rss = rss_pages(vm.pid);
	pages = vm.memfd < 0 ? 0 : file_pages(vm.memfd);
	there = sweep_by_reads(vm.guest, &same);
	check(there == TOUCHED / PAGE && same, "%s: a sweep reads what the guest touched (%zu pages)",
	      name, there);
	if (kind == MEMFD) {
		int memory = open_memory(vm.guest, 0, RAM_SIZE);
		uint8_t *map = map_memory(memory, RAM_SIZE, 0);

		there = map == MAP_FAILED ? 0 : sweep_by_mapping(map, &same);
		check(there == TOUCHED / PAGE && same, "%s: a sweep of a mapping shows the same (%zu)",
		      name, there);
		munmap(map, RAM_SIZE);
		close(memory);
	}
	check(rss_pages(vm.pid) == rss, "%s: the VMM's RSS is what it was (%ld pages, then %ld)",
	      name, rss, rss_pages(vm.pid));
	if (vm.memfd >= 0)
		check(file_pages(vm.memfd) == pages, "%s: and its file (%ld pages, then %ld)", name,
		      pages, file_pages(vm.memfd));
	end_vm(&vm);
}

/* ---- huge pages ---- */

static long free_huge_pages(void)
{
	char line[128];
	long n = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "HugePages_Free: %ld", &n);
	if (f)
		fclose(f);
	return n;
}

static bool reserve_huge_pages(const char *n)
{
	int fd = open("/proc/sys/vm/nr_hugepages", O_WRONLY);
	bool good = fd >= 0 && write(fd, n, strlen(n)) > 0;

	if (fd >= 0)
		close(fd);
	return good && free_huge_pages() == atol(n);
}

static void test_huge(void)
{
	struct vm vm;
	long before;
	bool same = true;
	size_t there;

	if (!reserve_huge_pages("40")) {
		check(true, "hugetlbfs # SKIP no 40 huge pages");
		return;
	}
	start_vm(&vm, HUGE, false);
	before = free_huge_pages();
	there = sweep_by_reads(vm.guest, &same);
	check(there == TOUCHED / PAGE && same, "hugetlbfs: a sweep reads what was touched (%zu pages)", there);
	check(free_huge_pages() == before, "hugetlbfs: and makes no huge page (%ld free, then %ld)",
	      before, free_huge_pages());
	tell(&vm, MISS);
	check(read_at(vm.guest, MISSING, buf, PAGE, 0).error == -ENODATA && !vm.shared->asked,
	      "hugetlbfs: nor asks userfaultfd for one");
	check(open_memory(vm.guest, 0, TOUCHED) == -EOPNOTSUPP, "hugetlbfs: is read, not mapped");
	end_vm(&vm);
	reserve_huge_pages("0");
}

/* ---- what can be mapped ---- */

static void test_slots(void)
{
	struct kvm_warden_memslot slots[4] = { 0 };
	struct kvm_warden_memslots request = { .slots = (uintptr_t)slots, .count = 4 };
	struct vm vm;

	start_vm(&vm, ANONYMOUS, false);
	check(!ioctl(vm.guest, KVM_WARDEN_MEMSLOTS, &request) && request.count == 1 && !slots[0].flags,
	      "an anonymous slot is not mappable");
	check(open_memory(vm.guest, 0, PAGE) == -EOPNOTSUPP, "and is refused");
	end_vm(&vm);
	start_vm(&vm, MEMFD, false);
	request.count = 4;
	check(!ioctl(vm.guest, KVM_WARDEN_MEMSLOTS, &request) && request.count == 1 &&
	      slots[0].flags == KVM_WARDEN_SLOT_MAPPABLE, "a memfd's slot is mappable");
	check(open_memory(vm.guest, 0x40000000, PAGE) == -ENXIO, "no slot is ENXIO");
	check(open_memory(vm.guest, RAM_SIZE - PAGE, 2 * PAGE) == -ENXIO, "more than the slot is ENXIO");
	check(open_memory(vm.guest, 0, 0) == -EINVAL && open_memory(vm.guest, 1, PAGE) == -EINVAL &&
	      open_memory(vm.guest, 0, PAGE + 1) == -EINVAL &&
	      open_memory(vm.guest, -(uint64_t)PAGE, 2 * PAGE) == -EINVAL, "no size, no pages, a wrap: EINVAL");
	end_vm(&vm);
}

/* 0, or why it cannot be mapped. */
static int map_errno(int memory, size_t size, int prot, int flags, size_t at)
{
	void *map = mmap(NULL, size, prot, flags, memory, at);

	if (map == MAP_FAILED)
		return errno;
	munmap(map, size);
	return 0;
}

static void test_rights(void)
{
	size_t size = 16 * PAGE;
	struct vm vm;
	uint8_t *map;
	int memory;

	start_vm(&vm, MEMFD, false);
	memory = open_memory(vm.guest, TOUCHED / 4, size);
	check(memory >= 0 && (fcntl(memory, F_GETFD) & FD_CLOEXEC) &&
	      (fcntl(memory, F_GETFL) & O_ACCMODE) == O_RDONLY, "a memory fd is read-only and close-on-exec");
	check(map_errno(memory, size, PROT_READ | PROT_WRITE, MAP_SHARED, 0) == EACCES &&
	      map_errno(memory, size, PROT_WRITE, MAP_SHARED, 0) == EACCES, "no mapping for writing");
	check(map_errno(memory, size, PROT_READ | PROT_EXEC, MAP_SHARED, 0) != 0, "nor for execution");
	check(map_errno(memory, size, PROT_READ, MAP_PRIVATE, 0) == EINVAL &&
	      map_errno(memory, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, 0) == EINVAL, "nor a private one");
	check(map_errno(memory, size + PAGE, PROT_READ, MAP_SHARED, 0) == EINVAL &&
	      map_errno(memory, PAGE, PROT_READ, MAP_SHARED, size) == EINVAL &&
	      map_errno(memory, size, PROT_READ, MAP_SHARED, PAGE) == EINVAL &&
	      map_errno(memory, PAGE, PROT_READ, MAP_SHARED, -(size_t)PAGE) != 0, "nor one behind the range");
	map = map_memory(memory, size - PAGE, PAGE);
	check(map != MAP_FAILED && pattern_holds(map, TOUCHED / 4 + PAGE, size - PAGE),
	      "offsets count from the range's beginning");
	check(mprotect(map, PAGE, PROT_READ | PROT_WRITE) && errno == EACCES &&
	      mprotect(map, PAGE, PROT_READ | PROT_EXEC) && errno == EACCES,
	      "mprotect gives neither write nor execute");
	check(mremap(map, size - PAGE, size + PAGE, MREMAP_MAYMOVE) == MAP_FAILED &&
	      mremap(map, 0, size + PAGE, MREMAP_MAYMOVE) == MAP_FAILED, "mremap does not make it longer");
	check(remap_file_pages(map, PAGE, 0, 0, 0), "remap_file_pages does not move it in the file");
	check(madvise(map, PAGE, MADV_REMOVE), "madvise makes no hole");
	check(read(memory, buf, 1) < 0 && write(memory, buf, 1) < 0 && ftruncate(memory, 0),
	      "the fd itself neither reads nor writes nor truncates");
	tell(&vm, WRITE);
	check(pattern_holds(map, TOUCHED / 4 + PAGE, size - PAGE), "and the guest's memory is as it was");
	munmap(map, size - PAGE);
	close(memory);
	end_vm(&vm);
}

/* ---- what happens to a mapping ---- */

static void test_changes(void)
{
	struct vm vm;
	uint8_t *map, byte = 0;
	int memory;

	start_vm(&vm, MEMFD, false);
	memory = open_memory(vm.guest, 0, RAM_SIZE);
	map = map_memory(memory, RAM_SIZE, 0);
	check(map != MAP_FAILED && map[TOUCHED - 1] == pattern(TOUCHED - 1) && tell(&vm, WRITE) &&
	      map[TOUCHED - 1] == 0xa5, "what the guest writes shows at once");
	check(peek(map + TOUCHED / 2, &byte, 1) && tell(&vm, PUNCH_HOLE) &&
	      !peek(map + TOUCHED / 2, &byte, 1), "a page that is given up is SIGBUS from then on");
	check(read_at(vm.guest, TOUCHED / 2, buf, PAGE, 0).error == -ENODATA, "and not resident for a read");
	check(madvise(map, TOUCHED, MADV_POPULATE_READ) && errno == EFAULT, "populating stops at it");
	check(tell(&vm, CUT_FILE) && !peek(map + TOUCHED / 2 + PAGE, &byte, 1) &&
	      peek(map + TOUCHED / 2 - 1, &byte, 1) && byte == pattern(TOUCHED / 2 - 1),
	      "behind the end of a truncated file is SIGBUS, before it is not");
	check(read_at(vm.guest, TOUCHED / 2 + PAGE, buf, PAGE, 0).error == -ENODATA &&
	      read_at(vm.guest, TOUCHED / 2 + PAGE, buf, PAGE, KVM_WARDEN_READ_FAULT).error == -ENODATA,
	      "and ENODATA for both reads");
	tell(&vm, CLOSE);
	for (int i = 0; i < 100 && ioctl(vm.guest, KVM_WARDEN_GUEST_INFO, buf) == 0; i++)
		usleep(50000);
	check(map[0x3000] == pattern(0x3000), "the mapping outlives the VM");
	check(open_memory(vm.guest, 0, PAGE) == -ENODEV &&
	      map_errno(memory, PAGE, PROT_READ, MAP_SHARED, 0) == ENODEV, "no new one is made");
	kill_vm(&vm);
	check(map[0x3000] == pattern(0x3000) && file_pages(vm.memfd) > 0, "and outlives the VMM");
	munmap(map, RAM_SIZE);
	close(memory);
	forget_vm(&vm);
}

/* ---- who holds the fd ---- */

static int unprivileged(struct vm *vm, int memory)
{
	struct iovec mine = { buf, 1 }, theirs = { (void *)(uintptr_t)0x1000, 1 };
	struct kvm_warden_memslot slot;
	struct kvm_warden_memslots slots = { .slots = (uintptr_t)&slot, .count = 1 };
	char path[64];
	uint8_t *map;
	int own;

	if (setgid(65534) || setuid(65534) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return 1;
	if (read_at(vm->guest, 0x3000, buf, PAGE, 0).done != PAGE || !pattern_holds(buf, 0x3000, PAGE))
		return 2;
	if (read_at(vm->guest, 0x3000, buf, PAGE, KVM_WARDEN_READ_FAULT).done != PAGE)
		return 3;
	if (ioctl(vm->guest, KVM_WARDEN_MEMSLOTS, &slots) || slots.count != 1)
		return 4;
	own = open_memory(vm->guest, 0, TOUCHED);
	map = map_memory(memory, TOUCHED, 0);
	if (own < 0 || map == MAP_FAILED || map[0x3000] != pattern(0x3000))
		return 5;
	if (process_vm_readv(vm->pid, &mine, 1, &theirs, 1, 0) >= 0 || errno != EPERM)
		return 6;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", memory);
	if (open(path, O_RDWR) >= 0 || open("/dev/kvm_warden", O_RDWR) >= 0)
		return 7;
	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (long)map, (long)map + TOUCHED);
	return open(path, O_RDWR) >= 0 ? 8 : 0;
}

static void test_unprivileged(void)
{
	int memory, status = -1;
	struct vm vm;
	pid_t pid;

	start_vm(&vm, MEMFD, false);
	memory = open_memory(vm.guest, 0, RAM_SIZE);
	pid = fork();
	if (!pid)
		_exit(unprivileged(&vm, memory));
	waitpid(pid, &status, 0);
	check(WIFEXITED(status) && !WEXITSTATUS(status),
	      "an unprivileged holder reads and maps, and gets no further (%d)", WEXITSTATUS(status));
	close(memory);
	end_vm(&vm);
}

static void test_no_leader(void)
{
	struct vm vm;
	uint8_t *map;
	int memory;

	start_vm(&vm, MEMFD, true);
	usleep(300000);
	check(read_at(vm.guest, 0x5000, buf, PAGE, 0).done == PAGE && pattern_holds(buf, 0x5000, PAGE),
	      "a VMM whose first thread has ended is read");
	check(read_at(vm.guest, MISSING, buf, PAGE, KVM_WARDEN_READ_FAULT).done == PAGE, "with faults");
	memory = open_memory(vm.guest, 0, RAM_SIZE);
	map = map_memory(memory, RAM_SIZE, 0);
	check(map != MAP_FAILED && map[0x5000] == pattern(0x5000), "and mapped");
	munmap(map, RAM_SIZE);
	close(memory);
	end_vm(&vm);
}

/* Its number names a program that has nothing to do with the guest any more. */
static void test_handed_on(void)
{
	struct kvm_warden_guest_info info = { 0 };
	const char order = HAND_ON;
	uint64_t exits;
	struct vm vm;

	start_vm(&vm, MEMFD, false);
	check(!ioctl(vm.guest, KVM_WARDEN_GUEST_INFO, &info) && info.vmm_pid == (uint32_t)vm.pid,
	      "a guest has its VMM's number");
	check(write(vm.orders, &order, 1) == 1 &&
	      EVENTUALLY(!ioctl(vm.guest, KVM_WARDEN_GUEST_INFO, &info) && !info.vmm_pid) &&
	      EVENTUALLY(guest_file_is(vm.id, "vmm_pid", "0")), "and 0 once that process executed another program");
	exits = info.exits;
	check(EVENTUALLY(!ioctl(vm.guest, KVM_WARDEN_GUEST_INFO, &info) && info.exits > exits + 100) &&
	      !info.vmm_pid && !kill(vm.pid, 0), "while the guest runs on, in another process");
	check(EVENTUALLY(!ioctl(vm.guest, KVM_WARDEN_GUEST_INFO, &info) &&
			 info.flags & KVM_WARDEN_GUEST_HIDDEN) &&
	      read_at(vm.guest, 0x5000, buf, PAGE, 0).error, "hidden, and told so");
	end_vm(&vm);
}

/* A file's name says what it is of; it need not be there. */
static void test_name_alone(void)
{
	struct kvm_warden_guest_info info = { 0 };
	struct vm vm;

	start_vm(&vm, MEMFD, false);
	check(tell(&vm, NAME_ALONE) && !usleep(1000000) &&
	      read_at(vm.guest, 0x5000, buf, PAGE, 0).done == PAGE && pattern_holds(buf, 0x5000, PAGE) &&
	      !ioctl(vm.guest, KVM_WARDEN_GUEST_INFO, &info) && !(info.flags & KVM_WARDEN_GUEST_HIDDEN),
	      "a VMM with names alone (O_PATH) in its files' places: the guest is found behind them");
	check(tell(&vm, CLOSE_LAST) && EVENTUALLY(read_at(vm.guest, 0x5000, buf, PAGE, 0).error == -ENODEV - 10000),
	      "and has ended where nothing is behind them");
	end_vm(&vm);
}

static void test_vcpus_come(void)
{
	struct kvm_warden_guest_info info = { 0 };
	struct vm vm;

	trace_on();
	start_vm(&vm, MEMFD, false);
	check(!in_trace("kvm_warden_vcpu_up:", vm.id, "vcpu=0"), "the first vCPU's event is the guest's");
	check(tell(&vm, ADD_VCPU) && EVENTUALLY(in_trace("kvm_warden_vcpu_up:", vm.id, "vcpu=1")) &&
	      !in_trace("kvm_warden_vcpu_up:", vm.id, "exit=0xffffffff"), "a vCPU that comes is told");
	check(!contain(vm.id, 0) && tell(&vm, ADD_VCPU) &&
	      EVENTUALLY(in_trace("kvm_warden_vcpu_up:", vm.id, "exit=0xffffffff")) &&
	      in_trace("kvm_warden_vcpu_up:", vm.id, "vcpu=2"), "so is one that is stopped before it ran");
	check(!release(vm.id) && EVENTUALLY(!ioctl(vm.guest, KVM_WARDEN_GUEST_INFO, &info) && info.vcpus == 3),
	      "and there are three");
	usleep(200000);
	check(count_in_trace("kvm_warden_vcpu_up:", vm.id, "") == 2, "each is told once");
	trace_off();
	end_vm(&vm);
}

/* ---- a mapping and no fd ---- */

static int keep_mapping(void)
{
	int ready[2];
	struct vm vm;
	char byte;
	pid_t pid;

	if (pipe(ready))
		err(1, "pipe");
	start_vm(&vm, MEMFD, false);
	pid = fork();
	if (!pid) {
		uint8_t *map = map_memory(open_memory(vm.guest, 0, RAM_SIZE), RAM_SIZE, 0);

		if (map == MAP_FAILED || map[0x3000] != pattern(0x3000))
			_exit(1);
		for (int fd = 0; fd < 64; fd++)
			if (fd != ready[1])
				close(fd);
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	if (read(ready[0], &byte, 1) != 1)
		err(1, "the mapping");
	end_vm(&vm);
	printf("%d\n", pid);
	return 0;
}

int main(int argc, char **argv)
{
	setlinebuf(stdout);
	open_control();
	if (argc > 1 && !strcmp(argv[1], "keep"))
		return keep_mapping();
	test_sweep(ANONYMOUS, "anonymous");
	test_sweep(MEMFD, "memfd");
	test_huge();
	test_slots();
	test_rights();
	test_changes();
	test_unprivileged();
	test_no_leader();
	test_handed_on();
	test_name_alone();
	test_vcpus_come();
	printf("1..%d\n", tests);
	return failures != 0;
}
