// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What memory itself tells of a guest: hidden processes and modules, changes of
 * its kernel, suspicious code, abnormal use.  Each is a finding once; rules that
 * name its kind decide what follows.
 */
#include "engine/engine.h"

#include <linux/kvm_warden.h>
#include <stdio.h>
#include <string.h>

#include "engine/limits.h"
#include "engine/orders.h"
#include "engine/signs.h"
#include "lib/crypto.h"
#include "lib/log.h"
#include "lib/util.h"

/*
 * New ones of a guest, of each kind: so many at once, and in a day.  No kind
 * hides another, and none takes of malware's quota.
 */
#define NEW_QUOTA 300
#define NEW_REFILL_NS (86400 * NS_PER_S / NEW_QUOTA)

static const uint32_t policy_kinds[SIGN_KINDS] = {
	[SIGN_HIDDEN] = POLICY_HIDDEN,
	[SIGN_KERNEL] = POLICY_KERNEL,
	[SIGN_SUSPICIOUS] = POLICY_SUSPICIOUS,
	[SIGN_USAGE] = POLICY_USAGE,
};

static bool may_be_new(struct guest *g, uint32_t kind)
{
	if (quota_take(&g->signs_new[kind], NEW_QUOTA, NEW_REFILL_NS, now_mono()))
		return true;
	g->counts.findings_held++;
	return false;
}

/* 0: the quota is spent, and the next check tells it again. */
static int64_t write_finding(struct guest *g, const struct m_sign *m, bool *ret_known)
{
	struct engine *e = g->introspector.engine;
	uint8_t hash[HASH_BYTES];
	char address[32];
	struct finding_record f = {
		.ref = guest_ref(e, g), .guest_name = g->name, .pid = m->pid,
		.start_ns = m->start_ns, .comm = m->comm, .exe = m->exe,
		.object_kind = sign_kind_name(m->kind), .path = m->subject, .gva = m->address,
		.signature = m->name, .content_hash = hash, .found_by = SIGNS_FOUND_BY,
		.t_seen = now_mono(), .t_found = now_mono(),
	};
	int64_t seq;

	hash_content(hash, m->detail, strlen(m->detail));
	snprintf(address, sizeof(address), "0x%llx", (unsigned long long)m->address);
	f.evidence = json_pack("{s:s,s:s}", "detail", m->detail, "address", address);
	seq = record_known_finding(&e->journal, &f);
	*ret_known = seq > 0;
	if (seq <= 0)
		seq = may_be_new(g, m->kind) ? record_finding(&e->journal, &f, ret_known) : 0;
	json_decref(f.evidence);
	if (seq && !*ret_known)
		log_warn("guest %llu (%s): %s: %s%s", (unsigned long long)g->id, g->name, m->name,
			 m->detail, seq < 0 ? "; not in the journal" : "");
	return seq;
}

/* Why no agent is told to kill it; NULL: one is. */
static const char *kill_withheld(struct guest *g, const struct m_sign *m, const struct task *t,
				 const struct policy_entry *rule, char *note, size_t size)
{
	char met[96];

	if (!m->pid)
		return "kill does not apply: no process";
	if (!t || t->stub)
		return "kill withheld: no sweep has shown the process";
	if (t->pid == 1 || t->flags & TASK_KTHREAD)
		return "kill withheld: process 1 or a kernel thread";
	if (!t->nranges)
		return "kill withheld: no identity of the executable";
	if (!limits_met(g, rule, ANSWER_KILL, met, sizeof(met)))
		return NULL;
	snprintf(note, size, "kill withheld: %s", met);
	return note;
}

static void decide_kill(struct guest *g, const struct m_sign *m, const struct policy_entry *rule,
			int64_t finding)
{
	struct engine *e = g->introspector.engine;
	struct order_cause cause = { 0, finding, rule->name, m->name };
	struct task *t = inventory_find_task(&g->inventory, m->pid, m->start_ns);
	char note[128];
	const char *why = kill_withheld(g, m, t, rule, note, sizeof(note));
	int64_t other = why ? 0 : orders_open(g, m->pid, m->start_ns);
	struct m_order order;

	if (why || other) {
		if (other)
			snprintf(note, sizeof(note), "order %lld is for this process already",
				 (long long)other);
		record_decision(&e->journal, finding, rule->name, other ? "joined" : "report",
				other ? note : why);
		return;
	}
	cause.decision = record_decision(&e->journal, finding, rule->name, "kill", "");
	order = order_kill(t);
	if (cause.decision > 0 && !g->down)
		order_make(g, &order, &cause, ORDER_QUEUED);
}

