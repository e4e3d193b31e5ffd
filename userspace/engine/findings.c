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

static bool within_quota(struct guest *g, uint64_t now)
{
	if (quota_take(&g->findings_quota, QUOTA, QUOTA_REFILL_NS, now))
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

/* Why the policy's kill is not done; NULL: it is. */
static const char *withheld(struct guest *g, const struct use *u,
			    const struct policy_entry *rule, char *why, size_t size)
{
	struct engine *e = g->introspector.engine;
	int64_t kills;

	if (u->task->flags & TASK_KTHREAD)
		return "kill withheld: a kernel thread";
	if (u->task->pid == 1)
		return "kill withheld: process 1";
	if (!rule->limit_kills)
		return NULL;
	kills = record_kills(&e->journal, rule->name, rule->limit_minutes);
	if (kills >= 0 && kills < rule->limit_kills)
		return NULL;
	snprintf(why, size, "kill withheld: the rule's limit of %u in %u min is met",
		 rule->limit_kills, rule->limit_minutes);
	return why;
}

static void decide_kill(struct guest *g, struct use *u, const struct policy_entry *rule,
			int64_t finding)
{
	struct engine *e = g->introspector.engine;
	struct guest_ref ref = guest_ref(e, g);
	int64_t order = record_find_order(&e->journal, &ref, u->task->pid, u->task->start_ns);
	char note[128];
	const char *why;
	int64_t decision;

	if (order > 0) {
		snprintf(note, sizeof(note), "order %lld is for this process already",
			 (long long)order);
		record_decision(&e->journal, finding, rule->name, "joined", note);
		return;
	}
	why = withheld(g, u, rule, note, sizeof(note));
	if (why) {
		record_decision(&e->journal, finding, rule->name, "report", why);
		return;
	}
	decision = record_decision(&e->journal, finding, rule->name, "kill", "");
	if (decision > 0 && order == 0 && !g->down)
		order_make(g, u->task, decision, finding);
}

static void decide(struct guest *g, struct use *u, int64_t finding)
{
	struct engine *e = g->introspector.engine;
	const struct policy_question question = {
		.signature = u->object->why, .guest = g->name, .exe = u->task->exe,
		.kind = u->object->kind,
	};
	struct policy_answer answer = policy_decide(&e->policy, &question);
	char note[128] = "";

	if (answer.actions & ACTION_KILL) {
		decide_kill(g, u, answer.by, finding);
		return;
	}
	if (answer.by && answer.by->exempt)
		snprintf(note, sizeof(note), "exempt: %s", answer.by->name);
	record_decision(&e->journal, finding,
			answer.by && !answer.by->exempt ? answer.by->name : "", "report", note);
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
	u->undecided = u->stale;
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
		if (!u->undecided || u->stale)
			return;
		u->undecided = false;
		decide(g, u, u->finding);
		engine_flush_soon(g->introspector.engine);
	} else if (within_quota(g, now_mono())) {
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
