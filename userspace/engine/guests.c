// SPDX-License-Identifier: GPL-2.0-or-later
/* Guests: their coming and going, and what their introspectors are asked. */
#include "engine/engine.h"

#include <linux/kvm_warden.h>
#include <stdlib.h>
#include <string.h>

#include "engine/acts.h"
#include "engine/control.h"
#include "engine/orders.h"
#include "engine/rest.h"
#include "engine/scan_jobs.h"
#include "engine/sessions.h"
#include "lib/log.h"
#include "lib/util.h"

/* The last slot is kept for probes and beacons: no look holds an answer up. */
#define LOOK_SLOTS (INTROSPECT_OUTSTANDING - 1)
/* An introspector that was asked and says nothing at all for so long is stuck. */
#define SILENCE_NS (120 * NS_PER_S)
/* Sweeps that overflows ask for come no closer than this. */
#define SWEEP_GAP_NS (2 * NS_PER_S)
#define CHECK_GAP_NS (5 * NS_PER_S)	/* of those that something brought about, */
#define CHECK_COST 4			/* which get a fifth of the time at most */
/* Rows that a guest may cause, findings apart. */
#define NOTES 200
#define NOTES_REFILL_NS NS_PER_S

struct guest *guest_find(struct engine *e, uint64_t id)
{
	struct guest *g;

	TAILQ_FOREACH(g, &e->guests, entry)
		if (g->id == id && !g->down)
			return g;
	return NULL;
}

struct guest_ref guest_ref(const struct engine *e, const struct guest *g)
{
	return (struct guest_ref){ e->boot, g->id, g->vmm_pid };
}

/* Of one whose kernel is not found yet there is no more to be made of it. */
void guest_event_ahead(struct engine *e, uint64_t guest)
{
	if (e->ahead[guest % AHEAD].guest != guest)
		e->ahead[guest % AHEAD].events = 0;
	e->ahead[guest % AHEAD].guest = guest;
	e->ahead[guest % AHEAD].events++;
}

static struct guest *new_guest(struct engine *e, const struct m_guest_up *m)
{
	struct guest *g = calloc(1, sizeof(*g));

	if (!g)
		fatal("no memory for a guest");
	g->id = m->guest;
	g->vmm_pid = m->vmm_pid;
	g->level = m->level;
	g->unnamed = m->unnamed;
	g->marked = m->marked;
	if (e->ahead[g->id % AHEAD].guest == g->id)
		g->counts.events = e->ahead[g->id % AHEAD].events;
	memcpy(g->name, m->name, sizeof(g->name));
	g->since_wall = now_wall();
	peer_init(&g->introspector, e, PEER_INTROSPECT, g);
	inventory_init(&g->inventory);
	scan_queue_init(&g->scans, g, false);
	scan_queue_init(&g->rest_scans, g, true);
	TAILQ_INIT(&g->orders);
	TAILQ_INIT(&g->acts);
	TAILQ_INSERT_TAIL(&e->guests, g, entry);
	return g;
}

static void forget_departing(struct engine *e, uint64_t guest)
{
	for (unsigned i = 0; i < e->ndeparting; i++)
		if (e->departing[i].guest == guest)
			e->departing[i--] = e->departing[--e->ndeparting];
}

void guest_up(struct engine *e, const struct m_guest_up *m)
{
	struct guest *g = guest_find(e, m->guest);

	if (g)
		guest_down(e, g);
	forget_departing(e, m->guest);
	g = new_guest(e, m);
	log_info("guest %llu%s%s, VMM %u: up", (unsigned long long)g->id,
		 g->name[0] ? ", " : "", g->name, g->vmm_pid);
	record_event(&e->journal, "guest up", g->id, g->vmm_pid, 0,
		     json_pack("{s:s,s:s}", "name", g->name, "level",
			       guest_level_name(g->level)));
	acts_adopt(g);
	orders_adopt(g);
	engine_flush_soon(e);
}

