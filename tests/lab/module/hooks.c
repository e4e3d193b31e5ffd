// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hooks: the trace events whose hook is attached while someone asks, fresh
 * registers, and levels.  Prints TAP.
 */
#include <linux/bpf.h>
#include <sched.h>
#include <sys/syscall.h>

#include "vmm.h"

#define TRACING "/sys/kernel/tracing/"
#define DEBUG "/sys/kernel/debug/kvm_warden/"
#define SYS "/sys/kernel/kvm_warden/"

/* Each round: MMIO, a write of an MSR, a refused one, CR4 with another VME. */
static const uint8_t busy[] = {
	0xb8, 0x00, 0x20, 0x8e, 0xd8,				/* mov ds, 0x2000 */
	0xc6, 0x06, 0x34, 0x00, 0x5a,				/* mov byte [0x34], 0x5a: MMIO */
	0x66, 0xb9, 0x10, 0x00, 0x00, 0x00,			/* mov ecx, 0x10 (TSC) */
	0x66, 0x31, 0xd2,					/* xor edx, edx */
	0x66, 0xb8, 0x44, 0x33, 0x22, 0x11,			/* mov eax, 0x11223344 */
	0x0f, 0x30,						/* wrmsr */
	0x66, 0xb9, 0x45, 0x23, 0x01, 0x00,			/* mov ecx, 0x12345: no such MSR */
	0x31, 0xc0, 0x8e, 0xd8,					/* mov ds, 0 */
	0xc7, 0x06, 0x34, 0x00, 0x33, 0x10,	/* [13 * 4] = 0x1033, "after" */
	0xc7, 0x06, 0x36, 0x00, 0x00, 0x00,
	0x0f, 0x30,						/* wrmsr: #GP, to "after" */
	0xbc, 0x00, 0x80,					/* after: mov sp, 0x8000 */
	0x0f, 0x20, 0xe0,					/* mov eax, cr4 */
	0x34, 0x01,						/* xor al, 1 */
	0x0f, 0x22, 0xe0,					/* mov cr4, eax */
	0xe6, 0x10,						/* out 0x10, al: to the VMM */
	0xeb, 0xbe,						/* again */
};

static const uint8_t spin[] = { 0xeb, 0xfe };			/* jmp to itself */
static const uint8_t halt[] = { 0xfa, 0xf4, 0xeb, 0xfd };	/* cli; hlt; again */

/* ---- what is attached ---- */

static bool attached(const char *hook)
{
	const char *at = strstr(file_text(DEBUG "hooks"), hook);
	unsigned int asked, is;

	return at && sscanf(at + strlen(hook), "%u %u", &asked, &is) == 2 && is;
}

static bool becomes(const char *hook, bool want)
{
	for (int i = 0; i < 100; i++) {
		if (attached(hook) == want)
			return true;
		usleep(10000);
	}
	return false;
}

struct counts {
	unsigned long long exec, fault, msr_reads, msr_writes, cr_reads, cr_writes;
};

static struct counts counts_of(const struct vmm *vmm)
{
	struct counts c = { 0 };
	unsigned long long guest;
	unsigned int vcpu;
	const char *line = file_text(DEBUG "hook_counts");

	for (; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL)
		if (sscanf(line, "%llu %u %llu %llu %llu %llu %llu %llu", &guest, &vcpu, &c.exec,
			   &c.fault, &c.msr_reads, &c.msr_writes, &c.cr_reads, &c.cr_writes) == 8 &&
		    guest == vmm->info.guest)
			return c;
	return (struct counts){ 0 };
}

static void enable(const char *event, bool on)
{
	write_file(on ? "1" : "0", TRACING "events/kvm_warden/%s/enable", event);
}

/* ---- the trace events ---- */

/* The lines of the trace with that event and those fields. */
static unsigned int trace_count(const char *trace, const char *event, const char *fields)
{
	unsigned int n = 0;

	for (const char *at = trace; (at = strstr(at, event)); at += strlen(event)) {
		const char *end = strchr(at, '\n'), *found = strstr(at, fields);

		n += found && (!end || found < end);
	}
	return n;
}

static bool trace_has(const char *trace, const char *event, const char *fields)
{
	return trace_count(trace, event, fields) > 0;
}

