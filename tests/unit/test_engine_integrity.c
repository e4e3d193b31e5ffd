// SPDX-License-Identifier: GPL-2.0-or-later
/* What checks of the host's own code say, through the engine to wardenctl. */
#include "test_engine_world.h"

static const char policy_host[] =
	"[rule malware]\nmatch = *\nactions = report,kill\n"
	"[rule host]\nmatch = Integrity.*\nkinds = integrity\nactions = report\n";

static void say_done(const char *what, uint64_t guest, uint32_t status, uint64_t differences,
		     const char *why)
{
	struct m_integrity_done d = { .guest = guest, .vmm_pid = guest ? VMM : 0, .status = status,
				      .differences = differences, .sections = 9, .cause = "interval" };

	strcpy(d.what, what);
	strcpy(d.why, why);
	send_to(w.parent, &msg_integrity_done, 0, &d, -1);
}

static void say_difference(const char *what, uint64_t guest, const char *found)
{
	struct m_integrity_difference d = {
		.guest = guest, .vmm_pid = guest ? VMM : 0, .section = ".text", .symbol = "f+0x3",
		.offset = 0x123, .address = 0xffffffffc0100123, .length = 1, .expected = "90",
	};

	strcpy(d.what, what);
	strcpy(d.found, found);
	send_to(w.parent, &msg_integrity_difference, 0, &d, -1);
}

/* The one of that name, of status. */
static json_t *checked(const char *what, json_t **ret_status)
{
	json_t *s = ctl("status", 0), *c;
	size_t i;

	*ret_status = s;
	json_array_foreach(json_object_get(json_object_get(s, "integrity"), "checked"), i, c)
		if (!strcmp(text(c, "what"), what))
			return c;
	return NULL;
}

static void assert_state(const char *what, const char *state)
{
	json_t *s;

	for (int i = 0; i < 100; i++) {
		json_t *c = checked(what, &s);
		bool is = c && !strcmp(text(c, "status"), state);

		json_decref(s);
		if (is)
			return;
		usleep(20000);
	}
	fail_msg("%s is not %s", what, state);
}

static size_t found(void)
{
	json_t *answer = ctl("findings", 0);
	size_t n = json_array_size(json_object_get(answer, "findings"));

	json_decref(answer);
	return n;
}

static void a_difference_is_one_finding(void **state)
{
	json_t *answer, *f, *evidence;

	NEEDS_PROGRAMS();
	guest_with_kernel(false);
	for (int i = 0; i < 3; i++) {
		say_difference("kvm", 0, "cc");
		say_done("kvm", 0, INTEGRITY_DIFFERS, 1, "");
	}
	assert_state("kvm", "differs");
	assert_int_equal(found(), 1);
	answer = ctl("findings", 0);
	f = json_array_get(json_object_get(answer, "findings"), 0);
	evidence = json_object_get(f, "evidence");
	assert_string_equal(text(f, "signature"), "Integrity.kvm");
	assert_string_equal(text(f, "object_kind"), "integrity");
	assert_string_equal(text(f, "guest_name"), "(host)");
	assert_string_equal(text(evidence, "offset"), "0x123");
	assert_string_equal(text(evidence, "expected"), "90");
	assert_string_equal(text(evidence, "found"), "cc");
	/* By the rule that names the kind, not by the first that matches all. */
	assert_string_equal(text(json_array_get(json_object_get(f, "decisions"), 0), "rule"), "host");
	assert_int_equal(json_array_size(json_object_get(f, "orders")), 0);
	json_decref(answer);
	/* Another byte in the same place is another finding. */
	say_difference("kvm", 0, "cd");
	say_done("kvm", 0, INTEGRITY_CLEAN, 0, "");
	assert_state("kvm", "clean");
	assert_int_equal(found(), 2);
	verify_journal();
}

static void an_unchecked_thing_is_not_clean(void **state)
{
	json_t *s, *c;

	NEEDS_PROGRAMS();
	guest_with_kernel(false);
	say_done("kvm_amd", 0, INTEGRITY_UNAVAILABLE, 0, "not checked: file is of another build");
	assert_state("kvm_amd", "unavailable");
	c = checked("kvm_amd", &s);
	assert_string_equal(text(c, "why"), "not checked: file is of another build");
	json_decref(s);
	assert_int_equal(found(), 0);
}