void guest_named(struct guest *g, const struct m_guest_named *m)
{
	struct engine *e = g->introspector.engine;

	g->unnamed = false;
	memcpy(g->name, m->name, sizeof(g->name));
	g->level = m->level;
	log_info("guest %llu: %s%s, level %s", (unsigned long long)g->id,
		 g->name[0] ? "its name is " : "it has no name", g->name, guest_level_name(g->level));
	record_event(&e->journal, "guest named", g->id, g->vmm_pid, 0,
		     json_pack("{s:s,s:s}", "name", g->name, "level", guest_level_name(g->level)));
	orders_adopt(g);
	guard_judge_held(g);
	engine_flush_soon(e);
}

/* Nobody answers any more what was asked; operators who wait are told. */
static void drop_requests(struct guest *g)
{
	struct control *c = g->introspector.engine->control;

	for (unsigned i = 0; i < INTROSPECT_OUTSTANDING; i++) {
		struct request r = g->requests[i];

		g->requests[i].kind = REQUEST_NONE;
		if (r.kind == REQUEST_LIST || r.kind == REQUEST_MAPS || r.kind == REQUEST_PROCESS ||
		    r.kind == REQUEST_KERNEL || r.kind == REQUEST_FILES ||
		    r.kind == REQUEST_EXTRACT || r.kind == REQUEST_LOOK_PID)
			control_introspected(c, r.ticket, NULL, r.rows);
	}
	memset(g->requests, 0, sizeof(g->requests));
	scan_jobs_lost(g, "the guest's introspector ended meanwhile");
}

void guest_check_anew(struct guest *g)
{
	g->check_open = true;
	g->next_check = g->check_ended + g->check_gap;
}

/* What the old introspector was asked is lost, and its object ids mean nothing. */
void guest_lost_introspector(struct guest *g)
{
	drop_requests(g);
	sessions_lost_introspector(g);
	/* What was asked a moment ago may be asked again: nobody answered it. */
	memset(g->looks.recent, 0, sizeof(g->looks.recent));
	scans_drop(&g->introspector.engine->scans, &g->scans);
	rest_lost(g);
	inventory_forget_objects(&g->inventory);
	memset(&g->kernel, 0, sizeof(g->kernel));
	g->sweep_ended = g->sweep_began;
	g->next_sweep = 0;
	guest_check_anew(g);
	memset(g->checks, 0, sizeof(g->checks));
	g->generation++;
}

void guest_connect(struct guest *g, int fd)
{
	guest_lost_introspector(g);
	peer_open(&g->introspector, fd);
	g->heard = now_mono();
}

bool quota_take(struct quota *q, uint64_t burst, uint64_t refill_ns, uint64_t now)
{
	/* Full at first: the clock counts from the host's boot, not from a day before. */
	uint64_t more = q->filled ? (now - q->filled) / refill_ns : burst;

	if (more) {
		q->left = MIN(burst, q->left + more);
		q->filled = now;
	}
	if (!q->left)
		return false;
	q->left--;
	return true;
}

bool guest_may_note(struct guest *g)
{
	if (quota_take(&g->notes_quota, NOTES, NOTES_REFILL_NS, now_mono()))
		return true;
	g->counts.notes_held++;
	return false;
}

bool engine_may_note(struct engine *e)
{
	return quota_take(&e->notes_quota, NOTES, NOTES_REFILL_NS, now_mono());
}

int cid_rank(const char *source)
{
	return !strcmp(source, "bpf");
}

static bool claims(const struct guest *g, uint32_t cid)
{
	return !g->down && g->cid == cid;
}

void guests_settle_cid(struct engine *e, uint32_t cid, uint64_t now)
{
	struct guest *g;
	int highest = 0;

	TAILQ_FOREACH(g, &e->guests, entry)
		if (claims(g, cid))
			highest = MAX(highest, cid_rank(g->cid_source));
	TAILQ_FOREACH(g, &e->guests, entry)
		if (claims(g, cid))
			g->has_cid = cid_rank(g->cid_source) == highest;
	orders_session_up(e, cid, now);
}

