// SPDX-License-Identifier: GPL-2.0-or-later
/* Guests: what they are, what runs in them, and the operator's freeze. */
#include "engine/ask.h"

#include <linux/kvm_warden.h>
#include <stdio.h>
#include <string.h>

#include "engine/acts.h"
#include "engine/contents.h"
#include "engine/scan_jobs.h"
#include "engine/views.h"
#include "lib/task_json.h"
#include "lib/util.h"

#define LIST_NS (10 * NS_PER_S)
#define ACT_NS (45 * NS_PER_S)
#define RAISE "wardenctl level GUEST content, if its owner consents"

void get_status(struct ask *a)
{
	ask_answer(a, 200, view_status(a->e));
}

void get_guests(struct ask *a)
{
	ask_answer(a, 200, view_guests(a->e));
}

void get_guest(struct ask *a)
{
	struct guest *g = ask_guest(a);

	if (g)
		ask_answer(a, 200, view_guest(a->e, g));
}

/* Its kernel is known, so that the introspector can be asked. */
bool ask_is_observable(struct ask *a, const struct guest *g)
{
	if (g->level == KVM_WARDEN_LEVEL_OFF)
		ask_fail(a, 403, "the guest's level is off: nobody looks into it", RAISE);
	else if (g->introspector.fd < 0)
		ask_fail(a, 503, "the guest's introspector is not running",
			 "wardenctl status tells why; it is started again by itself");
	else if (g->kernel.state != KERNEL_READY)
		ask_fail(a, 503, g->kernel.state == KERNEL_UNOBSERVABLE ? g->kernel.why :
			 "the guest's kernel is not found yet", "see GET /v1/guests");
	else
		return true;
	return false;
}

bool ask_is_open(struct ask *a, const struct guest *g)
{
	if (g->level == KVM_WARDEN_LEVEL_CONTENT)
		return true;
	if (g->level == KVM_WARDEN_LEVEL_OFF)
		return ask_is_observable(a, g);
	ask_fail(a, 403, "the guest's level is metadata: its content is not looked at", RAISE);
	return false;
}

/* NULL, and it is answered, if its introspector has enough to do. */
static struct request *new_request(struct ask *a, struct guest *g, enum request_kind kind)
{
	struct request *r = guest_request(g, kind);

	if (r)
		r->ticket = r->id;
	else
		ask_fail(a, 503, "the guest's introspector is busy", "ask again in a moment");
	return r;
}

/* ---- tasks ---- */

static void stale_tasks(struct ask *a, const char *why)
{
	struct guest *g = guest_find(a->e, a->guest);

	if (g)
		ask_answer(a, 200, view_tasks(g, NULL, false, why));
	else
		ask_fail(a, 404, "the guest is gone meanwhile", "GET /v1/guests");
}

static void late_tasks(struct ask *a)
{
	stale_tasks(a, "the introspector did not list them in time");
}

static struct request *find_list(struct guest *g)
{
	for (unsigned i = 0; i < INTROSPECT_OUTSTANDING; i++)
		if (g->requests[i].kind == REQUEST_LIST)
			return &g->requests[i];
	return NULL;
}

/* Who asks while a list is made gets the same. */
static struct request *list(struct guest *g)
{
	const struct m_list m = { 0 };
	struct request *r = find_list(g);

	if (r)
		return r;
	r = guest_request(g, REQUEST_LIST);
	if (!r)
		return NULL;
	r->ticket = r->id;
	r->rows = json_array();
	return peer_post(&g->introspector, &msg_list, r->id, &m, -1) ? NULL : r;
}

void get_tasks(struct ask *a)
{
	struct guest *g = ask_guest(a);
	struct request *r;

	if (!g || ((!g->inventory.ntasks || g->level == KVM_WARDEN_LEVEL_OFF) && !ask_is_observable(a, g)))
		return;
	a->guest = g->id;
	if (g->introspector.fd < 0 || g->kernel.state != KERNEL_READY) {
		stale_tasks(a, "the guest is not introspected now");
		return;
	}
	r = list(g);
	if (!r) {
		stale_tasks(a, "the guest's introspector is busy");
		return;
	}
	a->late = late_tasks;
	ask_wait(a, r->ticket, LIST_NS);
}

static void listed(struct ask *a, const struct m_done *done, json_t *rows)
{
	struct guest *g = guest_find(a->e, a->guest);

	if (!done || !g || done->status == DONE_UNOBSERVABLE || done->status == DONE_NOT_FOUND)
		stale_tasks(a, done ? done->why : "the introspector ended meanwhile");
	else
		ask_answer(a, 200, view_tasks(g, json_incref(rows),
					      done->status == DONE_COMPLETE, done->why));
}

