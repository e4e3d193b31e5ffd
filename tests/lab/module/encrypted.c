// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * encrypted: guests that mark_encrypted.ko gives the marks of SEV and SEV-ES, from their
 * first entry on or while they run, beside one that has none.  Prints TAP.
 */
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../intel/observe.h"
#include "../tinyvm.h"

#define PARAMETERS "/sys/module/mark_encrypted/parameters/"
#define NEW_LSTAR 0xffffffff12345678ull

static const char *const changes[] = {
	"kvm_warden_address_space:", "kvm_warden_entry_point:", "kvm_warden_idt:",
};

#define CHANGES (sizeof(changes) / sizeof(changes[0]))

static void mark(pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	write_file(PARAMETERS "pid", text);
}

static void mark_me(void)
{
	mark(getpid());
}

static bool is_encrypted(pid_t pid, struct kvm_warden_guest_info *info)
{
	return find_guest(pid, info) && (info->flags & KVM_WARDEN_GUEST_ENCRYPTED);
}

/* ---- what is refused, and what is not ---- */

static int map(int guest)
{
	struct kvm_warden_map request = { .gpa = 0, .size = VM64_RAM };

	return ioctl(guest, KVM_WARDEN_MAP, &request);
}

static int regs_error(int guest, uint32_t flags)
{
	struct kvm_warden_regs regs = { .flags = flags };

	return result(ioctl(guest, KVM_WARDEN_REGS, &regs));
}

static void test_refusals(int guest)
{
	struct kvm_warden_memslot slot = { 0 };
	struct kvm_warden_memslots slots = { .slots = (uintptr_t)&slot, .count = 1 };
	uint64_t word = 0;

	check(regs_error(guest, 0) == EPERM && regs_error(guest, KVM_WARDEN_REGS_FRESH) == EPERM,
	      "its registers are EPERM");
	check(read_at(guest, VM64_MAILBOX, &word, 8, 0).error == -EPERM - 10000 &&
	      read_at(guest, VM64_MAILBOX, &word, 8, KVM_WARDEN_READ_FAULT).error == -EPERM - 10000 && !word,
	      "its memory is EPERM");
	check(result(map(guest)) == EPERM, "so is a mapping of it");
	check(watch(guest, VM64_MAILBOX, 8) == (can_watch() ? EPERM : EOPNOTSUPP), "so is a write watch");
	check(!ioctl(guest, KVM_WARDEN_MEMSLOTS, &slots) && slots.count == 1 && slot.size == VM64_RAM,
	      "its memslots are told");
}

static void test_state(uint64_t id)
{
	check(EVENTUALLY(guest_file_is(id, "encrypted", "1")) &&
	      guest_file_is(id, "state", "running encrypted"), "sysfs says so");
}

/* ---- events ---- */

static unsigned int count_changes(uint64_t id)
{
	unsigned int n = 0;

	for (size_t i = 0; i < CHANGES; i++)
		n += count_in_trace(changes[i], id, "");
	return n;
}

static void write_lstar(struct vm64 *vm)
{
	vm->mailbox->lstar = NEW_LSTAR;
	vm->mailbox->set_lstar = 1;
	check(EVENTUALLY(!vm->mailbox->set_lstar), "it writes LSTAR");
	usleep(300000);
}

/*
 * While it stands still: each exit of its life is counted, and each event that it emitted
 * is in the trace.
 */
static void test_accounting(int guest, uint64_t id, struct vm64 *vm)
{
	const struct vendor *vendor = this_vendor();
	struct kvm_warden_guest_info info = { 0 };
	struct kvm_warden_freeze request;
	uint64_t cpuid, out, rounds;
	unsigned int told;

	usleep(500000);		/* the budget for freezes fills again */
	check(!freeze(guest, 500, &request), "frozen for a look at what was counted");
	ioctl(guest, KVM_WARDEN_GUEST_INFO, &info);
	told = count_in_trace("kvm_warden_", id, "");
	cpuid = exits_of(id, vendor->cpuid);
	out = exits_of(id, vendor->out);
	rounds = vm->mailbox->rounds;
	check(!thaw(guest), "in time");
	check(told && info.emitted == told, "%llu events emitted, %u in the trace", info.emitted, told);
	check(rounds > 100 && is_about(cpuid, 2 * rounds, 2) && is_about(out, rounds, 1),
	      "%" PRIu64 " exits by CPUID and %" PRIu64 " by OUT in %" PRIu64 " rounds", cpuid, out, rounds);
}

static bool is_withheld(uint64_t id, unsigned int since)
{
	return count_in_trace("kvm_warden_", id, " cr3=0x0 ") >= since &&
	       count_in_trace("kvm_warden_", id, " rip=0x0 ") >= since;
}

/* ---- the guest beside ---- */

static void test_plain(struct vm64 *vm)
{
	struct kvm_warden_guest_info info;
	struct kvm_warden_regs regs;
	uint64_t word = 0;
	int guest;

	check(find_guest(vm->pid, &info) && !info.flags && guest_file_is(info.guest, "state", "running"),
	      "the guest beside it is none");
	guest = open_guest(info.guest);
	check(sample(guest, &regs) && regs.rip >= VM64_CODE && regs.rip < VM64_CODE_END && regs.rsp == VM64_STACK,
	      "its registers are told");
	check(read_guest(guest, VM64_MAILBOX, &word, 8) && word, "its memory is read");
	check(guest_file_is(info.guest, "address_spaces", "2") &&
	      value_in_trace(changes[0], info.guest, VM64_CR3_A) &&
	      value_in_trace(changes[0], info.guest, VM64_CR3_B) &&
	      value_in_trace(changes[1], info.guest, VM64_LSTAR) &&
	      value_in_trace(changes[2], info.guest, VM64_IDTR), "its state is announced");
	test_accounting(guest, info.guest, vm);
	close(guest);
}

