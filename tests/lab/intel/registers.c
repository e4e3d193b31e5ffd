// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * registers [nested | vm]: what the vendor's backend tells of a guest in long mode,
 * held against what that guest and its VMM set.  nested: of a guest that runs
 * another.  vm: only runs the guest, for ever.  Prints TAP.
 */
#include <inttypes.h>
#include <string.h>

#include "../device.h"
#include "vm64.h"

#define TRACING "/sys/kernel/tracing/"
#define NEW_LSTAR 0xffffffff12345678ull

struct vendor {
	const char *module;
	uint64_t feature;
	unsigned int cpuid, out;	/* exit reasons */
};

static const struct vendor amd = { "kvm_amd", KVM_WARDEN_FEATURE_SVM, 0x72, 0x7b };
static const struct vendor intel = { "kvm_intel", KVM_WARDEN_FEATURE_VMX, 10, 30 };

static const struct vendor *this_vendor(void)
{
	if (!access("/sys/module/kvm_intel", F_OK))
		return &intel;
	if (!access("/sys/module/kvm_amd", F_OK))
		return &amd;
	errx(1, "neither kvm_amd nor kvm_intel is loaded");
}

/* Waits up to 5 s. */
#define EVENTUALLY(condition)						\
	({								\
		bool holds_ = false;					\
		for (int i_ = 0; i_ < 500 && !(holds_ = (condition)); i_++)	\
			usleep(10000);					\
		holds_;							\
	})

static void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "%s", path);
	close(fd);
}

/* ---- registers ---- */

static bool sample(int guest, struct kvm_warden_regs *regs)
{
	*regs = (struct kvm_warden_regs){ 0 };
	return !ioctl(guest, KVM_WARDEN_REGS, regs);
}

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
	for (int i = 0; i < 300 && !(a && b) && sample(guest, &r); i++) {
		a |= r.cr3 == VM64_CR3_A;
		b |= r.cr3 == VM64_CR3_B;
		odd |= r.cr3 != VM64_CR3_A && r.cr3 != VM64_CR3_B;
	}
	check(a && b && !odd, "CR3 is one or the other of those that the guest writes, without an exit");
	check(EVENTUALLY(sample(guest, &r) && r.exit_code == vendor->cpuid),
	      "a sample at a CPUID: exit code %#x", vendor->cpuid);
}

static void test_lstar(int guest, struct vm64 *vm)
{
	struct kvm_warden_regs r;

	vm->mailbox->lstar = NEW_LSTAR;
	vm->mailbox->set_lstar = 1;
	check(EVENTUALLY(!vm->mailbox->set_lstar), "the guest writes LSTAR");
	check(EVENTUALLY(sample(guest, &r) && r.lstar == NEW_LSTAR), "and the sample shows it");
}

/* ---- events ---- */

static void trace_on(void)
{
	write_file(TRACING "trace", "");
	write_file(TRACING "events/kvm_warden/enable", "1");
}

static void trace_off(void)
{
	write_file(TRACING "events/kvm_warden/enable", "0");
	write_file(TRACING "trace", "");
}

static bool in_trace(const char *event, uint64_t id, const char *field)
{
	FILE *f = fopen(TRACING "trace", "r");
	char line[1024], guest[64], value[64];
	bool found = false;

	snprintf(guest, sizeof(guest), "guest=%" PRIu64 " ", id);
	snprintf(value, sizeof(value), "%s ", field);
	while (f && fgets(line, sizeof(line), f))
		found |= strstr(line, event) && strstr(line, guest) && strstr(line, value);
	if (f)
		fclose(f);
	return found;
}

static bool value_in_trace(const char *event, uint64_t id, uint64_t value)
{
	char field[64];

	snprintf(field, sizeof(field), "value=0x%" PRIx64, value);
	return in_trace(event, id, field);
}

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

/* ---- counting ---- */

static uint64_t exits_of(uint64_t id, unsigned int reason)
{
	FILE *f = fopen("/sys/kernel/debug/kvm_warden/exits", "r");
	unsigned long long guest, n, found = 0;
	unsigned int vcpu, code;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%llu %u %x %llu", &guest, &vcpu, &code, &n) == 4 &&
		    guest == id && code == reason)
			found += n;
	if (f)
		fclose(f);
	return found;
}

struct count {
	uint64_t rounds, cpuid, out;
};

/* While it stands still, all of one moment. */
static struct count count_frozen(int guest, uint64_t id, struct vm64 *vm, const struct vendor *vendor)
{
	struct kvm_warden_freeze request;
	struct count n = { 0 };

	if (freeze(guest, 500, &request))
		return n;
	n = (struct count){ vm->mailbox->rounds, exits_of(id, vendor->cpuid), exits_of(id, vendor->out) };
	thaw(guest);
	return n;
}

