// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What an introspector says.  It parses its guest's memory, so it may have
 * been taken over by that guest: whatever is not an answer to a question that
 * is open is refused, and it can touch the state of its own guest alone.
 */
#include "engine/engine.h"

#include <fcntl.h>
#include <linux/kvm_warden.h>
#include <string.h>
#include <sys/stat.h>

#include "engine/control.h"
#include "engine/orders.h"
#include "engine/rest.h"
#include "engine/scan_jobs.h"
#include "engine/sessions.h"
#include "engine/signs.h"
#include "engine/usage.h"
#include "engine/views.h"
#include "lib/log.h"
#include "lib/task_json.h"
#include "lib/util.h"

#define ROWS_MAX 8192u	/* of a list or a map, for an operator */
#define FILES_MAX 32768u
#define PATHS_MAX (16u << 20)	/* bytes of theirs: a guest makes them as long as it likes */
#define MISSING_MAX 32800u	/* each page of the largest file, and what is behind it */

static int on_kernel(struct guest *g, struct msg *m)
{
	struct engine *e = g->introspector.engine;
	uint32_t before = g->kernel.state;

	if (!msg_decode(m, &msg_kernel, &g->kernel) || !g->kernel.state ||
	    g->kernel.state > KERNEL_UNOBSERVABLE)
		return -1;
	if (g->kernel.state == before || g->kernel.state == KERNEL_LOOKING)
		return 0;
	guest_check_anew(g);
	log_info("guest %llu: kernel %s %s%s", (unsigned long long)g->id, g->kernel.release,
		 g->kernel.state == KERNEL_READY ? "found" : "unobservable: ", g->kernel.why);
	if (!guest_may_note(g))
		return 0;
	record_event(&e->journal, g->kernel.state == KERNEL_READY ? "kernel found" :
		     "kernel unobservable", g->id, g->vmm_pid, 0,
		     json_pack("{s:s,s:s,s:I}", "release", g->kernel.release, "why",
			       g->kernel.why, "discovery_us", (json_int_t)g->kernel.discovery_us));
	engine_flush_soon(e);
	return 0;
}

static uint32_t rows_max(const struct request *r)
{
	return r->kind == REQUEST_FILES ? FILES_MAX : r->kind == REQUEST_EXTRACT ? MISSING_MAX : ROWS_MAX;
}

/* A list is shown and changes nothing: no code was read for it. */
static void add_row(struct request *r, json_t *row)
{
	if (json_array_size(r->rows) < rows_max(r)) {
		r->is_cut = json_array_append_new(r->rows, row) || r->is_cut;
	} else {
		json_decref(row);
		r->is_cut = true;
	}
}

static int on_task(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	struct m_task task;
	struct task *t;
	bool is_new;

	if (!msg_decode(m, &msg_task, &task) ||
	    task.exe_ranges.len % sizeof(struct exe_range))
		return -1;
	if (r->kind == REQUEST_LIST) {
		add_row(r, view_task(g, &task));
		return 0;
	}
	if (r->kind == REQUEST_SCAN)
		scan_jobs_task(g->introspector.engine, r->ticket);
	t = inventory_task(&g->inventory, &task, now, &is_new);
	if (r->kind == REQUEST_SWEEP)
		usage_sample(g, t, &task, now);
	if (is_new) {
		r->is_new = true;
		findings_of_task(g, t);
	}
	return 0;
}

static int on_object(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	struct m_object object;

	if (!msg_decode(m, &msg_object, &object) || object.kind < OBJECT_FILE ||
	    object.kind > OBJECT_ANON || object.file_ranges.len % sizeof(struct exe_range) ||
	    !util_is_sealed(m->fd, F_SEAL_WRITE | F_SEAL_SHRINK))
		return -1;
	scanning_object(g, inventory_object(&g->inventory, &object), msg_take_fd(m),
			r->kind == REQUEST_SCAN ? r->ticket : 0);
	return 0;
}

static int on_uses(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	bool event = r->kind == REQUEST_LOOK, sweep = r->kind == REQUEST_SWEEP;
	struct m_uses uses;
	struct use *u;

	if (!msg_decode(m, &msg_uses, &uses))
		return -1;
	u = inventory_use(&g->inventory, &uses, event ? BY_EVENT : BY_SWEEP,
			  event ? r->look.t_event : sweep ? g->sweep_began : r->sent, now);
	if (u)
		findings_of_use(g, u);
	if (u && r->kind == REQUEST_SCAN)
		scan_jobs_finding(g->introspector.engine, r->ticket, u->finding);
	return 0;
}

static void look_done(struct guest *g, const struct request *r, const struct m_done *done,
		      uint64_t now)
{
	uint64_t horizon = g->introspector.engine->config.sweep_seconds * NS_PER_S;

	looks_done(&g->looks, &r->look, done->status, r->is_new, horizon, now);
}