/* ---- the runs ---- */

static void test_born(const char *kind)
{
	struct kvm_warden_guest_info info = { 0 };
	struct vm64 vm;
	int guest;

	printf("# %s, from the first entry on\n", kind);
	write_file(PARAMETERS "kind", kind);
	vm = vm64_start_after(mark_me, false);
	check(vm.mailbox->rounds >= 3, "a guest runs with the marks of %s", kind);
	check(is_encrypted(vm.pid, &info) && info.flags == KVM_WARDEN_GUEST_ENCRYPTED && info.vcpus == 1,
	      "it is an encrypted guest");
	guest = open_guest(info.guest);
	test_state(info.guest);
	test_refusals(guest);
	write_lstar(&vm);
	test_freeze(guest, info.guest, &vm);
	check(in_trace("kvm_warden_guest_up:", info.guest, "seq=1") && !count_changes(info.guest),
	      "events: it came, and no change of its state");
	test_accounting(guest, info.guest, &vm);
	find_guest(vm.pid, &info);
	check(is_withheld(info.guest, info.emitted), "each of %llu events withholds CR3 and RIP", info.emitted);
	check(!info.address_spaces && !info.seen_again && info.exits > 30,
	      "of %llu exits no address space is counted", info.exits);
	mark(0);
	vm64_end(&vm);
	close(guest);
}

static void test_mapping(int window, volatile struct vm64_mailbox *old)
{
	uint64_t rounds = old->rounds;

	check(mmap(NULL, VM64_RAM, PROT_READ, MAP_SHARED, window, 0) == MAP_FAILED && errno == EPERM,
	      "no new mapping is made of a memory fd that is there");
	check(EVENTUALLY(old->rounds != rounds), "one that is there stays");
}

/* What holds of it before it becomes encrypted ends, and nothing is told that was not before. */
static void test_becomes(const char *kind)
{
	struct kvm_warden_guest_info info = { 0 }, now = { 0 };
	struct kvm_warden_regs regs;
	unsigned int told;
	struct vm64 vm;
	int guest, window;
	uint8_t *mapped;

	printf("# %s, while it runs\n", kind);
	write_file(PARAMETERS "kind", kind);
	vm = vm64_start(false);
	check(find_guest(vm.pid, &info) && !info.flags, "a guest runs");
	guest = open_guest(info.guest);
	check(sample(guest, &regs) && regs.rsp == VM64_STACK, "its registers are told");
	window = map(guest);
	mapped = mmap(NULL, VM64_RAM, PROT_READ, MAP_SHARED, window, 0);
	check(mapped != MAP_FAILED, "its memory is mapped");
	if (can_watch())
		check(!watch(guest, VM64_MAILBOX, 8), "and watched");
	mark(vm.pid);
	check(EVENTUALLY(is_encrypted(vm.pid, &now)), "it gets the marks of %s, and is an encrypted guest", kind);
	told = count_changes(info.guest);
	if (can_watch())
		check(watch_ends(guest, KVM_WARDEN_WRITE_ENCRYPTED), "the watch ends, and that is told");
	test_state(info.guest);
	test_refusals(guest);
	test_mapping(window, (void *)(mapped + VM64_MAILBOX));
	write_lstar(&vm);
	test_accounting(guest, info.guest, &vm);
	check(told && count_changes(info.guest) == told && !value_in_trace(changes[1], info.guest, NEW_LSTAR),
	      "no change of its state is announced any more (%u before)", told);
	find_guest(vm.pid, &info);
	check(info.address_spaces == now.address_spaces && info.seen_again == now.seen_again,
	      "nor is one counted");
	mark(0);
	vm64_end(&vm);
	munmap(mapped, VM64_RAM);
	close(window);
	close(guest);
}

/*
 * It shows the same at each exit, as the save area of a real one does with SEV-ES.  Alone,
 * or each change to another vCPU would have it looked at.
 */
static void test_unchanging(void)
{
	struct kvm_warden_guest_info info = { 0 };
	int vm, vcpu;
	pid_t pid;

	printf("# protected, with nothing new at its exits\n");
	write_file(PARAMETERS "kind", "protected");
	pid = fork();
	if (pid == 0) {
		vm = tiny_vm();
		tiny_ram_with(vm, 65536, tiny_exits, sizeof(tiny_exits));
		vcpu = tiny_vcpu_at_code(vm, 0);
		tiny_map_run(vcpu);
		tiny_run(vcpu, 1000);
	}
	check(EVENTUALLY(find_guest(pid, &info) && info.exits > 20) && !info.flags, "a guest runs");
	mark(pid);
	check(EVENTUALLY(is_encrypted(pid, &info)), "marked, it is an encrypted guest");
	mark(0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

int main(void)
{
	struct vm64 plain;

	setlinebuf(stdout);
	open_control();
	trace_on();
	plain = vm64_start(false);
	test_born("sev");
	test_born("sev-es");
	test_becomes("sev");
	test_becomes("sev-es");
	test_becomes("protected");
	test_plain(&plain);
	vm64_end(&plain);
	test_unchanging();
	trace_off();
	printf("1..%d\n", tests);
	return failures != 0;
}