bool guest_shares_cid(const struct guest *g)
{
	const struct guest *other;

	TAILQ_FOREACH(other, &g->introspector.engine->guests, entry)
		if (other != g && !other->down && other->has_cid && g->has_cid &&
		    other->cid == g->cid)
			return true;
	return false;
}

void counters_add(struct m_counters *sum, const struct m_counters *c)
{
	sum->exits += c->exits;
	sum->emitted += c->emitted;
	sum->delivered += c->delivered;
	sum->dropped += c->dropped;
	sum->suppressed += c->suppressed;
	sum->missed += c->missed;
	sum->ring_full += c->ring_full;
	sum->seen_again += c->seen_again;
	sum->lag_us += c->lag_us;
	sum->lagged += c->lagged;
}

void counters_total(const struct engine *e, struct m_counters *ret_sum)
{
	const struct guest *g;

	*ret_sum = e->departed;
	for (unsigned i = 0; i < e->ndeparting; i++)
		counters_add(ret_sum, &e->departing[i]);
	TAILQ_FOREACH(g, &e->guests, entry) {
		if (g->down)
			continue;
		counters_add(ret_sum, &g->counters);
		ret_sum->vcpus += g->counters.vcpus;
	}
}

/* Its numbers outlive it, in the sums of the status; what it emitted last is under way. */
static void note_down(struct engine *e, const struct guest *g)
{
	record_event(&e->journal, "guest down", g->id, g->vmm_pid, 0,
		     json_pack("{s:s,s:I}", "name", g->name,
			       "scans_waiting", (json_int_t)g->scans.jobs));
	e->ndeparted++;
	/* More than are ever counted at once: the sums have their numbers with the last ones. */
	if (e->ndeparting == DEPARTING)
		return;
	e->departing[e->ndeparting] = g->counters;
	e->departing[e->ndeparting++].guest = g->id;
}

/* An engine that was started since does not know the guest: its numbers are as good. */
void guest_counted(struct engine *e, const struct m_counters *c)
{
	forget_departing(e, c->guest);
	counters_add(&e->departed, c);
	record_event(&e->journal, "guest counted", c->guest, 0, 0,
		     json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}",
			       "exits", (json_int_t)c->exits, "emitted", (json_int_t)c->emitted,
			       "delivered", (json_int_t)c->delivered,
			       "dropped", (json_int_t)c->dropped,
			       "suppressed", (json_int_t)c->suppressed,
			       "missed", (json_int_t)c->missed));
	engine_flush_soon(e);
}

void guest_down(struct engine *e, struct guest *g)
{
	log_info("guest %llu: down", (unsigned long long)g->id);
	g->down = true;
	guard_judge_held(g);
	sessions_guest_down(g);
	acts_guest_down(g);
	orders_drop(g, "the guest is down");
	note_down(e, g);
	engine_flush_soon(e);
	peer_close(&g->introspector);
	drop_requests(g);
	/* Another guest may have its CID now, or be alone with it. */
	if (g->cid)
		guests_settle_cid(e, g->cid, now_mono());
	/* Nobody scans: what waits would wait for ever. */
	if (!e->database.ready) {
		scans_drop(&e->scans, &g->scans);
		scans_drop(&e->scans, &g->rest_scans);
	}
	guest_free_if_done(g);
}

void guest_free_if_done(struct guest *g)
{
	if (g->down && !g->scans.jobs && !g->rest_scans.jobs && TAILQ_EMPTY(&g->acts))
		guest_free(g->introspector.engine, g);
}

void guest_free(struct engine *e, struct guest *g)
{
	peer_close(&g->introspector);
	scans_drop(&e->scans, &g->scans);
	scans_drop(&e->scans, &g->rest_scans);
	acts_drop(g);
	orders_drop(g, "the engine ends");
	inventory_free(&g->inventory);
	TAILQ_REMOVE(&e->guests, g, entry);
	free(g->held);
	free(g);
}