static bool is_about(uint64_t n, uint64_t wanted, uint64_t slack)
{
	return n + slack >= wanted && n <= wanted + slack;
}

static void test_reasons(int guest, uint64_t id, struct vm64 *vm, const struct vendor *vendor)
{
	struct count a, b;

	sleep(2);	/* the budget for freezes fills again */
	a = count_frozen(guest, id, vm, vendor);
	sleep(3);
	b = count_frozen(guest, id, vm, vendor);
	check(a.rounds && b.rounds > a.rounds + 10, "the guest went round %" PRIu64 " times",
	      b.rounds - a.rounds);
	check(is_about(b.cpuid - a.cpuid, 2 * (b.rounds - a.rounds), 2),
	      "%" PRIu64 " exits by CPUID (reason %#x): two a round", b.cpuid - a.cpuid, vendor->cpuid);
	check(is_about(b.out - a.out, b.rounds - a.rounds, 1),
	      "%" PRIu64 " exits by OUT (reason %#x): one a round", b.out - a.out, vendor->out);
}

/* ---- memory, freeze ---- */

static void test_memory(int guest, struct vm64 *vm)
{
	uint8_t bytes[4096];
	uint64_t rounds;

	check(read_guest(guest, VM64_CODE, bytes, sizeof(bytes)) &&
	      !memcmp(bytes, vm->ram + VM64_CODE, sizeof(bytes)), "its memory is read");
	check(read_guest(guest, VM64_MAILBOX, &rounds, sizeof(rounds)) && rounds,
	      "and what it writes there");
}

static bool stands_still(struct vm64 *vm)
{
	uint64_t rounds = vm->mailbox->rounds;

	usleep(200000);
	return vm->mailbox->rounds == rounds;
}

static void test_freeze(int guest, uint64_t id, struct vm64 *vm)
{
	struct kvm_warden_freeze request;

	check(!freeze(guest, 800, &request) && request.vcpus == 1 &&
	      request.parked + request.outside == 1, "frozen: its vCPU is parked, or in the VMM");
	check(stands_still(vm), "it stands still");
	check(!thaw(guest), "thawed in time");
	check(EVENTUALLY(!stands_still(vm)), "it runs on");
	check(!contain(id, 0) && stands_still(vm), "contained, it stands still");
	check(!release(id) && EVENTUALLY(!stands_still(vm)), "released, it runs on");
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
	test_lstar(guest, &vm);
	test_events(guest_info.guest);
	test_memory(guest, &vm);
	test_freeze(guest, guest_info.guest, &vm);
	test_reasons(guest, guest_info.guest, &vm, vendor);
	vm64_end(&vm);
	check(EVENTUALLY(in_trace("kvm_warden_guest_down:", guest_info.guest, "rip=0x0")),
	      "event: the guest is gone");
	close(guest);
	trace_off();
}

static bool nested_in_sysfs(uint64_t id)
{
	char path[128], value = 0;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/kvm_warden/guests/%" PRIu64 "/nested", id);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, &value, 1) != 1)
		value = 0;
	if (fd >= 0)
		close(fd);
	return value == '1';
}

static bool is_withheld(const struct kvm_warden_regs *r)
{
	return (r->flags & ~KVM_WARDEN_REGS_FRESH) == KVM_WARDEN_REGS_GUEST_MODE && !r->rip && !r->rsp && !r->cr3 && !r->lstar &&
	       !r->idtr && !r->cr0 && !r->exit_code;
}

static void test_nested(const struct vendor *vendor)
{
	struct kvm_warden_guest_info info;
	struct kvm_warden_regs regs = { 0 };
	struct vm64 vm;
	int guest;

	trace_on();
	vm = vm64_start(true);
	check(vm.mailbox->rounds >= 3, "a guest runs a guest of its own");
	check(EVENTUALLY(find_guest(vm.pid, &info) && (info.flags & KVM_WARDEN_GUEST_NESTED)),
	      "it is reported as one that runs guests");
	check(EVENTUALLY(nested_in_sysfs(info.guest)), "in sysfs as well");
	guest = open_guest(info.guest);
	check(EVENTUALLY(sample(guest, &regs) && (regs.flags & KVM_WARDEN_REGS_GUEST_MODE)) &&
	      is_withheld(&regs), "the registers of the nested guest are withheld, each of them");
	check(EVENTUALLY(exits_of(info.guest, vendor->out) > 10), "its exits are counted");
	check(!value_in_trace("kvm_warden_address_space:", info.guest, VM64_CR3_NESTED),
	      "no event tells of the nested guest's address space");
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
