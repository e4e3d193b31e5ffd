// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Infected code that a process executes is a finding; the policy decides what
 * follows.  Finding, decision and order are one transaction.
 */
#include "engine/engine.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "engine/acts.h"
#include "engine/limits.h"
#include "engine/orders.h"
#include "lib/log.h"
#include "lib/util.h"

/* Findings a guest may make: so many at once, one more each 100 ms. */
#define QUOTA 600
#define QUOTA_REFILL_NS (100 * NS_PER_MS)
/* And for each day, lest it fill the disk. */
#define DAY_NS (86400 * NS_PER_S)
#define DAY_QUOTA 10000
#define FIRSTS_QUOTA 2000

#define ORDERS_AT_ONCE 3	/* for one process, with the next sweeps */
#define ORDER_AGAIN_NS (15 * NS_PER_S)
#define ORDER_AGAIN_MAX_NS (600 * NS_PER_S)

/*
 * first: of that content.  Decoys by the thousand do not hide another one, so
 * there is room of its own for those.
 */
bool findings_within_quota(struct guest *g, bool first, uint64_t now)
{
	if (quota_take(&g->findings_quota, QUOTA, QUOTA_REFILL_NS, now) &&
	    quota_take(&g->findings_day, DAY_QUOTA, DAY_NS / DAY_QUOTA, now))
		return true;
	if (first && quota_take(&g->firsts_day, FIRSTS_QUOTA, DAY_NS / FIRSTS_QUOTA, now))
		return true;
	/* Not lost: the next sweep shows the process again. */
	g->counts.findings_held++;
	return false;
}

static json_t *evidence_of(const struct engine *e, const struct use *u)
{
	const struct task *t = u->task;
	const struct object *o = u->object;
	char hash[2 * HASH_BYTES + 1];

	hex_encode(hash, t->exe_hash, HASH_BYTES);
	return json_pack("{s:s,s:I,s:I,s:I,s:s,s:i,s:I,s:I,s:I,s:b,s:s,s:s}",
		"argv", t->argv, "uid", (json_int_t)t->uid, "ppid", (json_int_t)t->ppid,
		"task_flags", (json_int_t)t->flags, "exe_hash", t->nranges ? hash : "",
		"exe_ranges", (int)t->nranges, "size", (json_int_t)o->size,
		"resident", (json_int_t)o->resident,
		"scan_us", (json_int_t)o->verdict.elapsed_us, "cached", (int)o->verdict.cached,
		"epoch", e->database.epoch, "engine", e->database.engine);
}

static int64_t write_finding(struct guest *g, const struct use *u, bool *ret_known)
{
	struct engine *e = g->introspector.engine;
	struct finding_record f = {
		.ref = guest_ref(e, g), .guest_name = g->name, .pid = u->task->pid,
		.start_ns = u->task->start_ns, .comm = u->task->comm, .exe = u->task->exe,
		.object_kind = object_kind_name(u->object->kind), .path = u->object->path,
		.gva = u->gva, .signature = u->object->why,
		.content_hash = u->object->verdict.hash,
		.found_by = u->by == BY_EVENT ? "event" : "sweep",
		.t_seen = u->t_seen, .t_found = now_mono(), .evidence = evidence_of(e, u),
	};
	int64_t seq = record_finding(&e->journal, &f, ret_known);

	json_decref(f.evidence);
	if (seq < 0 || !*ret_known)
		log_warn("guest %llu (%s): %s in %s, process %u (%s), found by %s%s",
			 (unsigned long long)g->id, g->name, f.signature, f.path, f.pid,
			 f.comm, f.found_by, seq < 0 ? "; not in the journal" : "");
	return seq;
}

/*
 * Why no agent can be told to kill it: never, or not as long as nothing of its
 * executable is in memory.  NULL: it can.
 */
static const char *untold(const struct task *t, bool *ret_later)
{
	*ret_later = false;
	if (t->flags & TASK_KTHREAD)
		return "kill withheld: a kernel thread";
	if (t->pid == 1)
		return "kill withheld: process 1";
	*ret_later = true;
	return t->nranges ? NULL : "kill withheld: no identity of the executable";
}

