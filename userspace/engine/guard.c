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
#define HELD_IN_ALL 32768	/* half of what the parent keeps: as many may wait for the disk */
/* After a rollback: soon, for there may be room by then, but not without end. */
#define AGAIN_NS NS_PER_S
#define AGAIN_LATER_NS (10 * NS_PER_S)

/* joined: one that is held is the same finding, and the first that is judged decides. */
enum guard_fate { FATE_JUDGED, FATE_HELD, FATE_JOINED };

struct guard_incident {
	struct warden_guard_event raw;
	uint8_t key[HASH_BYTES];	/* of its finding, if it is held */
	enum guard_fate fate;
	bool in_quota;			/* it has had its part, before a rollback */
	bool is_new;			/* as a finding */
};

/* A message of the parent's, or what was held of a guest. */
struct guard_batch {
	TAILQ_ENTRY(guard_batch) entry;
	uint64_t guest;			/* whose were held; 0: a message */
	bool judged;			/* all that are, and the journal has taken them */
	unsigned tries;
	unsigned n;
	struct guard_incident incident[];
};

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

static struct finding_record finding_of(const struct engine *e, const struct guest *g,
					const struct incident *i)
{
	static const uint8_t no_content[HASH_BYTES];

	return (struct finding_record){
		.ref = { e->boot, i->guest, i->vmm }, .guest_name = g ? g->name : "",
		.pid = i->pid, .comm = i->comm, .exe = "", .object_kind = INCIDENT_KIND,
		.path = i->path, .gva = i->what == GUARD_MADE_CODE ? i->address : 0,
		.signature = incident_signature(i->what), .content_hash = no_content,
		.found_by = "guard", .t_seen = i->time_ns, .t_found = now_mono(),
	};
}

/* 0: the quota is spent. */
static int64_t write_finding(struct engine *e, struct guest *g, const struct incident *i,
			     bool *in_quota, bool *ret_known)
{
	struct finding_record f = finding_of(e, g, i);
	int64_t seq = record_known_finding(&e->journal, &f);
	const bool again = *in_quota;

	*ret_known = seq > 0;
	if (seq > 0)
		return seq;
	*in_quota = again || may_be_new(e, g, i);
	if (!*in_quota)
		return 0;
	f.evidence = evidence_of(e, i);
	seq = record_finding(&e->journal, &f, ret_known);
	json_decref(f.evidence);
	if (!again)
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

/*
 * The guard knows a VMM, and all that it forked, by its first guest.  Once that is gone
 * another one answers: of the very process, or of the VMM whose child it is.  NULL: none.
 */
static struct guest *guest_of(struct engine *e, const struct warden_guard_event *raw)
{
	struct guest *g = guest_find(e, raw->guest), *of_vmm = NULL;

	if (g)
		return g;
	TAILQ_FOREACH(g, &e->guests, entry) {
		if (g->down || g->marked != raw->guest)
			continue;
		if (g->vmm_pid == raw->pid)
			return g;
		if (!of_vmm && g->vmm_pid == raw->vmm)
			of_vmm = g;
	}
	return of_vmm;
}

/*
 * A child may do it when its guest is gone, or before that is known.  False: the
 * journal has not taken it.
 */
static bool judge(struct engine *e, struct guard_incident *told)
{
	struct guest *g = guest_of(e, &told->raw);
	struct incident incident;
	bool known;
	int64_t seq;

	if (!incident_decode(&told->raw, &incident))
		return true;
	if (g)
		incident.guest = g->id;
	seq = write_finding(e, g, &incident, &told->in_quota, &known);
	if (seq < 0)
		return false;
	told->is_new |= seq && !known;
	if (!seq || (known && !may_be_again(g)))
		return true;
	if (g)
		decide(g, &incident, seq, known);
	else
		record_decision(&e->journal, seq, "", "report", "its guest is not there");
	return true;
}

/* ---- batches, from the parent's word to ours that they are taken ---- */

static struct guard_batch *batch_new(unsigned n)
{
	struct guard_batch *b = calloc(1, sizeof(*b) + n * sizeof(b->incident[0]));

	if (!b)
		fatal("no memory for what the guard saw");
	b->n = n;
	return b;
}

static void try_later(struct engine *e, struct guard_batch *b)
{
	b->judged = false;
	e->guard_due = MIN(e->guard_due, now_mono() + (b->tries++ ? AGAIN_LATER_NS : AGAIN_NS));
}

/* The parent sends no more before these are taken: they wait for no other rows. */
static void judge_batch(struct engine *e, struct guard_batch *b)
{
	b->judged = true;
	for (unsigned i = 0; i < b->n; i++)
		if (b->incident[i].fate == FATE_JUDGED)
			b->judged &= judge(e, &b->incident[i]);
	engine_flush_now(e);
	if (!b->judged)
		try_later(e, b);
}

static void take_on(struct engine *e, struct guard_batch *b)
{
	TAILQ_INSERT_TAIL(&e->guard_batches, b, entry);
	judge_batch(e, b);
}

void guard_judge_again(struct engine *e, uint64_t now)
{
	struct guard_batch *b;

	if (now < e->guard_due)
		return;
	e->guard_due = NEVER;
	TAILQ_FOREACH(b, &e->guard_batches, entry)
		if (!b->judged)
			judge_batch(e, b);
}

void guard_rolled_back(struct engine *e)
{
	struct guard_batch *b;

	TAILQ_FOREACH(b, &e->guard_batches, entry)
		if (b->judged)
			try_later(e, b);
}

static void count_new(struct engine *e, const struct guard_batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		struct guest *g = guest_of(e, &b->incident[i].raw);

		if (g && b->incident[i].is_new)
			g->counts.findings++;
	}
}

