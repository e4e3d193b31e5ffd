// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-inspect: looks into a file of a guest's memory, for wardenctl, which
 * gives it the file on descriptor 3 and reads JSON from its standard output.
 * It is jailed before it reads a byte; kernels' files are open by then.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "introspect/check.h"
#include "introspect/facts.h"
#include "introspect/inspect.h"
#include "introspect/jail.h"
#include "introspect/kernelfiles.h"
#include "introspect/mappings.h"
#include "lib/log.h"
#include "lib/task_json.h"
#include "lib/util.h"

#define FILE_FD 3

typedef json_int_t I;

/* ---- answers ---- */

static json_t *hex_json(uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%016" PRIx64, v);
	return json_string(text);
}

static json_t *escaped_json(const char *raw)
{
	char text[4 * COMMAND_LINE_SIZE];

	text_escape(text, sizeof(text), raw, strlen(raw));
	return json_string(text);
}

static int add_module(void *ctx, const struct kernel_module *m)
{
	static const char *const states[] = { "live", "coming", "going" };

	json_array_append_new(ctx, json_pack("{s:o,s:o,s:I,s:s}", "name", escaped_json(m->name),
			      "base", hex_json(m->base), "size", (I)m->size, "state",
			      m->state < ARRAY_SIZE(states) ? states[m->state] : "unknown"));
	return 0;
}

static const char *modules_problem(int error)
{
	return !error ? "" : error == -ENOENT ? "this kernel has no list of modules that is known here" :
	       error == -ELOOP ? "the list of modules does not hold together" :
	       "the list of modules could not be read whole";
}

static json_t *facts_json(const struct kernel *k)
{
	char id[2 * BUILD_ID_MAX + 1] = "";
	struct kernel_facts f;

	kernel_read_facts(k, &f);
	hex_encode(id, f.build_id, f.build_id_size);
	return json_pack("{s:s,s:I,s:I,s:o,s:o,s:i,s:o,s:I}", "build_id", id,
			 "boot_ns", (I)f.boot_ns, "uptime_ns", (I)f.uptime_ns,
			 "command_line", escaped_json(f.command_line), "text_base", hex_json(k->text_base),
			 "paging_levels", (int)k->as.levels,
			 "kpti", f.kpti < 0 ? json_null() : json_boolean(f.kpti),
			 "symbols", (I)k->kallsyms.nsyms);
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

static json_t *answer_kernel(struct inspection *i)
{
	json_t *modules = json_array(), *kernel = facts_json(&i->in.kernel);
	int r = modules_walk(&i->in.kernel, add_module, modules);

	json_object_set_new(kernel, "release", json_string(i->in.state.release));
	json_object_set_new(kernel, "banner", json_string(i->in.state.banner));
	json_object_set_new(kernel, "discovery_us", json_integer(i->in.kernel.discovery_us));
	return json_pack("{s:o,s:o,s:o,s:b,s:s}", "file", file_json(i), "kernel", kernel,
			 "modules", modules, "complete", !r, "why", modules_problem(r));
}

static int add_task(void *ctx, const struct m_task *t)
{
	json_array_append_new(ctx, json_pack("{s:I,s:I,s:I,s:I,s:s,s:s,s:s,s:o}", "pid", (I)t->pid,
			      "ppid", (I)t->ppid, "uid", (I)t->uid, "start_ns", (I)t->start_ns,
			      "comm", t->comm, "exe", t->exe, "argv", t->argv,
			      "flags", task_flags_json(t->flags)));
	return 0;
}

static json_t *answer_tasks(struct inspection *i)
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
	json_array_append_new(ctx, vma_json(m));
	return 0;
}

static json_t *error_json(const char *code, const char *message, const char *what_to_do)
{
	return json_pack("{s:{s:s,s:s,s:s}}", "error", "code", code, "message", message,
			 "what_to_do", what_to_do);
}