static void a_vmm_is_its_guests(void **state)
{
	struct m_guest_down down = { .guest = GUEST };
	json_t *answer, *f, *s;

	NEEDS_PROGRAMS();
	guest_with_kernel(false);
	say_difference("VMM", GUEST, "cc");
	say_done("VMM", GUEST, INTEGRITY_DIFFERS, 1, "");
	assert_state("VMM", "differs");
	f = finding(&answer);
	assert_int_equal(number(f, "guest"), GUEST);
	assert_string_equal(text(f, "guest_name"), NAME);
	json_decref(answer);
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	/* Of a guest that is gone nothing is kept, and nothing is taken any more. */
	say_difference("VMM", GUEST, "cd");
	say_done("VMM", GUEST, INTEGRITY_CLEAN, 0, "");
	say_done("kvm", 0, INTEGRITY_CLEAN, 0, "");
	assert_state("kvm", "clean");
	assert_null(checked("VMM", &s));
	json_decref(s);
	assert_int_equal(found(), 1);
}

/* What a VMM makes us write hides nothing about the kernel's code. */
static void noise_hides_no_difference_of_the_host(void **state)
{
	char other[16];
	json_t *answer, *f, *g;
	json_int_t held;

	NEEDS_PROGRAMS();
	guest_with_kernel(false);
	for (int i = 0; i < 400; i++) {
		snprintf(other, sizeof(other), "%04x", i);
		say_difference("VMM", GUEST, other);
	}
	say_done("VMM", GUEST, INTEGRITY_DIFFERS, 400, "");
	for (int i = 0; i < 300; i++) {
		snprintf(other, sizeof(other), "%04x", i);
		say_difference("kvm", 0, other);
	}
	say_done("kvm", 0, INTEGRITY_DIFFERS, 300, "");
	assert_state("kvm", "differs");
	/* The last that was told is the kernel's, and there. */
	answer = ctl("findings", 0);
	f = json_array_get(json_object_get(answer, "findings"), 0);
	assert_string_equal(text(f, "signature"), "Integrity.kvm");
	assert_string_equal(text(json_object_get(f, "evidence"), "found"), "012b");
	json_decref(answer);
	/* The guest's are held, and counted. */
	g = guest_json();
	held = number(json_object_get(g, "work"), "notes_held");
	if (held < 100 || held > 220)
		fail_msg("%lld held", (long long)held);
	json_decref(g);
	assert_state("VMM", "differs");
}

/* Who has a guest now takes the place of who had it: no "clean" of before stays. */
static void an_old_vmm_is_forgotten(void **state)
{
	struct m_integrity_done d = { .guest = GUEST, .vmm_pid = VMM + 1, .what = "VMM",
				      .status = INTEGRITY_UNAVAILABLE, .why = "let go" };
	json_t *s, *c;

	NEEDS_PROGRAMS();
	guest_with_kernel(false);
	say_done("VMM", GUEST, INTEGRITY_CLEAN, 0, "");
	assert_state("VMM", "clean");
	send_to(w.parent, &msg_integrity_done, 0, &d, -1);
	assert_state("VMM", "unavailable");
	c = checked("VMM", &s);
	assert_int_equal(number(c, "vmm_pid"), VMM + 1);
	json_decref(s);
}

