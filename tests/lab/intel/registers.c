// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * registers [nested | vm]: what the vendor's backend tells of a guest in long mode,
 * held against what that guest and its VMM set.  nested: of a guest that runs
 * another.  vm: only runs the guest, for ever.  Prints TAP.
 */
#include "observe.h"

#define NEW_LSTAR 0xffffffff12345678ull

/* ---- registers ---- */

static void test_registers(int guest, const struct vendor *vendor)
{
	struct kvm_warden_regs r;
	bool a = false, b = false, odd = false;

	check(sample(guest, &r) && !(r.flags & ~KVM_WARDEN_REGS_FRESH), "registers of vCPU 0");
	check(r.rip >= VM64_CODE && r.rip < VM64_CODE_END, "RIP %#llx is in the code", r.rip);
	check(r.rsp == VM64_STACK, "RSP %#llx", r.rsp);
	check(r.cr0 == VM64_CR0 && r.cr4 == VM64_CR4 && r.efer == VM64_EFER,
	      "CR0 %#llx, CR4 %#llx and EFER %#llx are the guest's, with no bit of the host's",
	      r.cr0, r.cr4, r.efer);
	check(r.lstar == VM64_LSTAR, "LSTAR %#llx is what the VMM set", r.lstar);
	check(r.idtr == VM64_IDTR, "IDTR %#llx", r.idtr);
	check(r.gs_base == VM64_GS_BASE && r.kernel_gs_base == VM64_KERNEL_GS,
	      "GS base %#llx, kernel's %#llx", r.gs_base, r.kernel_gs_base);
	check(r.cpl == 0, "CPL %u", r.cpl);
	/* On one CPU it runs while we sleep. */
	for (int i = 0; i < 2000 && !(a && b) && sample(guest, &r); i++, usleep(1000)) {
		a |= r.cr3 == VM64_CR3_A;
		b |= r.cr3 == VM64_CR3_B;
		odd |= r.cr3 != VM64_CR3_A && r.cr3 != VM64_CR3_B;
	}
	check(a && b && !odd, "CR3 is one or the other of those that the guest writes, without an exit");
	check(EVENTUALLY(sample(guest, &r) && r.exit_code == vendor->cpuid),
	      "a sample at a CPUID: exit code %#x", vendor->cpuid);
}

static void test_fresh(int guest)
{
	struct kvm_warden_regs r = { .flags = KVM_WARDEN_REGS_FRESH };
	int error = ioctl(guest, KVM_WARDEN_REGS, &r);

	check(!error && r.rip >= VM64_CODE && r.rip < VM64_CODE_END &&
	      r.age_ns < 1000000000, "fresh registers are %" PRIu64 " us old", (uint64_t)r.age_ns / 1000);
}

static void test_lstar(int guest, struct vm64 *vm)
{
	struct kvm_warden_regs r;

	vm->mailbox->lstar = NEW_LSTAR;
	vm->mailbox->set_lstar = 1;
	check(EVENTUALLY(!vm->mailbox->set_lstar), "the guest writes LSTAR");
	check(EVENTUALLY(sample(guest, &r) && r.lstar == NEW_LSTAR), "and the sample shows it");
	check(r.cr4 == (VM64_CR4 ^ VM64_CR4_PSE), "and CR4, which it wrote, too: %#llx", r.cr4);
}

/* ---- events ---- */

static bool rip_in_trace(const char *event, uint64_t id)
{
	char field[64];

	for (uint64_t rip = VM64_CODE; rip < VM64_CODE + 0x80; rip++) {
		snprintf(field, sizeof(field), "rip=0x%" PRIx64, rip);
		if (in_trace(event, id, field))
			return true;
	}
	return false;
}

/*
 * AMD's CPUs give a guest LSTAR's MSR, and those without decode assists leave writes of
 * control registers to KVM's emulator, untold.
 */
static void test_further_events(uint64_t id, const struct vendor *vendor)
{
	char msr[64], cr[64];

	snprintf(msr, sizeof(msr), "data=%#llx", NEW_LSTAR);
	snprintf(cr, sizeof(cr), "data=%#x", VM64_CR4 ^ VM64_CR4_PSE);
	check(count_in_trace("kvm_warden_page_fault:", id, "") +
	      count_in_trace("kvm_warden_exec_fault:", id, "") > 0, "event: page faults");
	if (vendor != &intel)
		return;
	check(value_in_trace("kvm_warden_msr_write:", id, 0xc0000082) &&
	      in_trace("kvm_warden_msr_write:", id, msr), "event: the write of LSTAR's MSR, and what");
	check(value_in_trace("kvm_warden_cr_write:", id, 4) &&
	      in_trace("kvm_warden_cr_write:", id, cr) &&
	      in_trace("kvm_warden_cr_write:", id, "exit=0x1c"), "event: the write of CR4, and what");
}

