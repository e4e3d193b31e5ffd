// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * apart: a plain VM whose memory is a guest_memfd's alone (7.2), with a decoy at the
 * address that its slot names in the VMM.  Prints TAP.
 */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "../intel/observe.h"
#include "../tinyvm.h"

#define SIZE 65536u

/* Of a newer <linux/kvm.h> than Debian 12's. */
#define CAP_GUEST_MEMFD_FLAGS 244
#define GUEST_MEMFD_MMAP 1u
#define GUEST_MEMFD_SHARED 2u
#define MEM_GUEST_MEMFD (1u << 2)

struct create_guest_memfd {
	uint64_t size, flags, reserved[6];
};

struct region2 {
	uint32_t slot, flags;
	uint64_t gpa, size, address, offset;
	uint32_t memfd, pad1;
	uint64_t pad2[14];
};

#define CREATE_GUEST_MEMFD _IOWR(KVMIO, 0xd4, struct create_guest_memfd)
#define SET_REGION2 _IOW(KVMIO, 0x49, struct region2)

static bool is_supported(int vm)
{
	const int flags = ioctl(vm, KVM_CHECK_EXTENSION, CAP_GUEST_MEMFD_FLAGS);

	return flags > 0 && flags & GUEST_MEMFD_MMAP && flags & GUEST_MEMFD_SHARED;
}

/* It runs code that is nowhere in the VMM's slot. */
static void run(int vm)
{
	struct create_guest_memfd create = { .size = SIZE, .flags = GUEST_MEMFD_MMAP | GUEST_MEMFD_SHARED };
	struct region2 region = { .flags = MEM_GUEST_MEMFD, .size = SIZE };
	const int memfd = ioctl(vm, CREATE_GUEST_MEMFD, &create);
	uint8_t *ram = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	void *decoy = tiny_ram(SIZE, MAP_SHARED);

	region.memfd = memfd;
	region.address = (uintptr_t)decoy;
	if (memfd < 0 || ram == MAP_FAILED || ioctl(vm, SET_REGION2, &region))
		_exit(1);
	memset(decoy, 0x90, SIZE);
	memcpy(ram + TINY_CODE, tiny_exits, sizeof(tiny_exits));
	tiny_run(tiny_vcpu_at_code(vm, 0), 1000);
}

int main(void)
{
	struct kvm_warden_memslots slots = { 0 };
	struct kvm_warden_guest_info info = { 0 };
	uint8_t byte = 0;
	int vm, guest;
	pid_t pid;

	setlinebuf(stdout);
	open_control();
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		vm = tiny_vm();
		if (!is_supported(vm))
			_exit(77);
		run(vm);
	}
	usleep(500000);
	if (waitpid(pid, &vm, WNOHANG) == pid) {
		check(WIFEXITED(vm) && WEXITSTATUS(vm) == 77, "# SKIP this KVM gives a plain VM no guest_memfd");
		printf("1..%d\n", tests);
		return failures != 0;
	}
	check(EVENTUALLY(find_guest(pid, &info) && info.exits > 100), "a guest runs in a guest_memfd");
	check(EVENTUALLY(find_guest(pid, &info) && info.flags & KVM_WARDEN_GUEST_ENCRYPTED),
	      "its memory is known as not the VMM's");
	guest = open_guest(info.guest);
	check(!read_guest(guest, TINY_CODE, &byte, 1) && errno == EPERM && !byte, "no decoy is read for it");
	check(!ioctl(guest, KVM_WARDEN_MEMSLOTS, &slots) && !slots.count, "nor told as its memory");
	close(guest);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	printf("1..%d\n", tests);
	return failures != 0;
}