struct request *guest_find_request(struct guest *g, uint64_t id)
{
	for (unsigned i = 0; i < INTROSPECT_OUTSTANDING; i++)
		if (g->requests[i].kind && g->requests[i].id == id)
			return &g->requests[i];
	return NULL;
}

struct request *guest_request(struct guest *g, enum request_kind kind)
{
	bool urgent = kind == REQUEST_PROBE || kind == REQUEST_BEACON;
	unsigned slots = urgent ? INTROSPECT_OUTSTANDING : LOOK_SLOTS;
	struct request *r = NULL;
	unsigned used = 0;

	for (unsigned i = 0; i < INTROSPECT_OUTSTANDING; i++) {
		if (g->requests[i].kind)
			used++;
		else if (!r)
			r = &g->requests[i];
	}
	if (!r || used >= slots || g->introspector.fd < 0)
		return NULL;
	if (!used)
		g->heard = now_mono();
	*r = (struct request){
		.kind = kind, .id = g->introspector.engine->next_id++, .sent = now_mono(),
	};
	return r;
}

void guest_set_level(struct guest *g, uint32_t level, uint64_t now)
{
	struct engine *e = g->introspector.engine;

	if (g->level == level)
		return;
	log_info("guest %llu: level %s", (unsigned long long)g->id, guest_level_name(level));
	record_event(&e->journal, "guest level", g->id, g->vmm_pid, 0,
		     json_pack("{s:s,s:s}", "from", guest_level_name(g->level),
			       "to", guest_level_name(level)));
	engine_flush_soon(e);
	g->level = level;
	/* The parent ends it as well, and starts another unless the level is off. */
	peer_close(&g->introspector);
	guest_lost_introspector(g);
	inventory_free(&g->inventory);
	inventory_init(&g->inventory);
	g->looks = (struct looks){ 0 };
	g->last_sweep = (struct m_done){ 0 };
	g->sweep_began = g->sweep_ended = 0;
}

static bool is_sweeping(const struct guest *g)
{
	return g->sweep_ended < g->sweep_began;
}

void guest_sweep_soon(struct guest *g, uint64_t now)
{
	uint64_t due = MAX(now, g->sweep_began ? g->sweep_began + SWEEP_GAP_NS : 0);

	if (due < g->next_sweep)
		g->next_sweep = due;
}

/* Without consent to its content, a list of its processes is all that is asked for. */
static int post_sweep(struct guest *g, uint64_t id)
{
	const struct m_sweep sweep = { .resend = g->inventory.resend_due };
	const struct m_list list = { 0 };

	if (g->level == KVM_WARDEN_LEVEL_CONTENT)
		return peer_post(&g->introspector, &msg_sweep, id, &sweep, -1);
	return peer_post(&g->introspector, &msg_list, id, &list, -1);
}

static void start_sweep(struct guest *g, uint64_t now)
{
	struct request *r = guest_request(g, REQUEST_SWEEP);

	if (!r)
		return;
	if (post_sweep(g, r->id))
		r->kind = REQUEST_NONE;
	g->inventory.resend_due = false;
	g->looks.sweep_due = false;
	g->sweep_began = now;
	g->next_sweep = now + g->introspector.engine->config.sweep_seconds * NS_PER_S;
	g->counts.sweeps++;
}

static void start_looks(struct guest *g, uint64_t now)
{
	struct look look;

	while (looks_due(&g->looks) <= now) {
		struct request *r = guest_request(g, REQUEST_LOOK);
		struct m_look m;

		if (!r || !looks_take(&g->looks, now, &look)) {
			if (r)
				r->kind = REQUEST_NONE;
			return;
		}
		r->look = look;
		m.cr3 = look.cr3;
		g->counts.looks++;
		if (peer_post(&g->introspector, &msg_look, r->id, &m, -1))
			return;
	}
}

