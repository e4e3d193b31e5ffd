// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/answers.h"

#include <stdio.h>
#include <string.h>

#include "introspect/check.h"
#include "introspect/facts.h"
#include "introspect/kerneltell.h"
#include "introspect/mappings.h"
#include "introspect/process.h"
#include "lib/log.h"
#include "lib/task_json.h"
#include "lib/util.h"

typedef json_int_t I;

/* ---- words ---- */

json_t *escaped_json(const char *raw)
{
	char text[4 * GUEST_PATH_SIZE];

	text_escape(text, sizeof(text), raw, strlen(raw));
	return json_string(text);
}

void add_row(json_t *rows, json_t *row)
{
	if (json_array_append_new(rows, row))
		fatal("there is no memory for so large an answer");
}

json_t *error_json(const char *code, const char *message, const char *what_to_do)
{
	return json_pack("{s:{s:s,s:s,s:s}}", "error", "code", code, "message", message,
			 "what_to_do", what_to_do);
}

bool no_process(const struct m_done *done, json_t *unused, json_t **ret_error)
{
	if (done->status != DONE_NOT_FOUND)
		return false;
	json_decref(unused);
	*ret_error = error_json("not_found", "no process of this guest has that PID",
				"wardenctl inspect FILE ps lists them");
	return true;
}

/* ---- the kernel, and its processes ---- */

static int add_kernel_facts(void *ctx, const struct m_kernel_facts *m)
{
	add_row(ctx, kernel_facts_json(m));
	return 0;
}

static int add_module(void *ctx, const struct m_module *m)
{
	add_row(ctx, module_json(m));
	return 0;
}

static json_t *file_json(const struct inspection *i)
{
	uint64_t ram = 0;

	for (uint32_t r = 0; r < i->mem.nranges; r++)
		ram += i->mem.ranges[r].size;
	return json_pack("{s:s,s:I,s:I,s:s,s:I}", "format", i->dump.format, "ram_bytes", (I)ram,
			 "vcpus", (I)i->vcpus, "found_by", i->from_memory ? "vmcoreinfo" : "registers",
			 "hole_end", (I)i->hole.end);
}

json_t *answer_kernel(struct inspection *i, char *const *args)
{
	json_t *rows = json_array(), *answer = json_pack("{s:o}", "file", file_json(i));
	const struct kernel_sink sink = { add_kernel_facts, add_module, rows };
	struct m_done done;

	kernel_tell(&i->in, &sink, &done);
	kernel_json(answer, rows);
	json_decref(rows);
	json_object_set_new(answer, "complete", json_boolean(done.status == DONE_COMPLETE));
	json_object_set_new(answer, "why", json_string(done.why));
	return answer;
}

static int add_task(void *ctx, const struct m_task *t)
{
	add_row(ctx, json_pack("{s:I,s:I,s:I,s:I,s:s,s:s,s:s,s:o}", "pid", (I)t->pid,
			      "ppid", (I)t->ppid, "uid", (I)t->uid, "start_ns", (I)t->start_ns,
			      "comm", t->comm, "exe", t->exe, "argv", t->argv,
			      "flags", task_flags_json(t->flags)));
	return 0;
}

json_t *answer_tasks(struct inspection *i, char *const *args)
{
	json_t *tasks = json_array();
	const struct look_sink sink = { .task = add_task, .ctx = tasks };
	struct m_done done;

	look_list(&i->in, &sink, &done);
	return json_pack("{s:o,s:b,s:s}", "tasks", tasks, "complete", done.status == DONE_COMPLETE,
			 "why", done.why);
}

static int add_vma(void *ctx, const struct m_vma *m)
{
	add_row(ctx, vma_json(m));
	return 0;
}

json_t *answer_maps(struct inspection *i, char *const *args)
{
	json_t *maps = json_array(), *error;
	const uint32_t pid = number_arg(args[0]);
	struct m_done done;

	mappings_list(&i->in, pid, 0, add_vma, maps, &done);
	if (no_process(&done, maps, &error))
		return error;
	return json_pack("{s:I,s:o,s:b,s:s}", "pid", (I)pid, "maps", maps,
			 "complete", done.status == DONE_COMPLETE, "why", done.why);
}

