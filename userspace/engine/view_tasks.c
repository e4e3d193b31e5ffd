// SPDX-License-Identifier: GPL-2.0-or-later
/* A guest's processes and their memory. */
#include "engine/views.h"

#include <string.h>

#include "lib/task_json.h"
#include "lib/util.h"

json_t *view_sweep(const struct guest *g)
{
	static const char *const names[] = {
		[0] = "none yet", [DONE_COMPLETE] = "complete", [DONE_INCOMPLETE] = "incomplete",
		[DONE_NOT_FOUND] = "not found", [DONE_UNOBSERVABLE] = "unobservable",
	};
	const struct m_done *d = &g->last_sweep;
	json_int_t age = g->sweep_ended ? I((now_mono() - g->sweep_ended) / NS_PER_MS) : -1;

	return json_pack("{s:s,s:i,s:I,s:I,s:s}", "status", names[d->status], "tasks", (int)d->tasks,
			 "elapsed_us", I(d->elapsed_us), "age_ms", age, "why", d->why);
}

/* The worst of what it executes: one infected object outweighs a thousand clean. */
static const char *task_verdict(const struct task *t, const char **ret_why)
{
	static const int rank[] = {
		[OBJECT_CLEAN] = 1, [OBJECT_WAITING] = 2, [OBJECT_NOT_SCANNED] = 3,
		[OBJECT_INFECTED] = 4,
	};
	const struct object *worst = NULL;
	const struct use *u;

	TAILQ_FOREACH(u, &t->uses, of_task)
		if (!u->stale && (!worst || rank[u->object->state] > rank[worst->state]))
			worst = u->object;
	*ret_why = worst ? worst->why : "";
	return worst ? object_state_name(worst->state) : "unknown";
}

static json_t *task_json(const struct task *t)
{
	const char *why, *verdict = task_verdict(t, &why);

	return json_pack("{s:I,s:I,s:I,s:I,s:s,s:s,s:s,s:I,s:I,s:I,s:o,s:s,s:s}", "pid", I(t->pid),
			 "ppid", I(t->ppid), "uid", I(t->uid), "start_ns", I(t->start_ns),
			 "comm", t->comm, "exe", t->exe, "argv", t->argv,
			 "cpu_ns", I(t->cpu_used), "rss_bytes", I(t->rss), "threads", I(t->threads),
			 "flags", task_flags_json(t->flags), "verdict", verdict, "why", why);
}

json_t *view_task(const struct guest *g, const struct m_task *m)
{
	const struct task *known = inventory_find_task((struct inventory *)&g->inventory,
						       m->pid, m->start_ns);
	const char *why = "", *verdict = known ? task_verdict(known, &why) : "unknown";

	return json_pack("{s:I,s:I,s:I,s:I,s:s,s:s,s:s,s:I,s:I,s:I,s:o,s:s,s:s}", "pid", I(m->pid),
			 "ppid", I(m->ppid), "uid", I(m->uid), "start_ns", I(m->start_ns),
			 "comm", m->comm, "exe", m->exe, "argv", m->argv,
			 "cpu_ns", I(m->cpu_ns), "rss_bytes", I(m->rss_bytes), "threads", I(m->threads),
			 "flags", task_flags_json(m->flags), "verdict", verdict, "why", why);
}

static json_t *known_tasks(const struct guest *g)
{
	json_t *tasks = json_array();
	const struct task *t;

	TAILQ_FOREACH(t, &g->inventory.task_ages, by_age)
		if (!t->dead && !t->stub)
			json_array_append_new(tasks, task_json(t));
	return tasks;
}

json_t *view_tasks(const struct guest *g, json_t *rows, bool complete, const char *why)
{
	return json_pack("{s:I,s:s,s:b,s:b,s:s,s:o,s:o}", "guest", I(g->id), "name", g->name,
			 "fresh", rows != NULL, "complete", (int)complete, "why", why,
			 "sweep", view_sweep(g), "tasks", rows ? rows : known_tasks(g));
}
