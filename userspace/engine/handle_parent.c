// SPDX-License-Identifier: GPL-2.0-or-later
/* What the parent says: guests, events, and the roles' coming and going. */
#include "engine/engine.h"

#include <string.h>

#include <linux/kvm_warden.h>

#include "engine/acts.h"
#include "engine/orders.h"
#include "lib/log.h"
#include "lib/util.h"

static int on_guest_up(struct engine *e, struct msg *m)
{
	struct m_guest_up up;

	if (!msg_decode(m, &msg_guest_up, &up) || up.level > KVM_WARDEN_LEVEL_CONTENT || up.unnamed > 1)
		return -1;
	guest_up(e, &up);
	return 0;
}

static int on_guest_named(struct engine *e, struct msg *m)
{
	struct m_guest_named named;
	struct guest *g;

	if (!msg_decode(m, &msg_guest_named, &named) || named.level > KVM_WARDEN_LEVEL_CONTENT)
		return -1;
	g = guest_find(e, named.guest);
	if (g && g->unnamed)
		guest_named(g, &named);
	return 0;
}

static void forget_role(struct engine *e, uint64_t guest)
{
	for (unsigned i = 0; i < e->nroles; i++) {
		if (e->roles[i].guest != guest)
			continue;
		e->departed_restarts += e->roles[i].restarts;
		e->roles[i--] = e->roles[--e->nroles];
	}
}

static int on_guest_down(struct engine *e, struct msg *m)
{
	struct m_guest_down down;
	struct guest *g;

	if (!msg_decode(m, &msg_guest_down, &down) || !down.guest)
		return -1;
	g = guest_find(e, down.guest);
	if (g)
		guest_down(e, g);
	forget_role(e, down.guest);
	return 0;
}

static void note_claims(struct engine *e, const struct guest *g)
{
	const struct guest *other;

	TAILQ_FOREACH(other, &e->guests, entry) {
		int above = cid_rank(g->cid_source) - cid_rank(other->cid_source);
		const char *whose = above > 0 ? "this one's, by bpf" : above < 0 ?
				    "the other's, by bpf" : "nobody's: no orders for either";

		if (other == g || other->down || other->cid != g->cid)
			continue;
		log_warn("CID %u: claimed by the guests %llu and %llu: %s", g->cid,
			 (unsigned long long)g->id, (unsigned long long)other->id, whose);
		record_event(&e->journal, "CID claimed twice", g->id, g->vmm_pid, 0,
			     json_pack("{s:I,s:I,s:s}", "cid", (json_int_t)g->cid, "other guest",
				       (json_int_t)other->id, "whose", whose));
	}
}

static int on_guest_cid(struct engine *e, struct msg *m, uint64_t now)
{
	struct m_guest_cid claim;
	struct guest *g;
	uint32_t old;

	if (!msg_decode(m, &msg_guest_cid, &claim))
		return -1;
	g = guest_find(e, claim.guest);
	if (!g || (g->cid == claim.cid && cid_rank(g->cid_source) == cid_rank(claim.source)))
		return 0;
	old = g->cid;
	g->cid = claim.cid;
	g->has_cid = false;
	memcpy(g->cid_source, claim.source, sizeof(g->cid_source));
	if (old && old != g->cid) {
		record_event(&e->journal, "guest CID let go", g->id, g->vmm_pid, 0,
			     json_pack("{s:I}", "cid", (json_int_t)old));
		guests_settle_cid(e, old, now);
	}
	if (g->cid) {
		note_claims(e, g);
		guests_settle_cid(e, g->cid, now);
	}
	if (g->has_cid)
		record_event(&e->journal, "guest CID", g->id, g->vmm_pid, 0,
			     json_pack("{s:I,s:s}", "cid", (json_int_t)g->cid, "source",
				       g->cid_source));
	engine_flush_soon(e);
	return 0;
}

static void on_event(struct engine *e, const struct kvm_warden_event *event, uint64_t now)
{
	struct guest *g = guest_find(e, event->guest);

	if (!g) {
		guest_event_ahead(e, event->guest);
		return;
	}
	g->counts.events++;
	/* The entry of system calls, or the table of interrupts: another kernel's, or a hook. */
	if (event->type == KVM_WARDEN_EVENT_ENTRY_POINT || event->type == KVM_WARDEN_EVENT_IDT)
		guest_check_soon(g, now);
	/* Before its kernel is found nothing can be looked at; then comes a sweep. */
	if (event->type == KVM_WARDEN_EVENT_ADDRESS_SPACE && g->kernel.state == KERNEL_READY &&
	    g->level == KVM_WARDEN_LEVEL_CONTENT)
		looks_event(&g->looks, event->cr3, event->time_ns, now);
}

static int on_events(struct engine *e, struct msg *m, uint64_t now)
{
	struct m_events events;
	struct kvm_warden_event event;
	struct m_taken taken;

	_Static_assert(sizeof(event) == 80, "the ABI's event");
	if (!msg_decode(m, &msg_events, &events) || events.events.len % sizeof(event))
		return -1;
	for (uint32_t at = 0; at < events.events.len; at += sizeof(event)) {
		memcpy(&event, events.events.data + at, sizeof(event));
		on_event(e, &event, now);
	}
	taken.events = events.events.len / sizeof(event);
	peer_post(&e->parent, &msg_taken, 0, &taken, -1);
	return 0;
}

