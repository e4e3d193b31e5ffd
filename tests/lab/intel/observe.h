/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs that look at a vm64 share: what the module tells of it, and tests of that. */
#ifndef OBSERVE_H
#define OBSERVE_H

#include <inttypes.h>
#include <string.h>

#include "../device.h"
#include "vm64.h"

#define TRACING "/sys/kernel/tracing/"

struct vendor {
	const char *module;
	uint64_t feature;
	unsigned int cpuid, out;	/* exit reasons */
};

static const struct vendor amd = { "kvm_amd", KVM_WARDEN_FEATURE_SVM, 0x72, 0x7b };
static const struct vendor intel = { "kvm_intel", KVM_WARDEN_FEATURE_VMX, 10, 30 };

static inline const struct vendor *this_vendor(void)
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

static inline void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		err(1, "%s", path);
	close(fd);
}

/* A file of the guest's in sysfs, without its newline. */
static inline const char *guest_file(uint64_t id, const char *name)
{
	static char text[128];
	char path[128];
	ssize_t n = -1;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/kvm_warden/guests/%" PRIu64 "/%s", id, name);
	fd = open(path, O_RDONLY);
	if (fd >= 0)
		n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n - 1 : 0] = 0;
	return text;
}

static inline bool guest_file_is(uint64_t id, const char *name, const char *wanted)
{
	return !strcmp(guest_file(id, name), wanted);
}

static inline bool can_watch(void)
{
	struct kvm_warden_info info = { 0 };

	return !ioctl(control, KVM_WARDEN_GET_INFO, &info) && (info.features & KVM_WARDEN_FEATURE_WATCH);
}

static inline int watch(int guest, uint64_t gpa, uint64_t len)
{
	struct kvm_warden_watch request = { .gpa = gpa, .len = len };

	return result(ioctl(guest, KVM_WARDEN_WATCH, &request));
}

static inline int unwatch(int guest, uint64_t gpa, uint64_t len)
{
	struct kvm_warden_watch request = { .gpa = gpa, .len = len };

	return result(ioctl(guest, KVM_WARDEN_UNWATCH, &request));
}

/* Reads until the record of the watch's end, 3 s at most. */
static inline bool watch_ends(int guest, uint32_t why)
{
	struct pollfd p = { .fd = guest, .events = POLLIN };
	struct kvm_warden_write w;

	for (uint64_t limit = now_us() + 3000000; now_us() < limit;)
		if (poll(&p, 1, 100) == 1 && read(guest, &w, sizeof(w)) == sizeof(w) &&
		    (w.flags & KVM_WARDEN_WRITE_ENDED))
			return w.flags == (KVM_WARDEN_WRITE_ENDED | why);
	return false;
}

static inline bool sample(int guest, struct kvm_warden_regs *regs)
{
	*regs = (struct kvm_warden_regs){ 0 };
	return !ioctl(guest, KVM_WARDEN_REGS, regs);
}

/* ---- events ---- */

static inline void trace_on(void)
{
	write_file(TRACING "trace", "");
	write_file(TRACING "events/kvm_warden/enable", "1");
}

static inline void trace_off(void)
{
	write_file(TRACING "events/kvm_warden/enable", "0");
	write_file(TRACING "trace", "");
}

/* How many lines of that guest have the event and all of the text, "" of any. */
static inline unsigned int count_in_trace(const char *event, uint64_t id, const char *text)
{
	FILE *f = fopen(TRACING "trace", "r");
	char line[1024], guest[64];
	unsigned int n = 0;

	snprintf(guest, sizeof(guest), "guest=%" PRIu64 " ", id);
	while (f && fgets(line, sizeof(line), f))
		n += strstr(line, event) && strstr(line, guest) && strstr(line, text);
	if (f)
		fclose(f);
	return n;
}

static inline bool in_trace(const char *event, uint64_t id, const char *field)
{
	char text[80];

	snprintf(text, sizeof(text), "%s ", field);
	return count_in_trace(event, id, text);
}

static inline bool value_in_trace(const char *event, uint64_t id, uint64_t value)
{
	char field[64];

	snprintf(field, sizeof(field), "value=0x%" PRIx64, value);
	return in_trace(event, id, field);
}

/* ---- counting ---- */

static inline uint64_t exits_of(uint64_t id, unsigned int reason)
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
static inline struct count count_frozen(int guest, uint64_t id, struct vm64 *vm, const struct vendor *vendor)
{
	struct kvm_warden_freeze request;
	struct count n = { 0 };

	if (freeze(guest, 500, &request))
		return n;
	n = (struct count){ vm->mailbox->rounds, exits_of(id, vendor->cpuid), exits_of(id, vendor->out) };
	thaw(guest);
	return n;
}

static inline bool is_about(uint64_t n, uint64_t wanted, uint64_t slack)
{
	return n + slack >= wanted && n <= wanted + slack;
}

static inline void test_reasons(int guest, uint64_t id, struct vm64 *vm, const struct vendor *vendor)
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

/* ---- standing still ---- */

static inline bool stands_still(struct vm64 *vm)
{
	uint64_t rounds = vm->mailbox->rounds;

	usleep(200000);
	return vm->mailbox->rounds == rounds;
}

static inline void test_freeze(int guest, uint64_t id, struct vm64 *vm)
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

#endif