/* The sequence numbers of one guest have no gap and no double. */
static bool unbroken(const char *trace, const struct vmm *vmm, unsigned long *ret_n)
{
	static uint8_t seen[1 << 20];
	unsigned long long seq, least = ~0ull, most = 0;
	char key[64];

	memset(seen, 0, sizeof(seen));
	*ret_n = 0;
	snprintf(key, sizeof(key), ": guest=%llu seq=", (unsigned long long)vmm->info.guest);
	for (const char *at = trace; (at = strstr(at, key)); at++) {
		seq = strtoull(at + strlen(key), NULL, 10);
		if (seq >= sizeof(seen) || seen[seq]++)
			return false;
		least = seq < least ? seq : least;
		most = seq > most ? seq : most;
		(*ret_n)++;
	}
	return *ret_n && most - least + 1 == *ret_n;
}

static bool has_cpuinfo(const char *word)
{
	return strstr(file_text("/proc/cpuinfo"), word);
}

/* As the vendor's CPU numbers exits: WRMSR. */
static bool has_msr_write(const char *trace, bool intel, const char *what, const char *rest)
{
	char fields[160];

	snprintf(fields, sizeof(fields), "%s exit=%#x %s", what, intel ? 0x20 : 0x7c, rest);
	return trace_has(trace, "kvm_warden_msr_write:", fields);
}

static void test_events(void)
{
	static const struct program program = { .code = busy, .size = sizeof(busy) };
	struct counts before, after;
	unsigned long n;
	struct vmm vmm;
	const char *trace;
	/* KVM tells of CR writes that the CPU has decoded for it. */
	bool whole, intel = has_cpuinfo("GenuineIntel"), tells_cr = intel || has_cpuinfo(" decodeassists");

	vmm_start(&vmm, &program);
	check(!attached("kvm_page_fault") && !attached("kvm_msr") && !attached("kvm_cr"),
	      "no further hook while nobody asks");
	before = counts_of(&vmm);
	usleep(200000);
	after = counts_of(&vmm);
	check(!memcmp(&before, &after, sizeof(before)) && !after.msr_writes, "nothing is counted there");

	write_file("", TRACING "trace");
	write_file("1", TRACING "events/kvm_warden/enable");
	check(becomes("kvm_page_fault", true) && becomes("kvm_msr", true) && becomes("kvm_cr", true),
	      "with consumers in tracefs all three are attached");
	write_file("", TRACING "trace");
	usleep(300000);
	for (int i = 0; i < 10; i++) {
		kill(vmm.pid, SIGUSR1);
		usleep(50000);
	}
	write_file("0", TRACING "tracing_on");
	trace = file_text(TRACING "trace");
	/* Intel's CPUs fault once, and find the place misconfigured from then on. */
	if (intel)
		printf("# MMIO: skipped, only the first is a page fault, and that was before\n");
	else
		check(trace_has(trace, "kvm_warden_page_fault:", " value=0x20034 "),
		      "the MMIO store is a page fault");
	check(trace_has(trace, "kvm_warden_exec_fault:", " value=0x10"),
	      "the code that was unmapped is an exec fault");
	check(!trace_has(trace, "kvm_warden_exec_fault:", " value=0x20034 "), "the store is none");
	check(has_msr_write(trace, intel, " value=0x10 rip=0x1019", "data=0x11223344 len=0 flags=0x0"),
	      "an MSR write: which, what, where");
	check(has_msr_write(trace, intel, " value=0x12345 rip=0x1031", "data=0x11220000 len=0 flags=0x1"),
	      "a refused one says so");
	whole = unbroken(trace, &vmm, &n);
	check(whole, "%lu events, no sequence number missing or twice", n);
	if (tells_cr)
		check(trace_has(trace, "kvm_warden_cr_write:", " value=0x4 "), "a write of CR4");
	else
		printf("# CR writes: skipped, without decode assists KVM's emulator does them untold\n");
	write_file("1", TRACING "tracing_on");

	enable("kvm_warden_page_fault", false);
	usleep(100000);
	check(attached("kvm_page_fault"), "exec faults alone keep the hook");
	write_file("0", TRACING "events/kvm_warden/enable");
	check(becomes("kvm_page_fault", false) && becomes("kvm_msr", false) && becomes("kvm_cr", false),
	      "the last consumer gone, all are detached");
	before = counts_of(&vmm);
	usleep(200000);
	after = counts_of(&vmm);
	printf("# exec %llu fault %llu msr %llu %llu cr %llu %llu\n", after.exec, after.fault,
	       after.msr_reads, after.msr_writes, after.cr_reads, after.cr_writes);
	check(!memcmp(&before, &after, sizeof(before)) && after.msr_writes && after.exec &&
	      after.fault, "the counts stand still (%llu MSR writes, %llu faults)",
	      after.msr_writes, after.fault);

	enable("kvm_warden_msr_write", true);
	check(becomes("kvm_msr", true) && !attached("kvm_cr"), "who asks for one gets one");
	write_file("0", SYS "enabled");
	check(!attached("kvm_msr"), "the switch detaches it at once");
	write_file("1", SYS "enabled");
	check(becomes("kvm_msr", true), "and back");
	enable("kvm_warden_msr_write", false);
	check(becomes("kvm_msr", false), "until it goes");
	vmm_end(&vmm);
}

