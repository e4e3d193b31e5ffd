// SPDX-License-Identifier: GPL-2.0-or-later
/* Contents and verdicts: nothing that was not scanned is clean, no guest fills another's queue. */
#include "test_engine_world.h"

static void cut_content_is_never_clean(void **state)
{
	struct m_object o = { .object = 1, .kind = OBJECT_FILE, .size = 8, .resident = 7,
			      .path = "/tmp/large" };
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_look m;
	json_t *s, *objects;
	uint64_t id;

	NEEDS_PROGRAMS();
	scanner_up();
	guest_with_kernel(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	send_to(w.introspect, &msg_object, id, &o, sealed_memfd("content"));
	send_to(w.introspect, &msg_done, id, &done, -1);
	answer_scan(VERDICT_CLEAN, "");
	expect_silence(w.scan, 200);
	s = ctl("status", 0);
	objects = json_object_get(s, "objects");
	assert_int_equal(number(objects, "clean"), 0);
	assert_int_equal(number(json_object_get(objects, "reasons"),
				"too large, only its beginning was scanned"), 1);
	json_decref(s);
}

static void departed_guest_waits_for_no_scanner(void **state)
{
	struct m_guest_down down = { .guest = GUEST };
	json_t *s;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	look();
	usleep(200000);
	send_to(w.parent, &msg_guest_down, 0, &down, -1);
	usleep(200000);
	s = ctl("status", 0);
	assert_int_equal(number(json_object_get(s, "scans"), "waiting"), 0);
	json_decref(s);
}

/* A thousand decoys use the quota up; another content is found all the same. */
static void decoys_hide_nothing(void **state)
{
	struct m_object o = { .object = 2, .kind = OBJECT_FILE, .size = 7, .path = "/tmp/real" };
	struct m_uses u = { .pid = PID, .start_ns = START, .object = 2, .gva = 0x7000 };
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_look m;
	json_t *answer, *f;
	uint64_t id;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	show_task(id);
	show_object(id);
	for (unsigned i = 1; i < 1000; i++) {
		show_program(id, PID + i, "/tmp/decoy", true);
		show_use(id, PID + i);
	}
	send_to(w.introspect, &msg_object, id, &o, sealed_memfd("content"));
	send_to(w.introspect, &msg_uses, id, &u, -1);
	send_to(w.introspect, &msg_done, id, &done, -1);
	scanner_up();
	answer_scan(VERDICT_INFECTED, "Test.Exempt.Decoy");
	answer_scan(VERDICT_INFECTED, "Test.Exempt.Real");
	usleep(500000);
	answer = ctl("findings", 0);
	f = json_array_get(json_object_get(answer, "findings"), 0);
	assert_string_equal(text(f, "signature"), "Test.Exempt.Real");
	json_decref(answer);
	assert_true(status_number("findings") < 1000);
}

static void not_scanned_is_never_clean(void **state)
{
	json_t *s, *objects;

	NEEDS_PROGRAMS();
	scanner_up();
	guest_with_kernel(true);
	look();
	answer_scan(VERDICT_NOT_SCANNED, "time-out after 30 s");
	expect_silence(w.scan, 200);
	s = ctl("status", 0);
	objects = json_object_get(s, "objects");
	assert_int_equal(number(objects, "known"), 1);
	assert_int_equal(number(objects, "clean"), 0);
	assert_int_equal(number(objects, "not_scanned"), 1);
	assert_int_equal(number(json_object_get(objects, "reasons"), "time-out after 30 s"), 1);
	json_decref(s);
}

static void scans_wait_for_scanner_and_survive_it(void **state)
{
	struct m_scan m;
	json_t *answer;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	look();
	scanner_up();
	expect(w.scan, &msg_scan, &m);
	msg_release(&in);
	close(w.scan);		/* it crashed */
	scanner_up();
	answer_scan(VERDICT_INFECTED, "Other.Thing");
	expect_silence(w.scan, 300);
	finding(&answer);
	json_decref(answer);
}

static void not_found_is_looked_at_again(void **state)
{
	struct m_done none = { .status = DONE_NOT_FOUND };
	struct m_look m;
	uint64_t t, id;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	t = mono();
	send_to(w.introspect, &msg_done, id, &none, -1);
	id = expect(w.introspect, &msg_look, &m);
	assert_true(mono() - t >= 100000000ull);
	send_to(w.introspect, &msg_done, id, &none, -1);
	expect_silence(w.introspect, 500);
}

/* More address spaces than are looked at one by one: a sweep. */
static void overflow(void)
{
	static struct m_events m;
	struct kvm_warden_event event = { .guest = GUEST, .type = KVM_WARDEN_EVENT_ADDRESS_SPACE };

	for (unsigned n = 0; n < 600; n += EVENTS_MAX) {
		m.events.len = 0;
		for (unsigned i = 0; i < EVENTS_MAX; i++) {
			event.cr3 = (uint64_t)(n + i + 0x5000) << 12;
			event.time_ns = mono();
			memcpy(m.events.data + m.events.len, &event, sizeof(event));
			m.events.len += sizeof(event);
		}
		send_to(w.parent, &msg_events, 0, &m, -1);
	}
}

/* A guest with more code than the queue takes: all of it is accounted for. */
static void flood_is_bounded(void **state)
{
	const unsigned n = 1500, room = 1024;
	struct m_done done = { .status = DONE_COMPLETE };
	struct m_object o = { .kind = OBJECT_FILE, .size = 7, .resident = 7, .path = "/lib/x" };
	struct m_look m;
	struct m_sweep sweep;
	json_t *s, *objects;
	uint64_t id;

	NEEDS_PROGRAMS();
	guest_with_kernel(true);
	send_event(1);
	id = expect(w.introspect, &msg_look, &m);
	for (o.object = 1; o.object <= n; o.object++)
		send_to(w.introspect, &msg_object, id, &o, sealed_memfd("content"));
	send_to(w.introspect, &msg_done, id, &done, -1);
	usleep(300000);
	s = ctl("", 0);
	objects = json_object_get(s, "objects");
	assert_int_equal(number(objects, "known"), n);
	assert_int_equal(number(objects, "waiting"), room);
	assert_int_equal(number(json_object_get(objects, "reasons"), "queue full"), n - room);
	json_decref(s);
	scanner_up();
	for (unsigned i = 0; i < room; i++)
		answer_scan(VERDICT_CLEAN, "");
	usleep(100000);
	s = ctl("", 0);
	objects = json_object_get(s, "objects");
	assert_int_equal(number(objects, "clean"), room);
	assert_int_equal(number(objects, "not_scanned"), n - room);
	json_decref(s);
	/* What was refused is asked for again with the next sweep. */
	overflow();
	await_question(M_SWEEP);
	assert_true(msg_decode(&in, &msg_sweep, &sweep));
	assert_int_equal(sweep.resend, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(cut_content_is_never_clean), T(departed_guest_waits_for_no_scanner),
		T(decoys_hide_nothing), T(not_scanned_is_never_clean),
		T(scans_wait_for_scanner_and_survive_it), T(not_found_is_looked_at_again),
		T(flood_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
