// SPDX-License-Identifier: GPL-2.0-or-later
/* Orders of an operator: kill a process, put a file back. */
#include "engine/ask.h"

#include <string.h>

#include "engine/acts.h"
#include "engine/orders.h"
#include "engine/sessions.h"
#include "engine/views.h"
#include "lib/util.h"

#define LOOK_NS (10 * NS_PER_S)

/* The guest's agent can be asked for that now; else it is answered. */
static bool has_agent(struct ask *a, const struct guest *g, enum order_verb verb)
{
	const struct session *s = session_bound(g);
	char why[TEXT_WHY];

	strategy_is_agent(g, why, sizeof(why));
	if (guest_is_stopped(g))
		ask_fail(a, 409, why, "thaw the guest first");
	else if (!s)
		ask_fail(a, 409, why, "start the agent in the guest, or freeze the guest instead");
	else if (!session_can(s, verb))
		ask_fail(a, 409, "the guest's agent does not offer this",
			 "install a newer agent in the guest");
	else
		return true;
	return false;
}

static int64_t decide(struct ask *a, int64_t finding, const char *action)
{
	char note[320];
	int64_t decision;

	ask_reason(a, note, sizeof(note));
	decision = record_decision(&a->e->journal, finding, "", action, note);
	if (decision < 0)
		ask_fail(a, 503, "the journal cannot be written",
			 "make room on the disk under the journal");
	return decision;
}

static void order(struct ask *a, struct guest *g, const struct m_order *m,
		  const struct order_cause *cause)
{
	struct order *o = order_make(g, m, cause, ORDER_QUEUED);

	if (o)
		ask_answer(a, 202, json_pack("{s:I}", "order", I(o->seq)));
	else
		ask_fail(a, 503, "too many orders for this guest are open, or the journal cannot"
			 " be written", "see wardenctl status");
}

/* ---- kill ---- */

static void look(struct ask *a, struct guest *g)
{
	const struct m_look_pid m = { .pid = a->body.pid };
	struct request *r = g->introspector.fd < 0 || g->kernel.state != KERNEL_READY ? NULL :
			    guest_request(g, REQUEST_LOOK_PID);

	if (!r) {
		ask_fail(a, 503, "the process cannot be looked at now: the guest is not"
			 " introspected, or its introspector is busy", "see GET /v1/guests");
		return;
	}
	r->ticket = r->id;
	a->asked = now_mono();
	peer_post(&g->introspector, &msg_look_pid, r->id, &m, -1);
	ask_wait(a, r->ticket, LOOK_NS);
}

/* As the look has just shown it, and not what had that pid before. */
static const struct task *wanted_task(const struct ask *a, struct guest *g)
{
	const struct task *t, *found = NULL;

	TAILQ_FOREACH(t, &g->inventory.task_ages, by_age)
		if (t->pid == a->body.pid && t->last_seen >= a->asked && !t->dead && !t->stub &&
		    (!(a->body.given & BODY_START) || t->start_ns == a->body.start_ns))
			found = t;
	return found;
}

/* Whether it is there at all: who was not seen may be. */
static bool was_looked_at(struct ask *a)
{
	const struct m_done *d = &a->looked;
	char message[64 + TEXT_WHY];

	if (d->status == DONE_COMPLETE || d->status == DONE_NOT_FOUND)
		return true;
	snprintf(message, sizeof(message), "the process could not be looked at: %s",
		 d->status ? d->why : "the introspector ended meanwhile");
	ask_fail(a, 503, message, "try again, or freeze the guest");
	return false;
}

static bool may_be_killed(struct ask *a, const struct task *t)
{
	if (!t && !was_looked_at(a))
		return false;
	if (!t)
		ask_fail(a, 404, "no such process in that guest", "wardenctl ps lists them");
	else if (t->flags & TASK_KTHREAD)
		ask_fail(a, 409, "that is a kernel thread", "there is no way to end it");
	else if (t->pid == 1)
		ask_fail(a, 409, "that is process 1: the guest would not outlive it",
			 "freeze the guest instead");
	else if (!t->nranges)
		ask_fail(a, 409, "its executable has no identity now: nothing of it is in memory",
			 "try again later, or freeze the guest");
	else
		return true;
	return false;
}

void post_kill(struct ask *a)
{
	struct order_cause cause = { 0, 0, "", "" };
	struct guest *g = ask_guest(a);
	const struct task *t;
	struct m_order m;

	if (!g || !ask_is_open(a, g) || !has_agent(a, g, VERB_KILL))
		return;
	if (!a->waited) {
		look(a, g);
		return;
	}
	t = wanted_task(a, g);
	if (!may_be_killed(a, t))
		return;
	cause.decision = decide(a, 0, "kill");
	m = order_kill(t);
	if (cause.decision > 0)
		order(a, g, &m, &cause);
}

void get_order(struct ask *a)
{
	uint64_t id;
	json_t *answer;

	if (!ask_number(a, a->arg[0], "an order's id", &id))
		return;
	answer = view_order(a->e, id);
	if (answer && json_is_null(answer)) {
		json_decref(answer);
		ask_fail(a, 404, "no such order", "GET /v1/findings shows those of policy");
		return;
	}
	ask_answer(a, 200, answer);
}

/* ---- quarantine ---- */

void get_quarantine(struct ask *a)
{
	const char *guest = ask_query(a, "guest");

	if (ask_of_guest(a, guest))
		ask_answer_of_guest(a, guest, view_quarantine(a->e, guest), "items");
}

/* The guest that has the item: the very one, else the one of its name now. */
static struct guest *guest_of_item(struct ask *a, const struct item_record *item)
{
	struct guest *g = strcmp(item->boot, a->e->boot) ? NULL : guest_find(a->e, item->guest);
	bool many = false;

	if (g && g->vmm_pid == item->vmm_pid)
		return g;
	g = item->guest_name[0] ? view_find_named(a->e, item->guest_name, &many) : NULL;
	if (g)
		return g;
	ask_fail(a, 409, many ? "several guests have the name of the one that holds it" :
		 "the guest that holds it is not up", "start it, and its agent");
	return NULL;
}

static bool may_be_restored(struct ask *a, const struct item_record *item)
{
	if (item->restoring)
		ask_fail(a, 409, "it is being restored, or was",
			 "GET /v1/quarantine shows its state");
	else if (!item->there)
		ask_fail(a, 409, "the agent has not said that it holds it",
			 "GET /v1/quarantine shows its state");
	else
		return true;
	return false;
}

void post_restore(struct ask *a)
{
	struct order_cause cause = { 0, 0, "", "" };
	struct m_order m = { .verb = VERB_RESTORE };
	struct item_record item;
	struct guest *g;
	int found;

	if (!hex_decode(m.item, a->arg[0], ITEM_BYTES)) {
		ask_fail(a, 400, "an item has 32 hexadecimal digits", "GET /v1/quarantine lists them");
		return;
	}
	found = record_read_item(&a->e->journal, m.item, &item);
	if (found <= 0) {
		ask_fail(a, found ? 500 : 404, found ? "the journal cannot be read" :
			 "no such item", "GET /v1/quarantine lists them");
		return;
	}
	g = may_be_restored(a, &item) ? guest_of_item(a, &item) : NULL;
	if (!g || !has_agent(a, g, VERB_RESTORE))
		return;
	memcpy(m.path, item.path, sizeof(m.path));
	m.size = item.size;
	cause.finding = item.finding;
	cause.signature = item.signature;
	cause.decision = decide(a, item.finding, "restore");
	if (cause.decision > 0)
		order(a, g, &m, &cause);
}