/* Its guest writes the same two MSRs thousands of times. */
static void test_first(void)
{
	static const struct program program = { .code = busy, .size = sizeof(busy) };
	unsigned long long writes;
	const char *trace;
	struct vmm vmm;

	vmm_start(&vmm, &program);
	write_file("", TRACING "trace");
	enable("kvm_warden_msr_first", true);
	check(becomes("kvm_msr", true), "first writes of a kind alone attach the hook too");
	usleep(300000);
	enable("kvm_warden_msr_first", false);
	check(becomes("kvm_msr", false), "and are gone with it");
	writes = counts_of(&vmm).msr_writes;
	trace = file_text(TRACING "trace");
	check(writes > 10 && trace_count(trace, "kvm_warden_msr_first:", " value=0x10 ") == 1 &&
	      trace_count(trace, "kvm_warden_msr_first:", " value=0x12345 ") == 1,
	      "of %llu MSR writes the first to each is told", writes);
	check(!trace_has(trace, "kvm_warden_msr_write:", ""), "and no other");
	vmm_end(&vmm);
}

/* A BPF program that does nothing, attached as a raw tracepoint. */
static int attach_bpf(const char *event)
{
	struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT, .insn_cnt = 2,
		.insns = (uintptr_t)code, .license = (uintptr_t)"GPL",
	};
	union bpf_attr attach = { .raw_tracepoint = { .name = (uintptr_t)event } };

	attach.raw_tracepoint.prog_fd = syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));
	return syscall(SYS_bpf, BPF_RAW_TRACEPOINT_OPEN, &attach, sizeof(attach));
}

static void test_bpf(void)
{
	static const struct program program = { .code = busy, .size = sizeof(busy) };
	struct vmm vmm;
	int fd;

	vmm_start(&vmm, &program);
	fd = attach_bpf("kvm_warden_msr_write");
	check(fd >= 0 && becomes("kvm_msr", true), "a BPF program attaches the hook");
	usleep(200000);
	check(counts_of(&vmm).msr_writes > 0, "which counts");
	close(fd);
	check(becomes("kvm_msr", false), "and is gone with it");
	vmm_end(&vmm);
}

/* ---- fresh registers ---- */

static int compare_ages(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Interrupts of that kind that a CPU had so far. */
static unsigned long reschedules(unsigned cpu)
{
	FILE *f = fopen("/proc/interrupts", "r");
	unsigned long n = 0;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		char *at = strstr(line, "RES:");

		for (unsigned i = 0; at && i <= cpu; i++)
			n = strtoul(i ? at : at + 4, &at, 10);
		if (at)
			break;
	}
	if (f)
		fclose(f);
	return n;
}

static void run_on_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		err(1, "CPU %d", cpu);
}

/* What CPU 1 had more, by so many requests, each so long after the one before. */
static unsigned long interrupts_by(const struct vmm *vmm, int n, unsigned pause_us, uint32_t flags)
{
	unsigned long before = reschedules(1);

	while (n--) {
		struct kvm_warden_regs regs = { .flags = flags };

		usleep(pause_us);
		ioctl(vmm->guest, KVM_WARDEN_REGS, &regs);
	}
	return reschedules(1) - before;
}

/* The guest runs on a CPU of its own: there a request has to reach it. */
static void test_interrupt(void)
{
	static const struct program program = { .code = spin, .size = sizeof(spin) };
	unsigned long plain, fresh, flood;
	uint64_t began, ms;
	struct vmm vmm;
	cpu_set_t all;

	if (sched_getaffinity(0, sizeof(all), &all))
		err(1, "affinity");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
		printf("# one CPU: nothing is sent to another\n");
		return;
	}
	run_on_cpu(1);
	vmm_start(&vmm, &program);
	run_on_cpu(0);
	plain = interrupts_by(&vmm, 40, 20000, 0);
	fresh = interrupts_by(&vmm, 40, 20000, KVM_WARDEN_REGS_FRESH);
	check(fresh >= plain + 20, "40 requests for fresh registers interrupt the vCPU's CPU %lu times, plain ones %lu",
	      fresh, plain);
	began = now_us();
	flood = interrupts_by(&vmm, 400, 0, KVM_WARDEN_REGS_FRESH);
	ms = (now_us() - began) / 1000;
	check(flood <= ms + ms / 10 + plain + 10, "400 in %llu ms: %lu times, once in a ms at most",
	      (unsigned long long)ms, flood);
	vmm_end(&vmm);
	sched_setaffinity(0, sizeof(all), &all);
}