static void decide(struct guest *g, const struct m_sign *m, int64_t finding, bool known)
{
	struct engine *e = g->introspector.engine;
	const struct policy_question question = {
		.signature = m->name, .guest = g->name, .exe = m->exe,
		.kind = policy_kinds[m->kind],
	};
	struct policy_answer answer = policy_decide(&e->policy, &question);
	char note[128] = "";

	if (answer.by && !answer.by->exempt && answer.by->host.n)
		findings_decide_host(g, answer.by, finding, known);
	if (known)
		return;
	if (answer.actions & ACTION_KILL) {
		decide_kill(g, m, answer.by, finding);
		return;
	}
	if (answer.by && !answer.by->exempt && answer.by->host.n)
		return;
	if (answer.by && answer.by->exempt)
		snprintf(note, sizeof(note), "exempt: %s", answer.by->name);
	record_decision(&e->journal, finding, answer.by && !answer.by->exempt ?
			answer.by->name : "", "report", note);
}

static bool is_whole(const struct m_sign *m)
{
	return m->kind && m->kind < SIGN_KINDS && m->name[0] && m->detail[0];
}

void signs_found(struct guest *g, const struct m_sign *sign)
{
	bool known;
	int64_t seq = write_finding(g, sign, &known);

	if (seq <= 0)
		return;
	engine_flush_soon(g->introspector.engine);
	if (!known)
		g->counts.findings++;
	decide(g, sign, seq, known);
}

/* What uses what is the engine's to judge, over time. */
int signs_sign(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	struct m_sign sign;

	if (!msg_decode(m, &msg_sign, &sign) || !is_whole(&sign) || sign.kind == SIGN_USAGE)
		return -1;
	signs_found(g, &sign);
	return 0;
}

int signs_written(struct guest *g, struct msg *m, uint64_t now)
{
	struct m_sign sign;

	if (!msg_decode(m, &msg_sign, &sign) || !is_whole(&sign) || sign.kind != SIGN_KERNEL)
		return -1;
	if (!g->introspector.engine->config.watch_tables)
		return -1;
	/* Written while the level was still content. */
	if (g->level != KVM_WARDEN_LEVEL_CONTENT)
		return 0;
	signs_found(g, &sign);
	guest_check_soon(g, now);
	return 0;
}

/* ---- checks ---- */

static struct guest_check *slot_of(struct guest *g, uint32_t check)
{
	for (unsigned i = 0; i < CHECKS; i++)
		if (check == 1u << i)
			return &g->checks[i];
	return NULL;
}

int signs_checked(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	struct engine *e = g->introspector.engine;
	struct m_checked last, before;
	struct guest_check *slot;

	if (!msg_decode(m, &msg_checked, &last) || !last.status || last.status > CHECK_UNAVAILABLE)
		return -1;
	slot = slot_of(g, last.check);
	if (!slot)
		return -1;
	before = slot->last;
	slot->last = last;
	slot->at_wall = now_wall();
	if (before.status == last.status || !guest_may_note(g))
		return 0;
	log_at(last.status == CHECK_CLEAN ? LOG_INFO : LOG_WARNING,
	       "guest %llu: check of its %s: %s%s%s", (unsigned long long)g->id,
	       check_name(last.check), check_status_name(last.status), last.why[0] ? ": " : "", last.why);
	record_event(&e->journal, "guest check", g->id, g->vmm_pid, 0,
		     json_pack("{s:s,s:s,s:s,s:s}", "check", check_name(last.check), "status",
			       check_status_name(last.status), "why", last.why, "counts", last.counts));
	engine_flush_soon(e);
	return 0;
}