static void test_events(uint64_t id)
{
	check(in_trace("kvm_warden_guest_up:", id, "seq=1"), "event: the guest came");
	check(value_in_trace("kvm_warden_address_space:", id, VM64_CR3_A) &&
	      value_in_trace("kvm_warden_address_space:", id, VM64_CR3_B), "event: both address spaces");
	check(rip_in_trace("kvm_warden_address_space:", id), "with RIP in the code");
	check(value_in_trace("kvm_warden_idt:", id, VM64_IDTR), "event: the IDT");
	check(value_in_trace("kvm_warden_entry_point:", id, VM64_LSTAR) &&
	      value_in_trace("kvm_warden_entry_point:", id, NEW_LSTAR), "event: both values of LSTAR");
	check(!in_trace("kvm_warden_", id, "rip=0xffffffffffffffff"), "no field failed to be read");
}

/* ---- memory ---- */

static void test_memory(int guest, struct vm64 *vm)
{
	uint8_t bytes[4096];
	uint64_t rounds;

	check(read_guest(guest, VM64_CODE, bytes, sizeof(bytes)) &&
	      !memcmp(bytes, vm->ram + VM64_CODE, sizeof(bytes)), "its memory is read");
	check(read_guest(guest, VM64_MAILBOX, &rounds, sizeof(rounds)) && rounds,
	      "and what it writes there");
}

/* It counts its rounds there, in one of its two address spaces. */
static void test_watch(int guest)
{
	struct pollfd p = { .fd = guest, .events = POLLIN };
	struct kvm_warden_write w = { 0 };
	bool told;

	if (!can_watch()) {
		printf("# a watch: skipped, it is off\n");
		return;
	}
	check(!watch(guest, VM64_MAILBOX, 8), "a word of its memory is watched");
	told = poll(&p, 1, 5000) == 1 && read(guest, &w, sizeof(w)) == sizeof(w);
	check(told && !w.flags && w.gpa == VM64_MAILBOX && w.len == 8 && w.cr3 == VM64_CR3_B &&
	      w.rip >= VM64_CODE && w.rip < VM64_CODE_END,
	      "a write of %u bytes at %#" PRIx64 " is told, by whom and from where", w.len, (uint64_t)w.gpa);
	check(!unwatch(guest, VM64_MAILBOX, 8), "and the watch is ended");
}

/*
 * The CPU writes there when it walks: it marks what it used.  On a CPU that marks nothing
 * in what was used before, the mark has to go first.
 */
static void test_watched_table(int guest, struct vm64 *vm)
{
	if (!can_watch())
		return;
	check(!watch(guest, VM64_TABLE, 4096), "a page that is one of its page tables is watched");
	vm->ram[VM64_TABLE] &= ~VM64_ACCESSED;
	check(watch_ends(guest, KVM_WARDEN_WRITE_PAGE_TABLE), "the CPU's walk ends that, and it is told");
}

/* ---- the runs ---- */

static void test_guest(const struct vendor *vendor)
{
	struct kvm_warden_info info = { 0 };
	struct kvm_warden_guest_info guest_info;
	struct vm64 vm;
	int guest;

	check(!ioctl(control, KVM_WARDEN_GET_INFO, &info) && info.attached == 1 &&
	      (info.features & 3) == vendor->feature, "attached, with the backend of %s", vendor->module);
	trace_on();
	vm = vm64_start(false);
	check(find_guest(vm.pid, &guest_info) && guest_info.vcpus == 1 && !guest_info.flags,
	      "the VM is a guest that can be observed");
	guest = open_guest(guest_info.guest);
	test_registers(guest, vendor);
	test_fresh(guest);
	test_lstar(guest, &vm);
	test_events(guest_info.guest);
	test_further_events(guest_info.guest, vendor);
	test_memory(guest, &vm);
	test_watch(guest);
	test_watched_table(guest, &vm);
	test_freeze(guest, guest_info.guest, &vm);
	test_reasons(guest, guest_info.guest, &vm, vendor);
	vm64_end(&vm);
	check(EVENTUALLY(in_trace("kvm_warden_guest_down:", guest_info.guest, "rip=0x0")),
	      "event: the guest is gone");
	close(guest);
	trace_off();
}

static bool is_withheld(const struct kvm_warden_regs *r)
{
	return (r->flags & ~(KVM_WARDEN_REGS_FRESH | KVM_WARDEN_REGS_OUTSIDE)) == KVM_WARDEN_REGS_GUEST_MODE &&
	       !r->rip && !r->rsp && !r->cr3 && !r->lstar && !r->idtr && !r->cr0 && !r->exit_code;
}