/* ---- what comes in rows: one process, the kernel ---- */

/* The process that is asked about: into the body, as if it had been there. */
static bool take_pid(struct ask *a, struct guest *g)
{
	return ask_number(a, a->arg[1], "a process id", &a->body.pid) && ask_is_observable(a, g);
}

void ask_rows(struct ask *a, struct guest *g, enum request_kind kind,
	      const struct msg_schema *schema, const void *message, uint64_t ns)
{
	struct request *r = new_request(a, g, kind);

	if (!r)
		return;
	r->rows = json_array();
	a->guest = g->id;
	peer_post(&g->introspector, schema, r->id, message, -1);
	ask_wait(a, r->ticket, ns);
}

void get_maps(struct ask *a)
{
	struct guest *g = ask_guest(a);

	if (g && take_pid(a, g))
		ask_rows(a, g, REQUEST_MAPS, &msg_maps, &(struct m_maps){ .pid = a->body.pid },
			 LIST_NS);
}

static void ask_process(struct ask *a, struct guest *g, bool environment)
{
	if (take_pid(a, g))
		ask_rows(a, g, REQUEST_PROCESS, &msg_process,
			 &(struct m_process){ .pid = a->body.pid, .environment = environment },
			 LIST_NS);
}

void get_process(struct ask *a)
{
	struct guest *g = ask_guest(a);

	if (g)
		ask_process(a, g, false);
}

/* Programs are given passwords by it: it is content. */
void get_environment(struct ask *a)
{
	struct guest *g = ask_guest(a);

	if (g && ask_is_open(a, g))
		ask_process(a, g, true);
}

void get_kernel(struct ask *a)
{
	struct guest *g = ask_guest(a);

	if (g && ask_is_observable(a, g))
		ask_rows(a, g, REQUEST_KERNEL, &msg_tell_kernel, &(struct m_tell_kernel){ 0 },
			 LIST_NS);
}

/* False, and it is answered, if that is why there is nothing to tell. */
static bool is_told(struct ask *a, const struct m_done *done)
{
	if (!done)
		ask_fail(a, 503, "the introspector ended meanwhile", "ask again in a moment");
	else if (done->status == DONE_NOT_FOUND)
		ask_fail(a, 404, "no such process in that guest", "wardenctl ps lists them");
	else if (done->status == DONE_UNOBSERVABLE)
		ask_fail(a, 503, done->why, "see GET /v1/guests");
	else
		return true;
	return false;
}

static void told(struct ask *a, const struct m_done *done, json_t *rows)
{
	const bool complete = done && done->status == DONE_COMPLETE;
	json_t *answer;

	if (!is_told(a, done))
		return;
	if (a->route->run == get_kernel) {
		answer = json_pack("{s:I,s:b,s:s}", "guest", I(a->guest), "complete", complete,
				   "why", done->why);
		kernel_json(answer, rows);
	} else {
		answer = json_pack("{s:I,s:I,s:b,s:s}", "guest", I(a->guest), "pid", I(a->body.pid),
				   "complete", complete, "why", done->why);
		if (a->route->run == get_maps)
			json_object_set(answer, "maps", rows);
		else
			json_object_set_new(answer, "process", process_json(rows));
	}
	ask_answer(a, 200, answer);
}

bool asks_rows(const struct ask *a)
{
	return a->route->run == get_kernel || a->route->run == get_maps ||
	       a->route->run == get_process || a->route->run == get_environment;
}

/* Several may wait for one list. */
void control_introspected(struct control *c, uint64_t ticket, const struct m_done *done,
			  json_t *rows)
{
	struct ask *a;

	while ((a = ask_find(c, ticket))) {
		if (contents_asks(a)) {
			if (!contents_told(a, done, rows))
				continue;
		} else if (a->route->run == get_tasks)
			listed(a, done, rows);
		else if (asks_rows(a))
			told(a, done, rows);
		else if (done)	/* a look is over, and the route goes on with what it showed */
			a->looked = *done;
		ask_go_on(a);
	}
	json_decref(rows);
}

/* ---- scans ---- */

void post_scan(struct ask *a)
{
	struct guest *g = ask_guest(a);
	bool one = a->body.given & BODY_PID;
	const char *why;

	if (!g || !ask_is_open(a, g) || !ask_is_observable(a, g))
		return;
	why = scan_jobs_begin(g, a->noted, one, a->body.pid);
	if (why)
		ask_fail(a, 503, why, "ask again in a moment");
	else
		ask_answer(a, 202, json_pack("{s:I}", "scan", I(a->noted)));
}