/* Another order, or the process's end, makes one for this use needless. */
static bool is_joined(struct guest *g, struct use *u, const struct policy_entry *rule,
		      int64_t finding, bool again)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g);
	struct task *t = u->task;
	int64_t order = orders_open(g, t->pid, t->start_ns);
	const char *format = "order %lld is for this process already";
	char note[128];

	if (!order) {
		order = record_find_death(&e->journal, &ref, t->pid, t->start_ns);
		format = "the process's end by order %lld was confirmed";
	}
	/* If the journal cannot tell, the next sweep asks again. */
	u->undecided = order < 0;
	if (!order)
		return false;
	if (order < 0 || again)
		return true;
	snprintf(note, sizeof(note), format, (long long)order);
	record_decision(&e->journal, finding, rule->name, "joined", note);
	return true;
}

/*
 * An order that waits, as one for a missing agent does, for what there is not: a
 * rule's fallback is then the host's.  A program that drops its own pages has no
 * identity for as long as it likes.
 */
static bool leave_to_fallback(struct guest *g, struct use *u, const struct policy_entry *rule,
			      int64_t finding, const char *why)
{
	struct engine *e = g->introspector.engine;
	struct order_cause cause = { 0, finding, rule->name, u->object->why };
	struct m_order m = order_kill(u->task);

	if (!rule->nfallback || g->down)
		return false;
	cause.decision = record_decision(&e->journal, finding, rule->name, "report", why);
	return cause.decision > 0 && order_make(g, &m, &cause, ORDER_QUEUED);
}

/*
 * again: it was decided before, and came to nothing.  What keeps it from being
 * done is written once, however often it is asked.  True: the process is dead,
 * or ordered to be killed.
 */
static bool decide_kill(struct guest *g, struct use *u, const struct policy_entry *rule,
			int64_t finding, bool again)
{
	struct engine *e = g->introspector.engine;
	struct order_cause cause = { 0, finding, rule->name, u->object->why };
	struct m_order m;
	char note[128], met[96];
	const char *why;
	bool later;

	if (is_joined(g, u, rule, finding, again))
		return true;
	why = untold(u->task, &later);
	if (why && leave_to_fallback(g, u, rule, finding, why))
		return true;
	if (!why && limits_met(g, rule, ANSWER_KILL, met, sizeof(met))) {
		snprintf(note, sizeof(note), "kill withheld: %s", met);
		why = note;
	}
	if (why) {
		if (!u->withheld)
			record_decision(&e->journal, finding, rule->name, "report", why);
		u->withheld = u->undecided = later;
		return false;
	}
	if (again && !findings_within_quota(g, false, now_mono())) {
		u->undecided = true;
		return false;
	}
	u->withheld = false;
	cause.decision = record_decision(&e->journal, finding, rule->name, "kill",
					 again ? "again: the process still runs" : "");
	m = order_kill(u->task);
	engine_flush_soon(e);
	return cause.decision > 0 && !g->down && order_make(g, &m, &cause, ORDER_QUEUED);
}

static struct m_order quarantine_of(const struct use *u)
{
	const struct object *o = u->object;
	struct m_order m = { .verb = VERB_QUARANTINE, .pid = u->task->pid,
			     .start_ns = u->task->start_ns, .size = o->size };

	randombytes_buf(m.item, sizeof(m.item));
	snprintf(m.path, sizeof(m.path), "%s", o->path);
	memcpy(m.exe_hash, o->file_hash, HASH_BYTES);
	m.exe_ranges.len = MIN(o->nranges, EXE_MAX_RANGES) * sizeof(struct exe_range);
	if (m.exe_ranges.len)
		memcpy(m.exe_ranges.range, o->ranges, m.exe_ranges.len);
	return m;
}