static bool is_checking(const struct guest *g)
{
	for (unsigned i = 0; i < INTROSPECT_OUTSTANDING; i++)
		if (g->requests[i].kind == REQUEST_CHECK)
			return true;
	return false;
}

/* When the next is due; only after a sweep, so that what runs is known by then. */
static uint64_t check_due(const struct guest *g)
{
	if (!g->introspector.engine->config.check_seconds || !g->sweep_ended ||
	    is_sweeping(g) || is_checking(g))
		return NEVER;
	return g->next_check;
}

/* A guest that starts is not left unchecked until the next one is due. */
static uint64_t next_check_in(struct guest *g)
{
	const uint64_t whole = g->introspector.engine->config.check_seconds * NS_PER_S;
	bool open = g->check_open;

	g->check_open = false;
	for (unsigned i = 0; i < CHECKS; i++)
		open = open || g->checks[i].last.status == CHECK_INCOMPLETE;
	g->check_wait = open ? MAX(2 * g->check_wait, CHECK_GAP_NS) : whole;
	g->check_wait = MIN(g->check_wait, whole);
	return g->check_wait;
}

/* The kernel's code is content; who is listed where is not. */
static void start_check(struct guest *g, uint64_t now)
{
	const struct m_check m = {
		.checks = CHECK_PROCESSES | CHECK_MODULES |
			  (g->level == KVM_WARDEN_LEVEL_CONTENT ? CHECK_KERNEL : 0),
	};
	struct request *r = guest_request(g, REQUEST_CHECK);

	if (!r)
		return;
	if (peer_post(&g->introspector, &msg_check, r->id, &m, -1))
		r->kind = REQUEST_NONE;
	g->next_check = now + next_check_in(g);
	g->check_began = now;
}

void guest_check_ended(struct guest *g, uint64_t now)
{
	g->check_ended = now;
	g->check_gap = MAX(CHECK_GAP_NS, CHECK_COST * (now - g->check_began));
}

/* A guest can bring that about, but not all the time. */
void guest_check_soon(struct guest *g, uint64_t now)
{
	const uint64_t due = MAX(now, g->check_ended + g->check_gap);

	if (due < g->next_check)
		g->next_check = due;
}

static bool is_asked(const struct guest *g)
{
	for (unsigned i = 0; i < INTROSPECT_OUTSTANDING; i++)
		if (g->requests[i].kind)
			return true;
	return false;
}

static bool is_stuck(struct guest *g, uint64_t now)
{
	if (!is_asked(g) || now < g->heard + SILENCE_NS)
		return false;
	log_err("guest %llu: its introspector has been silent for %llu s: closed",
		(unsigned long long)g->id, SILENCE_NS / NS_PER_S);
	record_event(&g->introspector.engine->journal, "introspector silent", g->id,
		     g->vmm_pid, 0, NULL);
	peer_close(&g->introspector);
	guest_lost_introspector(g);
	return true;
}

uint64_t guest_pump(struct guest *g, uint64_t now)
{
	uint64_t next = orders_pump(g, now);

	next = MIN(next, acts_pump(g, now));
	if (g->introspector.fd < 0 || g->level == KVM_WARDEN_LEVEL_OFF ||
	    g->kernel.state != KERNEL_READY || is_stuck(g, now))
		return next;
	if (g->looks.sweep_due)
		guest_sweep_soon(g, now);
	if (!is_sweeping(g) && g->next_sweep <= now)
		start_sweep(g, now);
	start_looks(g, now);
	if (check_due(g) <= now)
		start_check(g, now);
	if (check_due(g) > now)
		next = MIN(next, check_due(g));
	if (is_asked(g))
		next = MIN(next, g->heard + SILENCE_NS);
	if (!is_sweeping(g))
		next = MIN(next, g->next_sweep);
	/* A look that is due and found no free slot goes when an answer comes. */
	return looks_due(&g->looks) > now ? MIN(next, looks_due(&g->looks)) : next;
}
