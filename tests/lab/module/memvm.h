/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small VMM in a child, for the tests of a guest's memory: what its RAM lies in
 * is chosen, and it does on request what VMMs do to their memory.
 */
#ifndef MEMVM_H
#define MEMVM_H

#include "../device.h"
#include "../tinyvm.h"

#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define PAGE 4096u
#define RAM_SIZE (64u << 20)
#define TOUCHED (8u << 20)		/* of it, from 0 on */
#define HIGH_GPA 0x100000000ull		/* a second slot that comes and goes */
#define HIGH_SIZE (1u << 20)
#define MISSING 0x2000000u		/* nothing was ever there */

enum ram { ANONYMOUS, MEMFD, HUGE, RAM_KINDS };

/* What the child does when it is told this byte; it answers with the same. */
enum order {
	PUNCH_HOLE = 'h',	/* at TOUCHED / 2 */
	CUT_FILE = 't',		/* to half of TOUCHED */
	WRITE = 'w',		/* 0xa5 at TOUCHED - 1 */
	CHANGE_SLOT = 's',	/* add and remove the second slot, twice */
	CHURN = 'c',		/* the same for ever, in a thread */
	MISS = 'u',		/* userfaultfd takes over what is missing */
	PLACE = 'p',		/* what it was asked for, as pattern */
	CLOSE = 'q',		/* close the VM, live on */
	NAME_ALONE = 'n',	/* in its files' places the name of one, the vCPU's behind them */
	CLOSE_LAST = 'l',	/* that one */
	EXIT = 'x',		/* no answer comes */
	ADD_VCPU = 'v',
	HAND_ON = 'e',		/* to a process of the same memory; execute another program */
};

struct vm {
	enum ram kind;
	bool leader_ends;
	pid_t pid;
	int orders, memfd, guest;
	uint64_t id;
	struct vm_shared {
		volatile uint64_t changes, asked, asked_at, placed;
		volatile uintptr_t ram;		/* where the VMM has it */
		volatile int placed_error;
	} *shared;
};

/* What its guest runs. */
static struct { const uint8_t *bytes; size_t size; } vm_code = { tiny_exits, sizeof(tiny_exits) };

static inline uint8_t pattern(uint64_t at)
{
	return at * 7 + (at >> 8) + (at >> 16);
}

static inline bool pattern_holds(const uint8_t *bytes, uint64_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != pattern(from + i))
			return false;
	return true;
}

/* ---- in the child ---- */

static struct {
	int vm, vcpu, last, uffd, vcpus;
	uint8_t *ram;
	struct kvm_run *run;
} vmm;

static inline void *run_vcpu(void *arg)
{
	int vcpu = (intptr_t)arg;

	while (!ioctl(vcpu, KVM_RUN, 0) || errno == EINTR)
		usleep(1000);
	return NULL;
}

static inline void add_vcpu(void)
{
	int vcpu = tiny_vcpu_at_code(vmm.vm, vmm.vcpus++);
	pthread_t thread;

	pthread_create(&thread, NULL, run_vcpu, (void *)(intptr_t)vcpu);
	if (vmm.vcpus == 1)
		vmm.vcpu = vcpu;
}

static inline void change_slot(struct vm *vm)
{
	void *at = mmap(NULL, HIGH_SIZE, PROT_READ | PROT_WRITE,
			(vm->memfd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED) | MAP_POPULATE,
			vm->memfd, 0);

	if (at == MAP_FAILED)
		err(1, "second slot");
	if (vm->memfd < 0)
		for (size_t i = 0; i < HIGH_SIZE; i++)
			((uint8_t *)at)[i] = pattern(i);
	tiny_slot(vmm.vm, 1, HIGH_GPA, HIGH_SIZE, at);
	vm->shared->changes++;
	usleep(2000);
	tiny_slot(vmm.vm, 1, HIGH_GPA, 0, NULL);
	/* What it shows from here on is not the guest's. */
	memset(mmap(at, HIGH_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0), 0xee, HIGH_SIZE);
	munmap(at, HIGH_SIZE);
}

static inline void *churn(void *arg)
{
	for (;;)
		change_slot(arg);
	return NULL;
}

/* Notes what is missing, and leaves it so. */
static inline void *note_faults(void *arg)
{
	struct vm *vm = arg;
	struct uffd_msg msg;

	while (read(vmm.uffd, &msg, sizeof(msg)) == sizeof(msg)) {
		vm->shared->asked_at = msg.arg.pagefault.address - (uintptr_t)vmm.ram;
		vm->shared->asked++;
	}
	return NULL;
}

static inline void miss(struct vm *vm)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)vmm.ram, .len = RAM_SIZE },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	pthread_t thread;

	vmm.uffd = syscall(SYS_userfaultfd, O_CLOEXEC);
	if (vmm.uffd < 0 || ioctl(vmm.uffd, UFFDIO_API, &api) ||
	    ioctl(vmm.uffd, UFFDIO_REGISTER, &range))
		err(1, "userfaultfd");
	pthread_create(&thread, NULL, note_faults, vm);
}

static inline void place(struct vm *vm)
{
	static uint8_t page[PAGE];
	uint64_t at = vm->shared->asked_at & ~(uint64_t)(PAGE - 1);
	struct uffdio_copy copy = {
		.dst = (uintptr_t)vmm.ram + at, .src = (uintptr_t)page, .len = PAGE,
	};

	for (unsigned i = 0; i < PAGE; i++)
		page[i] = pattern(at + i);
	vm->shared->placed_error = ioctl(vmm.uffd, UFFDIO_COPY, &copy) ? errno : 0;
	vm->shared->placed++;
}

static inline int run_on(void *vcpu)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	run_vcpu(vcpu);
	return 1;
}