/* What was held back for the guest's quota, or came while nothing was sent. */
static void findings_of_all(struct guest *g)
{
	struct object *o;

	TAILQ_FOREACH(o, &g->inventory.object_ages, by_age)
		if (o->state == OBJECT_INFECTED)
			findings_of_object(g, o);
}

static void sweep_done(struct guest *g, const struct m_done *done, uint64_t now)
{
	g->last_sweep = *done;
	g->counts.sweeps_incomplete += done->status != DONE_COMPLETE;
	g->sweep_ended = now;
	findings_of_all(g);
	if (done->status == DONE_COMPLETE)
		inventory_swept(&g->inventory, g->sweep_began, now);
	else
		log_debug("guest %llu: sweep not complete: %s", (unsigned long long)g->id,
			  done->why);
	if (g->level == KVM_WARDEN_LEVEL_CONTENT || done->status != DONE_COMPLETE)
		return;
	g->last_sweep.status = DONE_INCOMPLETE;
	strcpy(g->last_sweep.why, "level metadata: processes are listed, no content is looked at");
}

static int on_vma(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	struct m_vma vma;

	if (!msg_decode(m, &msg_vma, &vma) || vma.start >= vma.end)
		return -1;
	add_row(r, vma_json(&vma));
	return 0;
}

static int on_fact(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	struct m_fact fact;

	if (!msg_decode(m, &msg_fact, &fact) || !fact.kind || fact.kind >= FACT_KINDS)
		return -1;
	add_row(r, fact_json(&fact));
	return 0;
}

/* Numbers that are none in JSON, or paging that no vCPU has, come from no introspector of ours. */
static bool is_sane(const struct m_kernel_facts *f)
{
	return f->boot_ns <= INT64_MAX && f->uptime_ns <= INT64_MAX && f->symbols <= INT64_MAX &&
	       f->discovery_us <= INT64_MAX && f->kpti <= KPTI_UNKNOWN &&
	       !f->build_id[strspn(f->build_id, "0123456789abcdef")] &&
	       (f->paging_levels == 4 || f->paging_levels == 5);
}

/* Once, and before all modules. */
static int on_kernel_facts(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	struct m_kernel_facts facts;

	if (json_array_size(r->rows) || !msg_decode(m, &msg_kernel_facts, &facts) || !is_sane(&facts))
		return -1;
	add_row(r, kernel_facts_json(&facts));
	return 0;
}

static int on_module(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	struct m_module module;

	if (!json_array_size(r->rows) || !msg_decode(m, &msg_module, &module) || module.size > INT64_MAX)
		return -1;
	add_row(r, module_json(&module));
	return 0;
}

/* ---- a guest's files, and its bytes ---- */

static int on_inode(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	static struct m_inode inode;

	if (!msg_decode(m, &msg_inode, &inode))
		return -1;
	r->paths += strlen(inode.path);
	if (r->paths > PATHS_MAX)
		r->is_cut = true;
	else
		add_row(r, inode_json(&inode));
	return 0;
}

/* In order, none twice, and none left out: it is what keeps zeros from being taken for content. */
static int on_missing(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	struct m_missing missing;

	if (r->has_content || !msg_decode(m, &msg_missing, &missing) || !missing.length ||
	    missing.offset < r->missing_end || missing.length > INT64_MAX ||
	    missing.offset > INT64_MAX - missing.length || json_array_size(r->rows) == MISSING_MAX)
		return -1;
	r->missing_end = missing.offset + missing.length;
	r->missing += missing.length;
	add_row(r, missing_json(&missing));
	return 0;
}

/* Of what is said of it, the descriptor's own size is all that is relied upon. */
static int on_content(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	static struct m_content content;
	struct stat st;

	if (r->has_content || !msg_decode(m, &msg_content, &content) || content.size > INT64_MAX ||
	    content.resident > content.size || content.size - content.resident != r->missing ||
	    r->missing_end > content.size ||
	    !util_is_sealed(m->fd, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW) || fstat(m->fd, &st) ||
	    st.st_size < 0 || (uint64_t)st.st_size > CONTENT_MAX || (uint64_t)st.st_size > content.size ||
	    ((uint64_t)st.st_size < content.size && r->missing_end != content.size))
		return -1;
	r->has_content = true;
	control_content(g->introspector.engine->control, r->ticket, &content, msg_take_fd(m), st.st_size);
	return 0;
}

/* What is complete has nothing missing; what was not found is not there. */
static bool is_extracts_end(const struct request *r, const struct m_done *done)
{
	return r->has_content ?
	       (done->status == DONE_COMPLETE && !r->missing) || done->status == DONE_INCOMPLETE :
	       done->status > DONE_INCOMPLETE;
}

/* A kernel is told with its facts, or (unobservable) not at all. */
static bool is_kernels_end(const struct request *r, const struct m_done *done)
{
	return json_array_size(r->rows) ?
	       done->status == DONE_COMPLETE || done->status == DONE_INCOMPLETE :
	       done->status == DONE_UNOBSERVABLE;
}