static void test_fresh(void)
{
	static const struct program program = { .code = spin, .size = sizeof(spin) };
	struct kvm_warden_regs regs;
	uint64_t ages[50] = { 0 }, worst_us = 0;
	int good = 0, fresh = 0;
	struct vmm vmm;

	vmm_start(&vmm, &program);
	/* An emulated host stands still for longer than a request waits at times. */
	for (int i = 0; i < 400 && fresh < 50; i++) {
		uint64_t asked = now_us(), took;

		regs = (struct kvm_warden_regs){ .flags = KVM_WARDEN_REGS_FRESH };
		if (ioctl(vmm.guest, KVM_WARDEN_REGS, &regs))
			break;
		took = now_us() - asked;
		worst_us = took > worst_us ? took : worst_us;
		if (!(regs.flags & KVM_WARDEN_REGS_FRESH))
			continue;
		good += regs.rip == TINY_CODE && regs.age_ns / 1000 <= took;
		ages[fresh++] = regs.age_ns;
	}
	qsort(ages, 50, sizeof(ages[0]), compare_ages);
	check(fresh == 50 && good == fresh,
	      "a vCPU that never exits by itself: %d samples are fresh, none older than its request", fresh);
	printf("# half are younger than %llu us; worst request %llu us\n",
	       (unsigned long long)ages[25] / 1000, (unsigned long long)worst_us);
	regs = (struct kvm_warden_regs){ .flags = 1u << 31 };
	check(result(ioctl(vmm.guest, KVM_WARDEN_REGS, &regs)) == EINVAL, "an unknown flag is EINVAL");
	kill(vmm.pid, SIGSTOP);
	usleep(50000);
	for (int i = 0; i < 2; i++) {
		regs = (struct kvm_warden_regs){ .flags = KVM_WARDEN_REGS_FRESH };
		check(!ioctl(vmm.guest, KVM_WARDEN_REGS, &regs), "a stopped VMM answers");
	}
	check((regs.flags & (KVM_WARDEN_REGS_FRESH | KVM_WARDEN_REGS_OUTSIDE)) == KVM_WARDEN_REGS_OUTSIDE &&
	      regs.age_ns > 1000, "not fresh: outside, and its age is told (%llu us)",
	      (unsigned long long)regs.age_ns / 1000);
	kill(vmm.pid, SIGCONT);
	for (int i = 0; i < 600 && !(regs.flags & KVM_WARDEN_REGS_FRESH); i++) {
		usleep(50000);
		regs = (struct kvm_warden_regs){ .flags = KVM_WARDEN_REGS_FRESH };
		if (ioctl(vmm.guest, KVM_WARDEN_REGS, &regs))
			break;
	}
	check(regs.flags & KVM_WARDEN_REGS_FRESH, "fresh again when it goes on");
	vmm_end(&vmm);
}

static void test_timings(void)
{
	static const struct program program = { .code = spin, .size = sizeof(spin) };
	struct kvm_warden_regs fresh = { .flags = KVM_WARDEN_REGS_FRESH }, regs = { 0 };
	struct kvm_warden_freeze freeze = { .timeout_ms = KVM_WARDEN_FREEZE_MAX_MS };
	unsigned long long before[] = { times("\nregs"), times("regs_fresh"), times("read"), times("freeze") };
	struct vmm vmm;
	uint8_t byte;

	vmm_start(&vmm, &program);
	usleep(100000);
	check(!ioctl(vmm.guest, KVM_WARDEN_REGS, &regs) && !ioctl(vmm.guest, KVM_WARDEN_REGS, &fresh) &&
	      read_guest(vmm.guest, TINY_CODE, &byte, 1) && !ioctl(vmm.guest, KVM_WARDEN_FREEZE, &freeze) &&
	      !ioctl(vmm.guest, KVM_WARDEN_THAW, &freeze), "registers, fresh ones, a read, a freeze");
	check(times("\nregs") == before[0] + 1 && times("regs_fresh") == before[1] + 1 &&
	      times("read") == before[2] + 1 && times("freeze") == before[3] + 1, "timings has one more of each");
	vmm_end(&vmm);
}