void get_scan(struct ask *a)
{
	uint64_t id;
	json_t *answer;

	if (!ask_number(a, a->arg[0], "a scan's id", &id))
		return;
	answer = scan_jobs_view(a->e, id);
	if (answer)
		ask_answer(a, 200, answer);
	else
		ask_fail(a, 404, "no such scan", "scans are known until the daemon ends or 64 newer"
			 " ones have begun; their findings are in GET /v1/findings");
}

/* ---- freeze and thaw ---- */

/* Decision and acts; then the request waits for their answers. */
static void act(struct ask *a, struct guest *g, const uint32_t *verbs, unsigned n)
{
	uint64_t ticket = a->e->next_id++, expiry_ms = a->body.seconds * 1000;
	char note[320], name[64];
	struct policy_step step = { .n = n };
	int64_t decision;

	memcpy(step.verb, verbs, n * sizeof(*verbs));
	policy_step_text(&step, name, sizeof(name));
	ask_reason(a, note, sizeof(note));
	decision = record_decision(&a->e->journal, 0, "", name, note);
	for (unsigned i = 0; i < n; i++) {
		if (decision < 0 || acts_make(g, decision, 0, verbs[i], verbs[i] == HOST_CONTAIN ?
					      expiry_ms : 0, ACT_OF_OPERATOR, ticket)) {
			ask_fail(a, 503, "the journal cannot be written",
				 "make room on the disk under the journal");
			return;
		}
	}
	a->pending = n;
	a->guest = g->id;
	ask_wait(a, ticket, ACT_NS);
}

void post_freeze(struct ask *a)
{
	bool pause = !strcmp(a->body.how, "pause");
	struct guest *g = ask_guest(a);
	uint32_t verb = pause ? HOST_PAUSE : HOST_CONTAIN;

	if (!g || a->answer)
		return;
	if (a->body.given & BODY_HOW && !pause && strcmp(a->body.how, "contain"))
		ask_fail(a, 400, "how: must be contain or pause", "correct it");
	else if (pause && a->body.seconds)
		ask_fail(a, 400, "seconds: a pause has no end by itself",
			 "leave it out, or contain instead");
	else
		act(a, g, &verb, 1);
}

/* The VMM's in that order.  What is on its way is ended behind it. */
void post_thaw(struct ask *a)
{
	static const uint32_t ends[][2] = {
		{ HOST_LINK_DOWN, HOST_LINK_UP }, { HOST_PAUSE, HOST_RESUME },
		{ HOST_CONTAIN, HOST_RELEASE },
	};
	struct guest *g = ask_guest(a);
	uint32_t verbs[POLICY_HOST_VERBS];
	unsigned n = 0;

	if (!g || a->answer)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (acts_may_hold(g, ends[i][0]))
			verbs[n++] = ends[i][1];
	if (n)
		act(a, g, verbs, n);
	else
		ask_answer(a, 200, view_freedom(g));
}

/* By the parent, in the module: what was asked for is in the journal with who asked. */
void post_level(struct ask *a)
{
	int level = guest_level(a->body.level);
	struct guest *g = ask_guest(a);
	uint32_t verb = HOST_LEVEL_OFF + level;

	if (!g)
		return;
	if (level < 0)
		ask_fail(a, 400, "level: must be off, metadata or content", "correct it");
	else if (g->unnamed)
		ask_fail(a, 409, "the guest's name, by which the configuration gives levels, is not known yet",
			 "ask again in a moment");
	else
		act(a, g, &verb, 1);
}

static void all_acted(struct ask *a)
{
	static const unsigned codes[] = {
		[ACT_NO_GUEST] = 404, [ACT_UNAVAILABLE] = 503, [ACT_FAILED] = 500,
		[ACT_PARTLY] = 500,
	};
	struct guest *g = guest_find(a->e, a->guest);
	uint32_t status = a->failure.status;

	if (status)
		ask_fail(a, status < ARRAY_SIZE(codes) ? codes[status] : 504,
			 a->failure.detail, "see GET /v1/guests for what holds the guest now");
	else if (!g)
		ask_fail(a, 404, "the guest is gone meanwhile", "GET /v1/guests");
	else if (a->route->run == post_level)
		ask_answer(a, 200, json_pack("{s:s}", "level", guest_level_name(g->level)));
	else
		ask_answer(a, 200, view_freedom(g));
}

void control_acted(struct control *c, uint64_t ticket, const struct m_acted *m)
{
	struct ask *a = ask_find(c, ticket);

	if (!a)
		return;
	if (m->status != ACT_DONE && !a->failure.detail[0])
		a->failure = *m;
	if (--a->pending)
		return;
	all_acted(a);
	ask_go_on(a);
}
