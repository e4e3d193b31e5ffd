/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs of the hooks test share: a VMM in a child process, whose
 * guest runs 16-bit code at 0x1000 of one megabyte of RAM.
 */
#ifndef VMM_H
#define VMM_H

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../device.h"
#include "../tinyvm.h"

#define RAM 0x20000u
#define SECOND 0x40000u		/* another slot, and its size */
#define SECOND_SIZE 0x10000u
#define MOVED 0x80000u		/* where the second slot can move to */
#define HUGE_SIZE (2u << 20)
#define SMM_SLOT (1 << 16 | 1)	/* one of the guest's SMM, if KVM has it */
#define SMM_ROUNDS 0x9000u	/* a byte there counts those it was made and deleted */
#define MOVES 0x9001u		/* 1: the second slot was moved; 2: KVM refused to */
#define MEMORY_SIZE (1u << 20)

struct vmm {
	pid_t pid;
	struct kvm_warden_guest_info info;
	int guest;		/* its fd */
};

struct program {
	const uint8_t *code;
	size_t size;
	bool irqchip;		/* HLT waits in the kernel */
	bool paged;		/* 32-bit code, one page table at 0x6000 */
	bool smm;		/* SIGUSR2 is for the SMM's slot beside the second one */
	bool moves;		/* SIGUSR2 moves the second slot, and back */
	bool huge;		/* one slot, of one huge page */
	int vcpus;		/* 0: 1 */
};

static uint8_t *vmm_ram;

static int vmm_fd;

static inline void vmm_set_slot(int slot, uint64_t gpa, uint64_t size)
{
	tiny_slot(vmm_fd, slot, gpa, size, vmm_ram + gpa);
}