/* Another process has its memory and goes on with the guest; it is another program. */
static inline void hand_on(void)
{
	static char stack[65536] __attribute__((aligned(16)));

	if (clone(run_on, stack + sizeof(stack), CLONE_VM | SIGCHLD, (void *)(intptr_t)vmm.vcpu) < 0)
		err(1, "clone");
	execlp("sleep", "sleep", "600", NULL);
	err(1, "sleep");
}

/* A file as O_PATH makes it: it has the vCPU's name, and nothing behind it. */
static inline void have_name_alone(void)
{
	int name = syscall(SYS_open_tree, vmm.vcpu, "", AT_EMPTY_PATH | O_CLOEXEC);

	vmm.last = dup(vmm.vcpu);
	if (name < 0 || vmm.last < 0 || dup2(name, vmm.vm) < 0 || dup2(name, vmm.vcpu) < 0)
		err(1, "a name alone");
	close(name);
}

static inline void obey(struct vm *vm, char order)
{
	pthread_t thread;

	switch (order) {
	case PUNCH_HOLE:
		if (fallocate(vm->memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, TOUCHED / 2, PAGE))
			err(1, "hole");
		break;
	case CUT_FILE:
		if (ftruncate(vm->memfd, TOUCHED / 2))
			err(1, "cut");
		break;
	case WRITE: vmm.ram[TOUCHED - 1] = 0xa5; break;
	case CHANGE_SLOT: change_slot(vm); change_slot(vm); break;
	case CHURN: pthread_create(&thread, NULL, churn, vm); break;
	case MISS: miss(vm); break;
	case PLACE: place(vm); break;
	case ADD_VCPU: add_vcpu(); break;
	case HAND_ON: hand_on(); break;	/* never answered */
	case NAME_ALONE: have_name_alone(); break;
	case CLOSE_LAST: close(vmm.last); break;
	case CLOSE: close(vmm.vcpu); close(vmm.vm); break;
	case EXIT: _exit(0);
	}
}

static inline void *serve(void *arg)
{
	struct vm *vm = arg;
	char order;

	while (read(vm->orders, &order, 1) == 1) {
		obey(vm, order);
		if (write(vm->orders, &order, 1) != 1)
			break;
	}
	_exit(0);
}

static inline void be_vmm(struct vm *vm)
{
	int flags = vm->memfd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
	pthread_t thread;

	vmm.vm = tiny_vm();
	vmm.ram = mmap(NULL, RAM_SIZE, PROT_READ | PROT_WRITE, flags, vm->memfd, 0);
	if (vmm.ram == MAP_FAILED)
		err(1, "memory");
	madvise(vmm.ram, RAM_SIZE, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < TOUCHED; i++)
		vmm.ram[i] = pattern(i);
	memcpy(vmm.ram + TINY_CODE, vm_code.bytes, vm_code.size);
	tiny_slot(vmm.vm, 0, 0, RAM_SIZE, vmm.ram);
	vm->shared->ram = (uintptr_t)vmm.ram;
	add_vcpu();
	pthread_create(&thread, NULL, serve, vm);
	if (vm->leader_ends)
		pthread_exit(NULL);
	pthread_join(thread, NULL);
}

/* ---- in the test ---- */

static inline bool tell(struct vm *vm, enum order order)
{
	char byte = order, answer;

	return write(vm->orders, &byte, 1) == 1 && read(vm->orders, &answer, 1) == 1 && answer == byte;
}

static inline void start_vm(struct vm *vm, enum ram kind, bool leader_ends)
{
	struct kvm_warden_guest_info info;
	int pair[2];

	*vm = (struct vm){ .kind = kind, .leader_ends = leader_ends, .memfd = -1, .guest = -1 };
	if (kind != ANONYMOUS) {
		vm->memfd = memfd_create("ram", MFD_CLOEXEC | (kind == HUGE ? MFD_HUGETLB : 0));
		if (vm->memfd < 0 || ftruncate(vm->memfd, RAM_SIZE))
			err(1, "memfd");
	}
	vm->shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vm->shared == MAP_FAILED || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		err(1, "VM");
	vm->pid = fork();
	if (!vm->pid) {
		close(pair[0]);
		vm->orders = pair[1];
		be_vmm(vm);
		_exit(1);
	}
	close(pair[1]);
	vm->orders = pair[0];
	for (int i = 0; i < 500 && !find_guest(vm->pid, &info); i++)
		usleep(10000);
	vm->id = info.guest;
	vm->guest = open_guest(info.guest);
	if (vm->guest < 0)
		errx(1, "the VM is no guest");
}

static inline void kill_vm(struct vm *vm)
{
	kill(vm->pid, SIGKILL);
	waitpid(vm->pid, NULL, 0);
}

/* All that the test has of it. */
static inline void forget_vm(struct vm *vm)
{
	close(vm->orders);
	close(vm->guest);
	if (vm->memfd >= 0)
		close(vm->memfd);
	munmap(vm->shared, PAGE);
}

static inline void end_vm(struct vm *vm)
{
	kill_vm(vm);
	forget_vm(vm);
}

/* A memory fd, or -errno. */
static inline int open_memory(int guest, uint64_t gpa, uint64_t size)
{
	struct kvm_warden_map request = { .gpa = gpa, .size = size };
	int fd = ioctl(guest, KVM_WARDEN_MAP, &request);

	return fd < 0 ? -errno : fd;
}

static inline uint8_t *map_memory(int memory, size_t size, size_t at)
{
	return mmap(NULL, size, PROT_READ, MAP_SHARED, memory, at);
}

static inline long file_pages(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -1 : st.st_blocks / 8;
}

#endif
