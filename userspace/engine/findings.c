// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Infected code that a process executes is a finding; the policy decides what
 * follows.  Finding, decision and order are one transaction.
 */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>

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
static bool within_quota(struct guest *g, bool first, uint64_t now)
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

/* True for a second: a thousand processes ask the journal once. */
static bool limit_is_met(struct guest *g, const struct policy_entry *rule,
			 const struct guest_ref *ref, const struct policy_limit *limit)
{
	struct engine *e = g->introspector.engine;
	uint64_t now = now_mono();
	int64_t kills;

	if (!limit->kills)
		return false;
	if (g->limit_met == limit && now - g->limit_checked < NS_PER_S)
		return true;
	kills = record_kills(&e->journal, rule->name, ref, limit->minutes);
	if (kills >= 0 && kills < limit->kills)
		return false;
	g->limit_met = limit;
	g->limit_checked = now;
	return true;
}

/* Why the policy's kill is not done; NULL: it is.  *ret_later: not yet. */
static const char *withheld(struct guest *g, const struct use *u,
			    const struct policy_entry *rule, bool *ret_later,
			    char *why, size_t size)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g), host = { e->boot, 0, 0 };
	const struct policy_limit *met = NULL;

	*ret_later = false;
	if (u->task->flags & TASK_KTHREAD)
		return "kill withheld: a kernel thread";
	if (u->task->pid == 1)
		return "kill withheld: process 1";
	*ret_later = true;
	if (!u->task->nranges)
		return "kill withheld: no identity of the executable";
	if (limit_is_met(g, rule, &ref, &rule->limit))
		met = &rule->limit;
	else if (limit_is_met(g, rule, &host, &rule->limit_host))
		met = &rule->limit_host;
	if (!met)
		return NULL;
	snprintf(why, size, "kill withheld: the rule's limit of %u in %u min%s is met",
		 met->kills, met->minutes, met == &rule->limit ? "" : " for the host");
	return why;
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
 * again: it was decided before, and came to nothing.  What keeps it from being
 * done is written once, however often it is asked.
 */
static void decide_kill(struct guest *g, struct use *u, const struct policy_entry *rule,
			int64_t finding, bool again)
{
	struct engine *e = g->introspector.engine;
	char note[128];
	const char *why;
	int64_t decision;
	bool later;

	if (is_joined(g, u, rule, finding, again))
		return;
	why = withheld(g, u, rule, &later, note, sizeof(note));
	if (why) {
		if (!u->withheld)
			record_decision(&e->journal, finding, rule->name, "report", why);
		u->withheld = u->undecided = later;
		return;
	}
	if (again && !within_quota(g, false, now_mono())) {
		u->undecided = true;
		return;
	}
	u->withheld = false;
	decision = record_decision(&e->journal, finding, rule->name, "kill",
				   again ? "again: the process still runs" : "");
	if (decision > 0 && !g->down)
		order_make(g, u->task, decision, finding);
	engine_flush_soon(e);
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

	if (answer.actions & ACTION_KILL) {
		decide_kill(g, u, answer.by, finding, false);
		return;
	}
	if (answer.by && answer.by->exempt)
		snprintf(note, sizeof(note), "exempt: %s", answer.by->name);
	record_decision(&e->journal, finding,
			answer.by && !answer.by->exempt ? answer.by->name : "", "report", note);
}

/* That it is reported is in the journal already. */
static void decide_again(struct guest *g, struct use *u)
{
	struct policy_answer answer = ask_policy(g, u);

	if (u->task->dead || now_mono() < u->task->next_order)
		return;
	u->undecided = false;
	if (answer.actions & ACTION_KILL)
		decide_kill(g, u, answer.by, u->finding, true);
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
	if (known)
		return;
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
	} else if (within_quota(g, !u->object->found, now_mono())) {
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
void findings_order_failed(struct guest *g, uint32_t pid, uint64_t start_ns, uint64_t now)
{
	struct task *t = inventory_find_task(&g->inventory, pid, start_ns);
	struct use *u;

	if (!t)
		return;
	if (++t->failed > ORDERS_AT_ONCE)
		t->next_order = now + MIN(ORDER_AGAIN_NS << MIN(t->failed - ORDERS_AT_ONCE, 8u),
					  ORDER_AGAIN_MAX_NS);
	TAILQ_FOREACH(u, &t->uses, of_task)
		if (u->reported)
			u->undecided = true;
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