static int on_counters(struct engine *e, struct msg *m, uint64_t now)
{
	struct m_counters counters;
	struct guest *g;

	if (!msg_decode(m, &msg_counters, &counters))
		return -1;
	g = guest_find(e, counters.guest);
	if (counters.last) {
		guest_counted(e, &counters);
	} else if (g) {
		g->counters = counters;
		g->has_counters = true;
		acts_counters(g, &counters, now);
	}
	return 0;
}

static int on_guest_level(struct engine *e, struct msg *m, uint64_t now)
{
	struct m_guest_level level;
	struct guest *g;

	if (!msg_decode(m, &msg_guest_level, &level) || level.level > KVM_WARDEN_LEVEL_CONTENT)
		return -1;
	g = guest_find(e, level.guest);
	if (!g)
		return 0;
	guest_set_level(g, level.level, now);
	/* Another introspector, or none, is no failure of the one before. */
	forget_role(e, g->id);
	return 0;
}

static struct role *find_role(struct engine *e, const struct m_role_state *m)
{
	for (unsigned i = 0; i < e->nroles; i++)
		if (e->roles[i].guest == m->guest && !strcmp(e->roles[i].name, m->role))
			return &e->roles[i];
	return NULL;
}

static struct role *role_of(struct engine *e, const struct m_role_state *m)
{
	struct role *r = find_role(e, m);

	if (r || e->nroles == ROLES_MAX)
		return r;
	r = &e->roles[e->nroles++];
	memset(r, 0, sizeof(*r));
	r->guest = m->guest;
	memcpy(r->name, m->role, sizeof(r->name));
	return r;
}

static void note_role(struct engine *e, const struct m_role_state *m)
{
	struct role *r = role_of(e, m);

	if (r) {
		if (m->state == ROLE_UP && r->state)
			r->restarts++;
		r->state = m->state;
		r->since_wall = now_wall();
		memcpy(r->why, m->why, sizeof(r->why));
	}
	record_event(&e->journal, m->state == ROLE_UP ? "role up" : "role down", m->guest, 0, 0,
		     json_pack("{s:s,s:s}", "role", m->role, "why", m->why));
	engine_flush_soon(e);
}

/* The new socket of a role; a role of another name has none here. */
static void connect_role(struct engine *e, const struct m_role_state *m, struct msg *raw)
{
	struct guest *g;

	if (raw->fd < 0)
		return;
	if (!strcmp(m->role, "scan")) {
		scanning_lost(e);
		peer_open(&e->scan, msg_take_fd(raw));
	} else if (!strcmp(m->role, "channel")) {
		orders_channel_lost(e, now_mono());
		peer_open(&e->channel, msg_take_fd(raw));
	} else if (!strcmp(m->role, "introspect")) {
		g = guest_find(e, m->guest);
		if (g)
			guest_connect(g, msg_take_fd(raw));
	}
}

static int on_role_state(struct engine *e, struct msg *m)
{
	struct m_role_state state;

	if (!msg_decode(m, &msg_role_state, &state) ||
	    (state.state != ROLE_UP && state.state != ROLE_DOWN))
		return -1;
	/* A guest's first introspector belongs to its coming. */
	if (state.state == ROLE_DOWN || !state.guest || find_role(e, &state))
		note_role(e, &state);
	if (state.state == ROLE_UP)
		connect_role(e, &state, m);
	else
		log_warn("role %s (guest %llu) is down: %s", state.role,
			 (unsigned long long)state.guest, state.why);
	return 0;
}

static int on_cids_state(struct engine *e, struct msg *m)
{
	struct m_cids_state state;

	if (!msg_decode(m, &msg_cids_state, &state) || state.on > 1)
		return -1;
	e->cids = state;
	return 0;
}

static int on_module_state(struct engine *e, struct msg *m)
{
	struct m_module_state state;

	if (!msg_decode(m, &msg_module_state, &state) || state.attached > 1)
		return -1;
	e->module = state;
	return 0;
}

static int on_acted(struct engine *e, struct msg *m, uint64_t now)
{
	struct m_acted acted;

	if (!msg_decode(m, &msg_acted, &acted) || !acted.status || acted.status > ACT_PARTLY)
		return -1;
	acts_result(e, m->id, &acted, now);
	return 0;
}

int handle_parent(struct peer *peer, struct msg *m, uint64_t now)
{
	struct engine *e = peer->engine;

	switch (m->type) {
	case M_GUEST_UP:
		return on_guest_up(e, m);
	case M_GUEST_NAMED:
		return on_guest_named(e, m);
	case M_GUEST_DOWN:
		return on_guest_down(e, m);
	case M_GUEST_CID:
		return on_guest_cid(e, m, now);
	case M_EVENTS:
		return on_events(e, m, now);
	case M_COUNTERS:
		return on_counters(e, m, now);
	case M_GUEST_LEVEL:
		return on_guest_level(e, m, now);
	case M_ROLE_STATE:
		return on_role_state(e, m);
	case M_ACTED:
		return on_acted(e, m, now);
	case M_CIDS_STATE:
		return on_cids_state(e, m);
	case M_MODULE_STATE:
		return on_module_state(e, m);
	case M_GUARD_STATE:
		return guard_state(e, m);
	case M_GUARD_EVENTS:
		return guard_events(e, m);
	case M_GUARD_COUNTS:
		return guard_counts(e, m);
	case M_INTEGRITY_DIFFERENCE:
		return integrity_difference(e, m);
	case M_INTEGRITY_DONE:
		return integrity_done(e, m);
	default:
		return -1;
	}
}