/* Why the file is not put away; NULL: it is. */
static const char *file_withheld(struct guest *g, const struct use *u,
				 const struct policy_entry *rule, char *why, size_t size)
{
	char met[96];

	if (u->object->kind != OBJECT_FILE)
		return "quarantine does not apply: not a file";
	if (!u->object->nranges)
		return "quarantine withheld: no identity of the file";
	if (!limits_met(g, rule, ANSWER_QUARANTINE, met, sizeof(met)))
		return NULL;
	snprintf(why, size, "quarantine withheld: %s", met);
	return why;
}

/* After its process is dead, if that is to be killed, else at once. */
static enum order_phase when_to_put_away(struct guest *g, const struct use *u,
					 const struct policy_entry *rule)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g);

	if (!(rule->actions & ACTION_KILL) || u->task->dead ||
	    record_find_death(&e->journal, &ref, u->task->pid, u->task->start_ns) > 0)
		return ORDER_QUEUED;
	return ORDER_HELD;
}

static void decide_quarantine(struct guest *g, struct use *u, const struct policy_entry *rule,
			      int64_t finding, bool again)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g);
	struct order_cause cause = { 0, finding, rule->name, u->object->why };
	struct m_order m = quarantine_of(u);
	char note[128];
	const char *why = file_withheld(g, u, rule, note, sizeof(note)), *action = "report";
	int64_t other = why ? 0 : record_find_item(&e->journal, &ref, &m,
							  u->task->first_seen);

	if (other > 0) {
		snprintf(note, sizeof(note), "order %lld is for this file already", (long long)other);
		why = note;
		action = "joined";
	}
	if (why || other < 0) {
		if (why && !again)
			record_decision(&e->journal, finding, rule->name, action, why);
		return;
	}
	cause.decision = record_decision(&e->journal, finding, rule->name, "quarantine", "");
	if (cause.decision > 0 && !g->down)
		order_make(g, &m, &cause, when_to_put_away(g, u, rule));
	engine_flush_soon(e);
}

/*
 * What the rule wants of the host, whatever the agent does.  again: of it, what
 * an engine of before asked for, or was about to, and had no answer to.
 */
void findings_decide_host(struct guest *g, const struct policy_entry *rule, int64_t finding,
			  bool again)
{
	struct engine *e = g->introspector.engine;
	struct policy_step todo = { .n = 0 };
	char name[64], met[96], note[192];
	int64_t decision;

	for (unsigned i = 0; i < rule->host.n; i++)
		if (!acts_hold(g, rule->host.verb[i]) &&
		    (!again || record_lost_act(&e->journal, finding, rule->host.verb[i]) > 0))
			todo.verb[todo.n++] = rule->host.verb[i];
	if (again && !todo.n)
		return;
	policy_step_text(todo.n ? &todo : &rule->host, name, sizeof(name));
	if (!todo.n) {
		snprintf(note, sizeof(note), "%s: it holds the guest already", name);
		record_decision(&e->journal, finding, rule->name, "joined", note);
		return;
	}
	if (limits_met(g, rule, ANSWER_HOST, met, sizeof(met))) {
		snprintf(note, sizeof(note), "%s withheld: %s", name, met);
		record_decision(&e->journal, finding, rule->name, "report", note);
		return;
	}
	decision = record_decision(&e->journal, finding, rule->name, name, again ?
				   "again: the engine ended before an answer" : "");
	for (unsigned i = 0; decision > 0 && i < todo.n; i++)
		acts_make(g, decision, finding, todo.verb[i], rule->expiry_s * 1000ull,
			  ACT_OF_RULE, 0);
	engine_flush_soon(e);
}

static void decide_agent(struct guest *g, struct use *u, const struct policy_entry *rule,
			 int64_t finding, bool again)
{
	bool ordered = !(rule->actions & ACTION_KILL) || decide_kill(g, u, rule, finding, again);

	if (ordered && rule->actions & ACTION_QUARANTINE)
		decide_quarantine(g, u, rule, finding, again);
}

static struct policy_answer ask_policy(struct guest *g, const struct use *u)
{
	const struct policy_question question = {
		.signature = u->object->why, .guest = g->name, .exe = u->task->exe,
		.kind = u->object->kind,
	};