/* False: KVM refuses to, and it stays. */
static inline bool vmm_move_second(uint64_t to)
{
	struct kvm_userspace_memory_region region = {
		.slot = 1, .guest_phys_addr = to, .memory_size = SECOND_SIZE,
		.userspace_addr = (uintptr_t)vmm_ram + SECOND,
	};

	return !ioctl(vmm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/* Aligned as in the guest, and there. */
static inline uint8_t *vmm_huge_page(void)
{
	uintptr_t at = (uintptr_t)tiny_ram(2 * HUGE_SIZE, MAP_PRIVATE);
	uint8_t *ram = (uint8_t *)((at + HUGE_SIZE - 1) & ~(uintptr_t)(HUGE_SIZE - 1));

	if (madvise(ram, HUGE_SIZE, MADV_HUGEPAGE))
		err(1, "huge pages");
	memset(ram, 0, HUGE_SIZE);
	return ram;
}

static inline void *vmm_run_vcpu(void *arg)
{
	int vcpu = (intptr_t)arg;
	struct kvm_run *run = tiny_map_run(vcpu);

	for (;;) {
		if (ioctl(vcpu, KVM_RUN, 0) && errno != EINTR)
			err(1, "KVM_RUN");
		if (run->exit_reason == KVM_EXIT_INTERNAL_ERROR || run->exit_reason == KVM_EXIT_FAIL_ENTRY)
			errx(1, "the guest failed: exit reason %u", run->exit_reason);
		if (run->exit_reason == KVM_EXIT_IO || run->exit_reason == KVM_EXIT_HLT)
			usleep(1000);
	}
	return NULL;
}

/* Flat 32-bit segments and paging: 0 to 4 MB map to themselves. */
static inline void vmm_enter_paging(struct kvm_sregs *sregs)
{
	struct kvm_segment code = {
		.limit = ~0u, .selector = 8, .type = 11, .present = 1, .db = 1, .s = 1, .g = 1,
	};
	uint32_t *directory = (uint32_t *)(vmm_ram + 0x5000), *table = (uint32_t *)(vmm_ram + 0x6000);

	sregs->cs = code;
	code.type = 3;
	code.selector = 16;
	sregs->ds = sregs->es = sregs->ss = sregs->fs = sregs->gs = code;
	directory[0] = 0x6000 | 3;
	for (unsigned int i = 0; i < 1024; i++)
		table[i] = i << 12 | 3;
	sregs->cr3 = 0x5000;
	sregs->cr0 |= 0x80000001;
}

static inline int vmm_make_vcpu(const struct program *program, int index)
{
	int vcpu = tiny_vcpu_at_code(vmm_fd, index);
	struct kvm_mp_state running = { .mp_state = KVM_MP_STATE_RUNNABLE };
	struct kvm_sregs sregs = tiny_sregs(vcpu);

	if (program->paged)
		vmm_enter_paging(&sregs);
	tiny_set_sregs(vcpu, &sregs);
	ioctl(vcpu, KVM_SET_MP_STATE, &running);
	return vcpu;
}

/*
 * The child.  Its first thread serves signals, the others run a vCPU each.
 * SIGUSR1: KVM maps the guest's memory anew.  SIGUSR2: the second slot is made anew,
 * or moved, or one of SMM made in its place and deleted.
 */
static inline void be_vmm(const struct program *program, int ready)
{
	pthread_t thread;
	sigset_t both;

	vmm_fd = tiny_vm();
	vmm_ram = program->huge ? vmm_huge_page() : tiny_ram(MEMORY_SIZE, MAP_SHARED);
	if (program->huge) {
		vmm_set_slot(0, 0, HUGE_SIZE);
	} else {
		vmm_set_slot(0, 0, RAM);
		vmm_set_slot(1, SECOND, SECOND_SIZE);
	}
	if (program->irqchip && ioctl(vmm_fd, KVM_CREATE_IRQCHIP, 0))
		err(1, "irqchip");
	memcpy(vmm_ram + TINY_CODE, program->code, program->size);
	sigemptyset(&both);
	sigaddset(&both, SIGUSR1);
	sigaddset(&both, SIGUSR2);
	sigprocmask(SIG_BLOCK, &both, NULL);
	for (int i = 0; i < (program->vcpus ?: 1); i++)
		pthread_create(&thread, NULL, vmm_run_vcpu, (void *)(intptr_t)vmm_make_vcpu(program, i));
	if (write(ready, "r", 1) != 1)
		_exit(1);
	for (;;) {
		int signal;

		sigwait(&both, &signal);
		if (signal == SIGUSR1) {
			madvise(vmm_ram, RAM, MADV_DONTNEED);	/* shared: the bytes stay */
			continue;
		}
		if (program->smm) {
			vmm_set_slot(SMM_SLOT, SECOND, SECOND_SIZE);
			vmm_set_slot(SMM_SLOT, SECOND, 0);
			vmm_ram[SMM_ROUNDS]++;
			continue;
		}
		if (program->moves) {
			bool moved = vmm_move_second(MOVED) && vmm_move_second(SECOND);

			vmm_ram[MOVES] = moved ? 1 : 2;
			continue;
		}
		vmm_set_slot(1, SECOND, 0);
		vmm_set_slot(1, SECOND, SECOND_SIZE);
	}
}

static inline void vmm_start(struct vmm *vmm, const struct program *program)
{
	int ready[2];
	char byte;

	if (pipe(ready))
		err(1, "pipe");
	fflush(stdout);
	vmm->pid = fork();
	if (vmm->pid == 0) {
		be_vmm(program, ready[1]);
		_exit(1);
	}
	close(ready[1]);
	if (read(ready[0], &byte, 1) != 1)
		errx(1, "the VMM did not start");
	close(ready[0]);
	for (int i = 0; i < 100 && !find_guest(vmm->pid, &vmm->info); i++)
		usleep(10000);
	vmm->guest = open_guest(vmm->info.guest);
	if (vmm->guest < 0)
		err(1, "the VM is no guest");
}

static inline void vmm_end(struct vmm *vmm)
{
	kill(vmm->pid, SIGKILL);
	waitpid(vmm->pid, NULL, 0);
	close(vmm->guest);
}

/* ---- files ---- */

static inline void write_file(const char *value, const char *format, ...)
{
	char path[256];
	va_list args;
	int fd;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = open(path, O_WRONLY | O_TRUNC);
	if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		warn("%s", path);
	if (fd >= 0)
		close(fd);
}

/* The whole file, for one use at a time. */
static inline const char *file_text(const char *format, ...)
{
	static char text[8 << 20];
	char path[256];
	va_list args;
	size_t n = 0;
	ssize_t r;
	int fd;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	fd = open(path, O_RDONLY);
	while (fd >= 0 && n < sizeof(text) - 1 && (r = read(fd, text + n, sizeof(text) - 1 - n)) > 0)
		n += r;
	if (fd >= 0)
		close(fd);
	text[n] = 0;
	return text;
}

/* How often the module took a request's time, as debugfs tells. */
static inline unsigned long long times(const char *request)
{
	const char *at = strstr(file_text("/sys/kernel/debug/kvm_warden/timings"), request);

	return at && at[strlen(request)] == ' ' ? strtoull(at + strlen(request), NULL, 10) : ~0ull;
}

#endif