static void test_halted(void)
{
	static const struct program program = { .code = halt, .size = sizeof(halt), .irqchip = true };
	struct kvm_warden_regs regs = { .flags = KVM_WARDEN_REGS_FRESH };
	struct vmm vmm;
	uint64_t asked;
	int r;

	vmm_start(&vmm, &program);
	usleep(100000);
	asked = now_us();
	r = ioctl(vmm.guest, KVM_WARDEN_REGS, &regs);
	asked = now_us() - asked;
	check(!r && (regs.flags & KVM_WARDEN_REGS_HALTED) && !(regs.flags & KVM_WARDEN_REGS_FRESH),
	      "a halted vCPU says so");
	check(asked < 8000, "and is not waited for (%llu us)", (unsigned long long)asked);
	check(regs.age_ns > 50000000, "its sample is of then (%llu ms ago)",
	      (unsigned long long)regs.age_ns / 1000000);
	vmm_end(&vmm);
}

/* ---- levels ---- */

static uint8_t *map_ram(int memory)
{
	return mmap(NULL, RAM, PROT_READ, MAP_SHARED, memory, 0);
}

/* Each request that looks is EACCES; so is a new mapping of a memory fd that there was. */
static void check_off(const struct vmm *vmm, int memory, const uint8_t *mapped)
{
	struct kvm_warden_memslot slot;
	struct kvm_warden_memslots slots = { .slots = (uintptr_t)&slot, .count = 1 };
	struct kvm_warden_map map = { .size = RAM };
	struct kvm_warden_watch watch = { .gpa = TINY_CODE, .len = 1 };

	check(result(ioctl(vmm->guest, KVM_WARDEN_MEMSLOTS, &slots)) == EACCES, "off: nor its memslots told");
	check(result(ioctl(vmm->guest, KVM_WARDEN_MAP, &map)) == EACCES, "off: nor memory mapped");
	check(result(ioctl(vmm->guest, KVM_WARDEN_WATCH, &watch)) == EACCES, "off: nor writes watched");
	check(map_ram(memory) == MAP_FAILED && errno == EACCES, "off: a memory fd maps no more");
	check(!memcmp(mapped + TINY_CODE, busy, sizeof(busy)), "off: the mapping that is there stays");
}

struct reader {
	int guest, error;
	uint32_t done;			/* of the first piece of the request that failed */
};

/* One long request after the other, until one is refused. */
static void *read_on(void *arg)
{
	static struct kvm_warden_segment seg[KVM_WARDEN_MAX_SEGMENTS];
	static uint8_t page[4096];
	struct kvm_warden_read request = { .segments = (uintptr_t)seg, .count = KVM_WARDEN_MAX_SEGMENTS };
	struct reader *r = arg;

	do {
		for (int i = 0; i < KVM_WARDEN_MAX_SEGMENTS; i++)
			seg[i] = (struct kvm_warden_segment){
				.gpa = TINY_CODE, .buf = (uintptr_t)page, .len = sizeof(page),
			};
		r->error = result(ioctl(r->guest, KVM_WARDEN_READ, &request));
	} while (!r->error);
	r->done = seg[0].done;
	return NULL;
}

/* Mostly it is set while a request is under way. */
static void test_off_meets_a_read(const struct vmm *vmm, unsigned long long id)
{
	struct reader r = { .guest = vmm->guest };
	pthread_t thread;
	int n;

	for (n = 0; n < 50 && !r.done; n++) {
		pthread_create(&thread, NULL, read_on, &r);
		usleep(20000 + n * 1000);
		write_file("off", SYS "guests/%llu/level", id);
		pthread_join(thread, NULL);
		write_file("content", SYS "guests/%llu/level", id);
	}
	check(r.error == EACCES && r.done == 4096, "off ends a read under way (%d tries)", n);
}