static void say_taken(struct engine *e, const struct guard_batch *b)
{
	struct m_guard_taken taken = { .events = b->n };
	struct m_guard_judged judged = { .guest = b->guest };

	if (b->guest) {
		peer_post(&e->parent, &msg_guard_judged, 0, &judged, -1);
		return;
	}
	for (unsigned i = 0; i < b->n; i++)
		if (b->incident[i].fate == FATE_HELD)
			taken.held |= 1u << i;
	peer_post(&e->parent, &msg_guard_taken, 0, &taken, -1);
}

/* In their order: that some are held is told before that they are judged. */
void guard_take(struct engine *e)
{
	struct guard_batch *b;

	while ((b = TAILQ_FIRST(&e->guard_batches)) && b->judged && !e->journal.dirty) {
		TAILQ_REMOVE(&e->guard_batches, b, entry);
		count_new(e, b);
		say_taken(e, b);
		free(b);
	}
}

/* ---- of guests without a name yet ---- */

static bool is_held(const struct guest *g, const uint8_t key[HASH_BYTES])
{
	for (unsigned i = 0; i < g->nheld; i++)
		if (!memcmp(g->held[i].key, key, HASH_BYTES))
			return true;
	return false;
}

/* Rules go by its name: what its VMM does before it says it is judged with it. */
static enum guard_fate hold(struct engine *e, struct guard_incident *told,
			    const struct incident *i)
{
	struct guest *g = guest_find(e, i->guest);
	struct finding_record f;

	if (!g || !g->unnamed)
		return FATE_JUDGED;
	f = finding_of(e, g, i);
	record_finding_key(told->key, &f);
	if (is_held(g, told->key))
		return FATE_JOINED;
	if (g->nheld == HELD_MAX || e->guard_held == HELD_IN_ALL)
		return FATE_JUDGED;
	if (!g->held)
		g->held = calloc(HELD_MAX, sizeof(*g->held));
	if (!g->held)
		fatal("no memory for what the guard saw");
	g->held[g->nheld++] = *told;
	e->guard_held++;
	return FATE_HELD;
}

void guard_judge_held(struct guest *g)
{
	struct engine *e = g->introspector.engine;
	struct guard_batch *b;

	if (!g->nheld)
		return;
	e->guard_held -= g->nheld;
	b = batch_new(g->nheld);
	b->guest = g->id;
	/* Copies of before their fate was known: each is to be judged. */
	memcpy(b->incident, g->held, g->nheld * sizeof(g->held[0]));
	free(g->held);
	g->held = NULL;
	g->nheld = 0;
	take_on(e, b);
}

/* ---- what the parent says ---- */

static int read_incident(struct engine *e, struct guard_incident *told)
{
	struct incident incident;

	if (!incident_decode(&told->raw, &incident))
		return -1;
	e->guard_incidents[incident.what][!!(incident.flags & GUARD_DENIED)]++;
	told->fate = hold(e, told, &incident);
	return 0;
}

int guard_events(struct engine *e, struct msg *m)
{
	const size_t size = sizeof(struct warden_guard_event);
	struct m_guard_events events;
	struct guard_batch *b;

	_Static_assert(sizeof(struct warden_guard_event) * GUARD_EVENTS_MAX ==
		       sizeof(events.events.data), "the message has room for so many");
	_Static_assert(GUARD_EVENTS_MAX <= 32, "a bit for each in the answer");
	if (!msg_decode(m, &msg_guard_events, &events) || events.events.len % size)
		return -1;
	b = batch_new(events.events.len / size);
	for (unsigned i = 0; i < b->n; i++) {
		memcpy(&b->incident[i].raw, events.events.data + i * size, size);
		if (read_incident(e, &b->incident[i])) {
			free(b);
			return -1;
		}
	}
	take_on(e, b);
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