	return policy_decide(&g->introspector.engine->policy, &question);
}

static void decide(struct guest *g, struct use *u, int64_t finding)
{
	struct engine *e = g->introspector.engine;
	struct policy_answer answer = ask_policy(g, u);
	char note[128] = "";

	if (answer.actions == ACTION_REPORT && (!answer.by || !answer.by->host.n)) {
		if (answer.by && answer.by->exempt)
			snprintf(note, sizeof(note), "exempt: %s", answer.by->name);
		record_decision(&e->journal, finding, answer.by && !answer.by->exempt ?
				answer.by->name : "", "report", note);
		return;
	}
	if (answer.actions != ACTION_REPORT)
		decide_agent(g, u, answer.by, finding, false);
	if (answer.by->host.n && !g->down)
		findings_decide_host(g, answer.by, finding, false);
}

/* That it is reported, and what the host did, is in the journal already. */
static void decide_again(struct guest *g, struct use *u)
{
	struct policy_answer answer = ask_policy(g, u);

	if (u->task->dead || now_mono() < u->task->next_order)
		return;
	u->undecided = false;
	if (answer.actions != ACTION_REPORT)
		decide_agent(g, u, answer.by, u->finding, true);
}

/* A finding of an engine before. */
static void decide_after_restart(struct guest *g, const struct use *u, int64_t finding)
{
	struct policy_answer answer = ask_policy(g, u);

	if (!u->stale && !g->down && answer.by && answer.by->host.n)
		findings_decide_host(g, answer.by, finding, true);
}

static void new_finding(struct guest *g, struct use *u)
{
	struct engine *e = g->introspector.engine;
	bool known;
	int64_t seq = write_finding(g, u, &known);

	if (seq <= 0)
		return;
	free(u->reported);
	u->reported = strdup(u->object->why);
	u->finding = seq;
	u->object->found = true;
	u->withheld = false;
	/* One of an engine before: its order may have come to nothing. */
	u->undecided = u->stale || known;
	engine_flush_soon(e);
	if (known) {
		decide_after_restart(g, u, seq);
		return;
	}
	g->counts.findings++;
	if (u->stale)
		record_decision(&e->journal, seq, "", "report",
				"the process executes another program now");
	else
		decide(g, u, seq);
}

void findings_of_use(struct guest *g, struct use *u)
{
	if (u->object->state != OBJECT_INFECTED || u->task->stub)
		return;
	if (u->reported && !strcmp(u->reported, u->object->why)) {
		if (u->undecided && !u->stale)
			decide_again(g, u);
	} else if (findings_within_quota(g, !u->object->found, now_mono())) {
		new_finding(g, u);
	}
}

void findings_of_object(struct guest *g, struct object *o)
{
	struct use *u;

	TAILQ_FOREACH(u, &o->uses, of_object)
		findings_of_use(g, u);
}

void findings_of_task(struct guest *g, struct task *t)
{
	struct use *u;

	TAILQ_FOREACH(u, &t->uses, of_task)
		findings_of_use(g, u);
}

/* At once, three times; then ever later, for each try takes rows in the journal. */
unsigned findings_order_failed(struct guest *g, uint32_t pid, uint64_t start_ns, uint64_t now)
{
	struct task *t = inventory_find_task(&g->inventory, pid, start_ns);
	struct use *u;

	if (!t)
		return 0;
	if (++t->failed > ORDERS_AT_ONCE)
		t->next_order = now + MIN(ORDER_AGAIN_NS << MIN(t->failed - ORDERS_AT_ONCE, 8u),
					  ORDER_AGAIN_MAX_NS);
	TAILQ_FOREACH(u, &t->uses, of_task)
		if (u->reported)
			u->undecided = true;
	return t->failed;
}

void findings_forget(struct guest *g)
{
	struct object *o;
	struct use *u;

	TAILQ_FOREACH(o, &g->inventory.object_ages, by_age) {
		TAILQ_FOREACH(u, &o->uses, of_object) {
			free(u->reported);
			u->reported = NULL;
		}
	}
}
