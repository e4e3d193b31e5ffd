// SPDX-License-Identifier: GPL-2.0-or-later
/* Watched tables: what is asked of the module, and what is told of writes. */
#include "test_introspect_checks.h"

#include <linux/kvm_warden.h>
#include <unistd.h>

#include "introspect/watches.h"

static struct watches w;
static int records[2];

/* The module's answer, and what it was asked. */
static int answer;
static unsigned watching;
static struct kvm_warden_watch last;

int __wrap_ioctl(int fd, unsigned long what, void *arg);

int __wrap_ioctl(int fd, unsigned long what, void *arg)
{
	assert_int_equal(fd, records[0]);
	last = *(struct kvm_warden_watch *)arg;
	if (what == KVM_WARDEN_WATCH && answer) {
		errno = answer;
		return -1;
	}
	watching += what == KVM_WARDEN_WATCH;
	watching -= what == KVM_WARDEN_UNWATCH && watching;
	return 0;
}

static int watched(void **state)
{
	setup(state);
	assert_int_equal(pipe(records), 0);
	answer = 0;
	watching = 0;
	w = (struct watches){ .fd = records[0], .wanted = true };
	in.watches = &w;
	return 0;
}

static int unwatched(void **state)
{
	close(records[0]);
	close(records[1]);
	return teardown(state);
}

static void put(const struct kvm_warden_write *write_)
{
	assert_int_equal(write(records[1], write_, sizeof(*write_)), sizeof(*write_));
}

static void read_one(const struct kvm_warden_write *write_)
{
	memset(&seen, 0, sizeof(seen));
	put(write_);
	assert_int_equal(watches_read(&w, &in.kernel, &sink), 0);
}

static uint64_t gpa_of(uint64_t va)
{
	uint64_t pa;

	assert_int_equal(virt_to_phys(&in.kernel.as, va, &pa), 0);
	return pa;
}

static void a_write_is_told_with_its_entry_and_code(void **state)
{
	struct kvm_warden_write at = { .seq = 1, .time_ns = UINT64_MAX, .len = 8, .rip = MODULE_TEXT + 0x1010, .data = { 0x41 } };

	watches_set(&w, &in.kernel);
	/* Of this guest the second table lies in two pages. */
	assert_int_equal(w.n, 3);
	assert_int_equal(watching, 3);
	/* Once they are watched nothing is asked anew. */
	watches_set(&w, &in.kernel);
	assert_int_equal(watching, 3);
	at.gpa = gpa_of(k.symbol[SYM_SYS_CALL_TABLE].address) + 8 * 59;
	read_one(&at);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.last.name, "Kernel.Write");
	assert_string_equal(seen.last.subject, "system call 59");
	assert_non_null(strstr(seen.last.detail, "memory of module second"));
	at.gpa = gpa_of(k.symbol[SYM_IDT_TABLE].address) + 16 * 14 + 6;
	at.rip = IMAGE + 0x100;
	read_one(&at);
	assert_string_equal(seen.last.subject, "interrupt vector 14");
	assert_non_null(strstr(seen.last.detail, "the kernel's own code"));
	/* Over two entries, from before the table on. */
	at.gpa = gpa_of(k.symbol[SYM_IDT_TABLE].address) - 4;
	at.len = 32;
	read_one(&at);
	assert_string_equal(seen.last.subject, "interrupt vector 0 to 1");
	/* Of a kernel before, or beside what is watched. */
	at.time_ns = 1;
	read_one(&at);
	assert_int_equal(seen.n, 0);
	at.time_ns = UINT64_MAX;
	at.gpa = 0x1000;
	read_one(&at);
	assert_int_equal(seen.n, 0);
	assert_non_null(strstr(check(check_kernel).counts, "256 gates (watched)"));
	w.wanted = false;
	watches_set(&w, &in.kernel);
	assert_int_equal(watching, 0);
}

/* Lengths and counts are the module's word, yet no buffer is trusted to it. */
static void a_flood_is_cut(void **state)
{
	struct kvm_warden_write at = { .seq = 1, .time_ns = UINT64_MAX, .len = UINT32_MAX };

	watches_set(&w, &in.kernel);
	at.gpa = gpa_of(k.symbol[SYM_IDT_TABLE].address);
	memset(&seen, 0, sizeof(seen));
	for (unsigned i = 0; i < 10; i++) {
		for (unsigned n = 0; n < 16; n++)
			put(&at);
		assert_int_equal(watches_read(&w, &in.kernel, &sink), 0);
	}
	assert_int_equal(seen.n, 16);
}

static void a_watch_that_ends_is_not_clean(void **state)
{
	const struct kvm_warden_write end = {
		.flags = KVM_WARDEN_WRITE_ENDED | KVM_WARDEN_WRITE_STUCK, .time_ns = UINT64_MAX,
	};
	const struct kvm_warden_write other = {
		.gpa = gpa_of(k.symbol[SYM_IDT_TABLE].address), .len = 8, .time_ns = UINT64_MAX,
	};

	watches_set(&w, &in.kernel);
	/* And masks no write to another. */
	put(&end);
	read_one(&other);
	assert_int_equal(seen.n, 1);
	assert_int_equal(watching, 0);
	assert_incomplete(check(check_kernel), "tables are not watched: the watch of a page ended: KVM cannot"
			  " carry out a write to it");
	/* Nor taken up again, or the guest would end it again and again. */
	watches_set(&w, &in.kernel);
	assert_int_equal(watching, 0);
	/* Another kernel's is. */
	watches_end(&w);
	watches_set(&w, &in.kernel);
	assert_int_equal(watching, 3);
	close(records[1]);
	assert_int_equal(watches_read(&w, &in.kernel, &sink), -ENODEV);
	records[1] = dup(records[0]);
}

static void a_refusal_is_told(void **state)
{
	answer = EOPNOTSUPP;
	watches_set(&w, &in.kernel);
	assert_int_equal(w.n, 0);
	assert_non_null(strstr(check(check_kernel).why, "tables are not watched: the module was loaded without"));
	/* Not forgotten while the kernel is, and asked again. */
	watches_end(&w);
	assert_true(w.why[0]);
	answer = 0;
	watches_set(&w, &in.kernel);
	assert_int_equal(watching, 3);
	watches_end(&w);
	/* Not while it starts: it writes there itself. */
	answer = 0;
	w = (struct watches){ .fd = records[0], .wanted = true };
	set_symbol(SYM_SYSTEM_STATE, make(8));
	in.kernel.at.system_running = 3;
	watches_set(&w, &in.kernel);
	assert_int_equal(watching, 0);
}

#define W(f) cmocka_unit_test_setup_teardown(f, watched, unwatched)

int main(void)
{
	const struct CMUnitTest tests[] = {
		W(a_write_is_told_with_its_entry_and_code), W(a_flood_is_cut),
		W(a_watch_that_ends_is_not_clean), W(a_refusal_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