static void test_off_from_the_start(const struct program *program)
{
	const char *trace;
	struct vmm vmm;
	char came[64];

	write_file("", TRACING "trace");
	write_file("1", TRACING "events/kvm_warden/enable");
	write_file("off", SYS "default_level");
	vmm_start(&vmm, program);
	check(vmm.info.level == KVM_WARDEN_LEVEL_OFF, "the default is what new guests begin with");
	check(!strcmp(file_text(SYS "default_level"), "off\n"), "and can be read");
	usleep(100000);
	trace = file_text(TRACING "trace");
	snprintf(came, sizeof(came), " guest=%llu ", (unsigned long long)vmm.info.guest);
	check(trace_count(trace, "kvm_warden_", came) == 1 && trace_has(trace, "kvm_warden_guest_up:", came) &&
	      trace_has(trace, "kvm_warden_guest_up:", " cr3=0x0 value=0x0 rip=0x0 "),
	      "off from the start: that it came is all that is told, with no register");
	vmm_end(&vmm);
	write_file("0", TRACING "events/kvm_warden/enable");
}

static void test_levels(void)
{
	static const struct program program = { .code = busy, .size = sizeof(busy) };
	struct kvm_warden_map map = { .size = RAM };
	struct kvm_warden_regs regs = { 0 };
	struct kvm_warden_guest_info info;
	struct kvm_warden_freeze freeze = { 0 };
	struct kvm_warden_contain contain;
	unsigned long long id;
	uint8_t byte, *mapped;
	struct vmm vmm;
	uint64_t emitted, exits;
	int memory;

	vmm_start(&vmm, &program);
	id = vmm.info.guest;
	/* A worker adds it to sysfs, a quarter of a second later on a fast host. */
	for (int i = 0; i < 200 && !file_text(SYS "guests/%llu/level", id)[0]; i++)
		usleep(50000);
	check(vmm.info.level == KVM_WARDEN_LEVEL_CONTENT &&
	      !strcmp(file_text(SYS "guests/%llu/level", id), "content\n"), "a guest begins with its content seen");
	write_file("metadata\n", SYS "guests/%llu/level", id);
	check(read_guest(vmm.guest, TINY_CODE, &byte, 1) && !ioctl(vmm.guest, KVM_WARDEN_GUEST_INFO, &info) &&
	      info.level == KVM_WARDEN_LEVEL_METADATA, "metadata: it is read, and its level told");
	memory = ioctl(vmm.guest, KVM_WARDEN_MAP, &map);
	mapped = map_ram(memory);
	check(mapped != MAP_FAILED, "and mapped");
	write_file("1", TRACING "events/kvm_warden/enable");
	becomes("kvm_msr", true);
	write_file("off", SYS "guests/%llu/level", id);
	usleep(50000);
	ioctl(vmm.guest, KVM_WARDEN_GUEST_INFO, &info);
	emitted = info.emitted;
	exits = info.exits;
	check(result(ioctl(vmm.guest, KVM_WARDEN_REGS, &regs)) == EACCES &&
	      !read_guest(vmm.guest, TINY_CODE, &byte, 1) && errno == EACCES &&
	      result(ioctl(vmm.guest, KVM_WARDEN_FREEZE, &freeze)) == EACCES, "off: nothing is looked at");
	check_off(&vmm, memory, mapped);
	kill(vmm.pid, SIGUSR1);
	usleep(300000);
	ioctl(vmm.guest, KVM_WARDEN_GUEST_INFO, &info);
	check(info.emitted == emitted && info.exits > exits + 10,
	      "off: no event, and %llu exits are counted", (unsigned long long)(info.exits - exits));
	contain = (struct kvm_warden_contain){ .guest = id };
	check(!ioctl(control, KVM_WARDEN_CONTAIN, &contain) &&
	      !strcmp(file_text(SYS "guests/%llu/state", id), "contained\n") &&
	      !ioctl(control, KVM_WARDEN_RELEASE, &contain), "off: it is contained all the same, and its state says so");
	check(!strcmp(file_text(SYS "guests/%llu/state", id), "running\n"), "released it runs");
	write_file("0", TRACING "events/kvm_warden/enable");
	write_file("content", SYS "guests/%llu/level", id);
	munmap(mapped, RAM);
	mapped = map_ram(memory);
	check(mapped != MAP_FAILED, "content again: its memory fd maps again");
	munmap(mapped, RAM);
	close(memory);
	test_off_meets_a_read(&vmm, id);
	vmm_end(&vmm);

	test_off_from_the_start(&program);
	write_file("content", SYS "default_level");
}

int main(void)
{
	setlinebuf(stdout);
	open_control();
	test_events();
	test_first();
	test_bpf();
	test_fresh();
	test_timings();
	test_interrupt();
	test_halted();
	test_levels();
	printf("1..%d\n", tests);
	return failures != 0;
}