/* No answer for all of them is one for each, until there is another. */
static void unchecked_modules_are_not_clean(void **state)
{
	json_t *s;

	NEEDS_PROGRAMS();
	guest_with_kernel(false);
	say_done("modules", 0, INTEGRITY_UNAVAILABLE, 0, "took too long");
	assert_state("modules", "unavailable");
	say_done("VMM", GUEST, INTEGRITY_CLEAN, 0, "");
	assert_state("VMM", "clean");
	assert_state("modules", "unavailable");
	say_done("kvm", 0, INTEGRITY_CLEAN, 0, "");
	assert_state("kvm", "clean");
	say_done("kvm_amd", 0, INTEGRITY_CLEAN, 0, "");
	say_done("modules", 0, INTEGRITY_UNAVAILABLE, 0, "took too long");
	assert_state("kvm", "unavailable");
	assert_state("kvm_amd", "unavailable");
	say_done("kvm", 0, INTEGRITY_CLEAN, 0, "");
	assert_state("kvm", "clean");
	assert_state("kvm_amd", "unavailable");
	assert_null(checked("modules", &s));
	json_decref(s);
}

static void say_round(uint64_t round, const char *what, uint32_t status)
{
	struct m_integrity_done d = { .status = status, .round = round };

	strcpy(d.what, what);
	send_to(w.parent, &msg_integrity_done, 0, &d, -1);
}

/* Of a module that was unloaded no "clean" is left standing. */
static void an_unloaded_module_is_forgotten(void **state)
{
	json_t *s;

	NEEDS_PROGRAMS();
	guest_with_kernel(false);
	say_round(1, "kvm", INTEGRITY_CLEAN);
	say_round(1, "kvm_intel", INTEGRITY_CLEAN);
	say_round(2, "kvm", INTEGRITY_CLEAN);
	assert_state("kvm_intel", "clean");
	/* A round that said nothing of any is none in which it was not there. */
	say_round(3, "modules", INTEGRITY_UNAVAILABLE);
	say_round(4, "kvm", INTEGRITY_CLEAN);
	assert_state("kvm", "clean");
	assert_state("kvm_intel", "unavailable");
	say_round(5, "kvm", INTEGRITY_DIFFERS);
	assert_state("kvm", "differs");
	assert_null(checked("kvm_intel", &s));
	json_decref(s);
}

/* However many VMs there are, the host's own code has its rows. */
static void guests_leave_the_host_room(void **state)
{
	enum { MANY = 1100 };
	struct m_guest_up up = { .level = KVM_WARDEN_LEVEL_OFF };
	json_t *s;
	size_t n;

	NEEDS_PROGRAMS();
	guest_with_kernel(false);
	for (unsigned i = 1; i <= MANY; i++) {
		up.guest = GUEST + i;
		up.vmm_pid = VMM + i;
		send_to(w.parent, &msg_guest_up, 0, &up, -1);
		say_done("VMM", GUEST + i, INTEGRITY_CLEAN, 0, "");
	}
	for (unsigned i = 0; i < 8; i++)
		say_done((char[]){ 'm', '0' + i, 0 }, 0, INTEGRITY_CLEAN, 0, "");
	assert_state("m0", "clean");
	assert_state("m7", "clean");
	checked("kvm", &s);
	n = json_array_size(json_object_get(json_object_get(s, "integrity"), "checked"));
	json_decref(s);
	assert_int_equal(n, 1024 - 32 + 8);
}

static void what_traces_it_is_told(void **state)
{
	struct m_integrity_done d = { .status = INTEGRITY_CLEAN, .what = "kvm", .kprobes = 2, .traced = 3 };
	json_t *s, *c;

	NEEDS_PROGRAMS();
	guest_with_kernel(false);
	send_to(w.parent, &msg_integrity_done, 0, &d, -1);
	assert_state("kvm", "clean");
	c = checked("kvm", &s);
	assert_int_equal(json_integer_value(json_object_get(c, "kprobes")), 2);
	assert_int_equal(json_integer_value(json_object_get(c, "traced")), 3);
	json_decref(s);
}

#define H(f) cmocka_unit_test_prestate_setup_teardown(f, setup, teardown, (void *)policy_host)

int main(void)
{
	const struct CMUnitTest tests[] = {
		H(a_difference_is_one_finding), H(an_unchecked_thing_is_not_clean), H(a_vmm_is_its_guests),
		H(noise_hides_no_difference_of_the_host), H(an_old_vmm_is_forgotten),
		H(unchecked_modules_are_not_clean), H(an_unloaded_module_is_forgotten),
		H(guests_leave_the_host_room), H(what_traces_it_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