/* What the outer guest does before it runs another is its own. */
static void test_before_nested(int guest, const struct kvm_warden_guest_info *info)
{
	struct kvm_warden_regs regs;

	check(!info->flags && EVENTUALLY(guest_file_is(info->guest, "state", "running")),
	      "a guest that can run others and does not is as any");
	check(sample(guest, &regs) && !(regs.flags & KVM_WARDEN_REGS_GUEST_MODE) &&
	      regs.cr3 == VM64_CR3_A && regs.idtr == VM64_IDTR, "its registers are told");
	if (can_watch())
		check(!watch(guest, VM64_MAILBOX, 8), "and a word of its memory is watched");
}

static void test_nested_watch(int guest)
{
	if (can_watch())
		check(watch_ends(guest, KVM_WARDEN_WRITE_NESTED), "its watch ends, and that is told");
	check(watch(guest, VM64_MAILBOX, 8) == EOPNOTSUPP, "another one is EOPNOTSUPP");
}

static void test_nested_registers(int guest)
{
	struct kvm_warden_regs regs = { 0 };

	check(EVENTUALLY(sample(guest, &regs) && (regs.flags & KVM_WARDEN_REGS_GUEST_MODE)) &&
	      is_withheld(&regs), "the registers of the nested guest are withheld, each of them");
	regs = (struct kvm_warden_regs){ .flags = KVM_WARDEN_REGS_FRESH };
	check(!ioctl(guest, KVM_WARDEN_REGS, &regs) && is_withheld(&regs), "fresh ones, too");
}

static void test_nested_events(uint64_t id)
{
	char cr3[32];

	snprintf(cr3, sizeof(cr3), "cr3=0x%x", VM64_CR3_NESTED);
	check(value_in_trace("kvm_warden_address_space:", id, VM64_CR3_A) &&
	      value_in_trace("kvm_warden_idt:", id, VM64_IDTR), "events tell of the outer guest's state");
	check(!value_in_trace("kvm_warden_address_space:", id, VM64_CR3_NESTED) &&
	      !value_in_trace("kvm_warden_idt:", id, VM64_IDTR_NESTED) && !in_trace("kvm_warden_", id, cr3),
	      "none tells of the nested guest's");
	check(count_in_trace("kvm_warden_address_space:", id, "") == 1 &&
	      count_in_trace("kvm_warden_idt:", id, "") == 1 && guest_file_is(id, "address_spaces", "1"),
	      "the outer one's address space is the only one there is");
}

static void test_nested_count(int guest, uint64_t id, struct vm64 *vm, const struct vendor *vendor)
{
	struct count a, b;

	sleep(2);	/* the budget for freezes fills again */
	a = count_frozen(guest, id, vm, vendor);
	sleep(2);
	b = count_frozen(guest, id, vm, vendor);
	check(a.rounds && b.rounds > a.rounds + 10 && is_about(b.out - a.out, b.rounds - a.rounds, 1),
	      "%" PRIu64 " exits of the nested guest by OUT in %" PRIu64 " rounds", b.out - a.out,
	      b.rounds - a.rounds);
}

static void test_nested(const struct vendor *vendor)
{
	struct kvm_warden_guest_info info;
	uint64_t rounds, id;
	struct vm64 vm;
	int guest;

	trace_on();
	vm = vm64_start(true);
	check(vm.mailbox->rounds >= 3 && find_guest(vm.pid, &info), "a guest comes");
	id = info.guest;
	guest = open_guest(id);
	test_before_nested(guest, &info);
	vm.mailbox->begin = 1;
	check(EVENTUALLY(find_guest(vm.pid, &info) && (info.flags & KVM_WARDEN_GUEST_NESTED)),
	      "it runs a guest of its own, and is reported as one that does");
	check(EVENTUALLY(guest_file_is(id, "nested", "1")) && guest_file_is(id, "state", "running nested"),
	      "in sysfs as well");
	test_nested_watch(guest);
	rounds = vm.mailbox->rounds;
	check(EVENTUALLY(vm.mailbox->rounds > rounds + 3), "the nested guest goes round");
	test_nested_registers(guest);
	check(read_guest(guest, VM64_MAILBOX, &rounds, sizeof(rounds)) && rounds > 3, "memory is read");
	test_freeze(guest, id, &vm);
	test_nested_count(guest, id, &vm, vendor);
	test_nested_events(id);
	vm64_end(&vm);
	close(guest);
	trace_off();
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!strcmp(what, "vm"))
		vm64_run(vm64_ram(), false);
	setlinebuf(stdout);
	open_control();
	if (!strcmp(what, "nested"))
		test_nested(this_vendor());
	else
		test_guest(this_vendor());
	printf("1..%d\n", tests);
	return failures != 0;
}
