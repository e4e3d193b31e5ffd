// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the guard over VMM processes saw is a finding of the VMM's guest; rules
 * that name the kind "guard" decide what the host does.
 */
#include "engine/engine.h"

#include <linux/kvm_warden.h>
#include <stdlib.h>
#include <string.h>

#include "engine/incident.h"
#include "lib/log.h"
#include "lib/util.h"

/*
 * New findings of a guest's VMM, of each kind: so many at once, and in a day.
 * They are none of malware's, whose quota is the guest's own.
 */
#define NEW_QUOTA 500
#define NEW_REFILL_NS (86400 * NS_PER_S / NEW_QUOTA)
/* Known ones that are decided anew. */
#define AGAIN_QUOTA 50
#define AGAIN_REFILL_NS NS_PER_S
/* Of a guest whose name is not known yet; more are judged without it. */
#define HELD_MAX 256

static json_t *evidence_of(const struct engine *e, const struct incident *i)
{
	char address[32];

	snprintf(address, sizeof(address), "0x%llx", (unsigned long long)i->address);
	return json_pack("{s:s,s:s,s:b,s:s,s:I,s:s,s:I,s:b}", "what", incident_words(i),
			 "by", incident_actor(i), "denied", !!(i->flags & GUARD_DENIED),
			 "rule", i->rule, "detail", (json_int_t)i->detail, "address", address,
			 "length", (json_int_t)i->length,
			 "degraded", e->guard.state == GUARD_IS_DEGRADED);
}

static bool may_be_new(struct engine *e, struct guest *g, const struct incident *i)
{
	if (!g)
		return engine_may_note(e);
	if (quota_take(&g->guard_new[i->what], NEW_QUOTA, NEW_REFILL_NS, now_mono()))
		return true;
	g->counts.findings_held++;
	return false;
}

/* 0: the quota is spent. */
static int64_t write_finding(struct engine *e, struct guest *g, const struct incident *i,
			     bool *ret_known)
{
	static const uint8_t no_content[HASH_BYTES];
	struct finding_record f = {
		.ref = { e->boot, i->guest, i->vmm }, .guest_name = g ? g->name : "",
		.pid = i->pid, .comm = i->comm, .exe = "", .object_kind = INCIDENT_KIND,
		.path = i->path, .gva = i->what == GUARD_MADE_CODE ? i->address : 0,
		.signature = incident_signature(i->what), .content_hash = no_content,
		.found_by = "guard", .t_seen = i->time_ns, .t_found = now_mono(),
		.evidence = evidence_of(e, i),
	};
	int64_t seq = record_known_finding(&e->journal, &f);

	*ret_known = seq > 0;
	if (seq <= 0)
		seq = may_be_new(e, g, i) ? record_finding(&e->journal, &f, ret_known) : 0;
	json_decref(f.evidence);
	if (seq && !*ret_known)
		log_warn("guest %llu (%s): %s %s: %s, process %u (%s)%s%s",
			 (unsigned long long)i->guest, f.guest_name, incident_actor(i),
			 incident_words(i), i->path, i->pid, i->comm,
			 i->flags & GUARD_DENIED ? ", denied" : "",
			 seq < 0 ? "; not in the journal" : "");
	return seq;
}

static void decide(struct guest *g, const struct incident *i, int64_t finding, bool known)
{
	struct engine *e = g->introspector.engine;
	const struct policy_question question = {
		.signature = incident_signature(i->what), .guest = g->name, .exe = "",
		.kind = POLICY_GUARD,
	};
	struct policy_answer answer = policy_decide(&e->policy, &question);
	char note[128] = "";

	if (answer.by && !answer.by->exempt && answer.by->host.n) {
		findings_decide_host(g, answer.by, finding, known);
		return;
	}
	if (known)
		return;
	if (answer.by && answer.by->exempt)
		snprintf(note, sizeof(note), "exempt: %s", answer.by->name);
	record_decision(&e->journal, finding, answer.by && !answer.by->exempt ?
			answer.by->name : "", "report", note);
}

static bool may_be_again(struct guest *g)
{
	return g && quota_take(&g->guard_again, AGAIN_QUOTA, AGAIN_REFILL_NS, now_mono());
}

/* A child may do it when its guest is gone, or before that is known. */
static void on_incident(struct engine *e, const struct incident *i)
{
	struct guest *g = guest_find(e, i->guest);
	bool known;
	int64_t seq;

	seq = write_finding(e, g, i, &known);
	if (seq <= 0 || (known && !may_be_again(g)))
		return;
	engine_flush_soon(e);
	if (g && !known)
		g->counts.findings++;
	if (g)
		decide(g, i, seq, known);
	else
		record_decision(&e->journal, seq, "", "report", "its guest is not there");
}

/* They are one finding, and the first that is judged decides. */
static bool is_held(const struct guest *g, const struct warden_guard_event *raw)
{
	for (unsigned i = 0; i < g->nincidents; i++)
		if (g->incidents[i].what == raw->what && g->incidents[i].pid == raw->pid &&
		    !memcmp(g->incidents[i].path, raw->path, sizeof(raw->path)))
			return true;
	return false;
}

/* Rules go by its name: what its VMM does before it says it is judged with it. */
static bool hold(struct guest *g, const struct warden_guard_event *raw)
{
	if (!g || !g->unnamed)
		return false;
	if (is_held(g, raw))
		return true;
	if (g->nincidents == HELD_MAX)
		return false;
	if (!g->incidents)
		g->incidents = calloc(HELD_MAX, sizeof(*raw));
	if (!g->incidents)
		fatal("no memory for what the guard saw");
	g->incidents[g->nincidents++] = *raw;
	return true;
}

void guard_judge_held(struct guest *g)
{
	struct incident incident;

	for (unsigned i = 0; i < g->nincidents; i++)
		if (incident_decode(&g->incidents[i], &incident))
			on_incident(g->introspector.engine, &incident);
	free(g->incidents);
	g->incidents = NULL;
	g->nincidents = 0;
}

int guard_events(struct engine *e, struct msg *m)
{
	struct m_guard_events events;
	struct warden_guard_event raw;
	struct incident incident;
	struct m_guard_taken taken;

	_Static_assert(sizeof(raw) * GUARD_EVENTS_MAX == sizeof(events.events.data),
		       "the message has room for so many");
	if (!msg_decode(m, &msg_guard_events, &events) || events.events.len % sizeof(raw))
		return -1;
	for (uint32_t at = 0; at < events.events.len; at += sizeof(raw)) {
		memcpy(&raw, events.events.data + at, sizeof(raw));
		if (!incident_decode(&raw, &incident))
			return -1;
		e->guard_incidents[incident.what][!!(incident.flags & GUARD_DENIED)]++;
		if (!hold(guest_find(e, raw.guest), &raw))
			on_incident(e, &incident);
	}
	taken.events = events.events.len / sizeof(raw);
	peer_post(&e->parent, &msg_guard_taken, 0, &taken, -1);
	return 0;
}

int guard_state(struct engine *e, struct msg *m)
{
	struct m_guard_state state;

	if (!msg_decode(m, &msg_guard_state, &state) || !state.mode ||
	    state.mode > GUARD_MODE_DENY || !state.state || state.state > GUARD_IS_DEGRADED)
		return -1;
	e->guard = state;
	return 0;
}

int guard_counts(struct engine *e, struct msg *m)
{
	struct m_guard_counts counts;
	struct guest *g;

	if (!msg_decode(m, &msg_guard_counts, &counts))
		return -1;
	g = guest_find(e, counts.guest);
	if (g) {
		g->guard = counts;
		g->is_guarded = true;
	}
	return 0;
}