static int add_symbol(void *ctx, const char *name, uint64_t address)
{
	add_row(ctx, json_pack("{s:o,s:s#,s:o}", "address", hex_json(address),
			      "type", name, 1, "name", escaped_json(name + 1)));
	return 0;
}

json_t *answer_symbols(struct inspection *i, char *const *args)
{
	json_t *symbols = json_array();
	int r = kernel_symbols(&i->in.kernel, add_symbol, symbols);

	return json_pack("{s:o,s:b,s:s}", "symbols", symbols, "complete", !r, "why",
			 r ? "the table of symbols does not hold together" : "");
}

static int add_fact(void *ctx, const struct m_fact *m)
{
	add_row(ctx, fact_json(m));
	return 0;
}

json_t *answer_process(struct inspection *i, char *const *args)
{
	const struct m_process ask = { .pid = number_arg(args[0]), .environment = args[1] != NULL };
	json_t *rows = json_array(), *error, *process;
	struct m_done done;

	process_tell(&i->in, &ask, add_fact, rows, &done);
	if (no_process(&done, rows, &error))
		return error;
	process = process_json(rows);
	json_decref(rows);
	return json_pack("{s:I,s:o,s:b,s:s}", "pid", (I)ask.pid, "process", process,
			 "complete", done.status == DONE_COMPLETE, "why", done.why);
}

/* ---- what is not as it should be ---- */

static int add_sign(void *ctx, const struct m_sign *m)
{
	add_row(ctx, json_pack("{s:s,s:I,s:s,s:o,s:s,s:s}", "name", m->name,
			      "pid", (I)m->pid, "comm", m->comm, "address", hex_json(m->address),
			      "subject", m->subject, "detail", m->detail));
	return 0;
}

json_t *answer_suspicious(struct inspection *i, char *const *args)
{
	json_t *signs = json_array(), *error;
	struct m_done done;

	i->in.on_sign = add_sign;
	i->in.sign_ctx = signs;
	look_suspicious(&i->in, args[0] ? number_arg(args[0]) : 0, &done);
	if (no_process(&done, signs, &error))
		return error;
	return json_pack("{s:I,s:o,s:b,s:s}", "processes", (I)done.tasks, "signs", signs,
			 "complete", done.status == DONE_COMPLETE, "why", done.why);
}

struct checks {
	json_t *signs, *each;
	uint32_t status;
	bool complete;
	char why[3 * TEXT_WHY];
};

static int add_checked_sign(void *ctx, const struct m_sign *m)
{
	struct checks *c = ctx;

	return add_sign(c->signs, m);
}

/* What differs is an answer; what could not be compared leaves it incomplete. */
static int add_checked(void *ctx, const struct m_checked *m)
{
	struct checks *c = ctx;
	const size_t at = strlen(c->why);

	add_row(c->each, json_pack("{s:s,s:s,s:s,s:I,s:s}", "check", check_name(m->check),
			      "status", check_status_name(m->status), "counts", m->counts,
			      "elapsed_us", (I)m->elapsed_us, "why", m->why));
	if (m->why[0])
		snprintf(c->why + at, sizeof(c->why) - at, "%s%s: %s", at ? "; " : "",
			 check_name(m->check), m->why);
	c->complete = c->complete && !m->why[0] &&
		      (m->status == CHECK_CLEAN || m->status == CHECK_DIFFERS);
	/* One that differs counts most; then one that is not known to be clean. */
	if (c->status != CHECK_DIFFERS && (m->status == CHECK_DIFFERS || m->status > c->status))
		c->status = m->status;
	return 0;
}

json_t *answer_check(struct inspection *i, char *const *args)
{
	struct checks c = { json_array(), json_array(), CHECK_CLEAN, true, "" };
	const struct check_sink sink = { add_checked_sign, &c };

	check_all(&i->in, CHECK_PROCESSES | CHECK_MODULES | CHECK_KERNEL, &sink, add_checked);
	if (json_array_size(c.each) < 3)
		c.complete = false;
	return json_pack("{s:s,s:o,s:o,s:b,s:s}", "status", check_status_name(c.status), "checks", c.each,
			 "signs", c.signs, "complete", (int)c.complete, "why", c.why);
}