static json_t *answer_maps(struct inspection *i, uint32_t pid)
{
	json_t *maps = json_array();
	struct m_done done;

	mappings_list(&i->in, pid, 0, add_vma, maps, &done);
	if (done.status == DONE_NOT_FOUND) {
		json_decref(maps);
		return error_json("not_found", "no process of this guest has that PID",
				  "wardenctl inspect FILE ps lists them");
	}
	return json_pack("{s:I,s:o,s:b,s:s}", "pid", (I)pid, "maps", maps,
			 "complete", done.status == DONE_COMPLETE, "why", done.why);
}

static int add_symbol(void *ctx, const char *name, uint64_t address)
{
	json_array_append_new(ctx, json_pack("{s:o,s:s#,s:o}", "address", hex_json(address),
			      "type", name, 1, "name", escaped_json(name + 1)));
	return 0;
}

static json_t *answer_symbols(struct inspection *i)
{
	json_t *symbols = json_array();
	int r = kernel_symbols(&i->in.kernel, add_symbol, symbols);

	return json_pack("{s:o,s:b,s:s}", "symbols", symbols, "complete", !r, "why",
			 r ? "the table of symbols does not hold together" : "");
}

/* ---- the kernel itself ---- */

static int add_sign(void *ctx, const struct m_sign *m)
{
	json_array_append_new(ctx, json_pack("{s:s,s:o,s:s,s:s}", "name", m->name, "address",
			      hex_json(m->address), "subject", m->subject, "detail", m->detail));
	return 0;
}

/* What differs is an answer; what could not be compared leaves it incomplete. */
static json_t *answer_check(struct inspection *i)
{
	json_t *signs = json_array();
	const struct check_sink sink = { add_sign, signs };
	struct m_checked m;

	check_kernel(&i->in, &sink, &m);
	return json_pack("{s:s,s:o,s:s,s:I,s:b,s:s}", "status", check_status_name(m.status), "signs", signs,
			 "counts", m.counts, "elapsed_us", (I)m.elapsed_us, "complete",
			 m.status == CHECK_CLEAN || (m.status == CHECK_DIFFERS && !m.why[0]), "why", m.why);
}

/* ---- the request ---- */

static json_t *answer(struct inspection *i, const char *what, uint32_t pid)
{
	if (!strcmp(what, "ps"))
		return answer_tasks(i);
	if (!strcmp(what, "symbols"))
		return answer_symbols(i);
	if (!strcmp(what, "maps"))
		return answer_maps(i, pid);
	if (!strcmp(what, "check"))
		return answer_check(i);
	return answer_kernel(i);
}

static json_t *look_into(const char *what, uint32_t pid, const struct kernel_files *kernels)
{
	static struct inspection i;
	char why[WHY_SIZE] = "";
	json_t *json;
	int r = inspection_open(&i, FILE_FD, why);

	if (r == -ENOENT)
		return error_json("no_kernel", why, "only Linux guests of 64-bit x86 with BTF and kallsyms "
				  "are understood: see docs/limits.md");
	if (r)
		return error_json("bad_file", why[0] ? why : strerror(-r), "");
	i.in.kernel_files = kernels;
	json = answer(&i, what, pid);
	inspection_close(&i);
	return json;
}

int main(int argc, char **argv)
{
	static struct kernel_files kernels;
	bool check = argc == 3 && !strcmp(argv[1], "check");
	uint64_t pid = 0;
	json_t *json;
	int r;

	log_open("warden-inspect", false);
	if (argc < 2 || argc > 3 || (argc == 3 && !check && !parse_u64(argv[2], UINT32_MAX, &pid)))
		fatal("usage: warden-inspect kernel|symbols|ps|maps [PID] | check KERNEL; started by wardenctl alone");
	r = check ? kernel_files_open(&kernels, argv[2]) : 0;
	if (r)
		fatal("%s: %s", argv[2], strerror(-r));
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	json_object_seed(0);	/* it opens /dev/urandom */
	if (jail_inspect())
		fatal("no sandbox, no service");
	json = look_into(argv[1], pid, &kernels);
	if (!json || json_dumpf(json, stdout, JSON_COMPACT | JSON_ENSURE_ASCII) || fflush(stdout))
		fatal("the answer could not be told");
	json_decref(json);
	return 0;
}