static void operators_done(struct guest *g, const struct request *r, struct m_done *done)
{
	if (r->is_cut && done->status == DONE_COMPLETE) {
		done->status = DONE_INCOMPLETE;
		snprintf(done->why, sizeof(done->why), "more than %u%s: the rest is left out", rows_max(r),
			 r->paths > PATHS_MAX ? ", or 16 MiB of paths" : "");
	}
	control_introspected(g->introspector.engine->control, r->ticket, done, r->rows);
}

static int on_done(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	struct request asked;
	struct m_done done;

	if (!msg_decode(m, &msg_done, &done) || !done.status ||
	    done.status > (r->kind == REQUEST_EXTRACT ? DONE_AMBIGUOUS : DONE_UNOBSERVABLE) ||
	    (r->kind == REQUEST_EXTRACT && !is_extracts_end(r, &done)) ||
	    (r->kind == REQUEST_KERNEL && !is_kernels_end(r, &done)))
		return -1;
	asked = *r;
	r->kind = REQUEST_NONE;
	switch (asked.kind) {
	case REQUEST_LOOK:
		look_done(g, &asked, &done, now);
		break;
	case REQUEST_SWEEP:
		sweep_done(g, &done, now);
		break;
	case REQUEST_CHECK:
		guest_check_ended(g, now);
		break;
	case REQUEST_SCAN:
		scan_jobs_asked(g->introspector.engine, asked.ticket, &done);
		break;
	default:
		operators_done(g, &asked, &done);
	}
	return 0;
}

static int on_probed(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	struct m_probed probed;
	int64_t order = r->order;

	if (!msg_decode(m, &msg_probed, &probed) || !probed.state || probed.state > PROBE_UNKNOWN)
		return -1;
	r->kind = REQUEST_NONE;
	orders_probed(g, order, &probed, now);
	return 0;
}

static int on_beacon(struct guest *g, struct msg *m, struct request *r, uint64_t now)
{
	struct m_beacon_seen seen;
	struct request asked = *r;

	if (!msg_decode(m, &msg_beacon_seen, &seen) || !seen.state || seen.state > BEACON_UNKNOWN)
		return -1;
	r->kind = REQUEST_NONE;
	sessions_beacon(g, &asked, &seen, now);
	return 0;
}

/* ---- which message may answer which questions ---- */

#define Q(kind) (1u << REQUEST_##kind)
#define LOOKS (Q(LOOK) | Q(SWEEP) | Q(SCAN) | Q(LOOK_PID))

static const struct answer {
	uint32_t type, questions;
	bool content;			/* only of a guest whose content may be read */
	int (*take)(struct guest *g, struct msg *m, struct request *r, uint64_t now);
} answers[] = {
	{ M_TASK, LOOKS | Q(LIST), false, on_task },
	{ M_OBJECT, LOOKS, true, on_object },
	{ M_USES, LOOKS, true, on_uses },
	{ M_SIGN, LOOKS, true, signs_sign },
	{ M_SIGN, Q(CHECK), false, signs_sign },
	{ M_CHECKED, Q(CHECK), false, signs_checked },
	{ M_VMA, Q(MAPS), false, on_vma },
	{ M_FACT, Q(PROCESS), false, on_fact },
	{ M_KERNEL_FACTS, Q(KERNEL), false, on_kernel_facts },
	{ M_MODULE, Q(KERNEL), false, on_module },
	{ M_INODE, Q(FILES), true, on_inode },
	{ M_MISSING, Q(EXTRACT), true, on_missing },
	{ M_CONTENT, Q(EXTRACT), true, on_content },
	{ M_PROBED, Q(PROBE), false, on_probed },
	{ M_BEACON_SEEN, Q(BEACON), false, on_beacon },
	{ M_REST_FILE, Q(REST), true, rest_file },
	{ M_RESTED, Q(REST), false, rest_ended },
	{ M_DONE, LOOKS | Q(LIST) | Q(MAPS) | Q(CHECK) | Q(PROCESS) | Q(KERNEL) | Q(FILES) | Q(EXTRACT),
	  false, on_done },
};

static const struct answer *find_answer(const struct guest *g, uint32_t type, enum request_kind kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		if (answers[i].type == type && answers[i].questions & 1u << kind &&
		    (!answers[i].content || g->level == KVM_WARDEN_LEVEL_CONTENT))
			return &answers[i];
	return NULL;
}

int handle_introspector(struct peer *peer, struct msg *m, uint64_t now)
{
	struct guest *g = peer->guest;
	const struct answer *answer;
	struct request *r;

	g->heard = now;
	if (m->type == M_KERNEL)
		return on_kernel(g, m);
	/* Of writes to the guest's tables nobody asks. */
	if (m->type == M_SIGN && !m->id)
		return signs_written(g, m, now);
	r = guest_find_request(g, m->id);
	answer = r ? find_answer(g, m->type, r->kind) : NULL;
	return answer ? answer->take(g, m, r, now) : -1;
}
