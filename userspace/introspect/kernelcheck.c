// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The guest's kernel itself: the tables that lead into it, and its code and
 * read-only data against what they were at first sight.
 */
#include <errno.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/check.h"
#include "introspect/kernelcheck.h"
#include "introspect/lists.h"
#include "introspect/modset.h"
#include "introspect/pristine.h"
#include "introspect/sites.h"
#include "lib/util.h"

#define LINE SITE_LINE
#define MAX_REGION (96u << 20)
#define BATCH 64u			/* frames read at once */
#define LOOKS 5
#define FIRST_PAUSE_MS 20		/* then times 3 */
#define SURE_CALLS 440u			/* system calls that any kernel of ours has */
#define GATES 256u
#define MAX_OPS 16384u
#define MAX_SIGNS 32u			/* of changed lines side by side, in one check */

/* Code or data of the image.  hash: of each line, 0 while it was never read. */
struct region {
	const char *name, *label;	/* of the sign, of the text */
	uint64_t start;
	uint64_t size;
	uint32_t *hash;
	bool code, known;		/* known: seen twice */
};

struct kernel_seen {
	uint64_t text_base;
	uint8_t key[crypto_shorthash_KEYBYTES];
	struct region region[2];
	struct pristine *pristine;
};

struct inspection {
	struct introspector *in;
	const struct kernel *k;
	const struct check_sink *sink;
	struct m_checked *m;
	struct module_set modules;
	struct owners owners;
	uint32_t under_way;		/* lines that the kernel patches just now */
	int stop;			/* what the sink returned */
};

void kernel_seen_free(struct kernel_seen *seen)
{
	if (!seen)
		return;
	free(seen->region[0].hash);
	free(seen->region[1].hash);
	pristine_free(seen->pristine);
	free(seen);
}

/* ---- signs ---- */

static void sign(struct inspection *x, const char *name, uint64_t address, const char *subject,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void sign(struct inspection *x, const char *name, uint64_t address, const char *subject,
		 const char *format, ...)
{
	struct m_sign m = { .kind = SIGN_KERNEL, .address = address };
	va_list args;

	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(m.subject, sizeof(m.subject), "%s", subject);
	va_start(args, format);
	vsnprintf(m.detail, sizeof(m.detail), format, args);
	va_end(args);
	x->m->signs++;
	if (!x->stop)
		x->stop = x->sink->sign(x->sink->ctx, &m);
}

static bool is_init_text(const struct kernel *k, uint64_t va)
{
	return va >= k->symbol[SYM_SINITTEXT].address && va < k->symbol[SYM_EINITTEXT].address;
}

/* The module whose code that is; "" if it is none that is listed. */
static const char *module_at(const struct inspection *x, uint64_t va)
{
	for (uint32_t i = 0; i < x->modules.n; i++)
		for (int t = 0; t < MODULE_TEXTS; t++) {
			const struct memory_range *r = &x->modules.m[i].text[t];

			if (va >= r->gpa && va - r->gpa < r->size)
				return x->modules.m[i].name;
		}
	return "";
}

static void whose(const struct inspection *x, uint64_t va, char *out, size_t size)
{
	const char *module = module_at(x, va);

	if (module[0])
		snprintf(out, size, "module %s", module);
	else
		snprintf(out, size, "%s", owners_have(&x->owners, va) ? "generated code" : "no module");
}

/* ---- tables ---- */

static int check_calls(struct inspection *x)
{
	uint64_t entry[SURE_CALLS], table = x->k->symbol[SYM_SYS_CALL_TABLE].address;
	char owner[MODULE_NAME + 16], subject[64];
	int r;

	if (!table)
		return -ENOENT;
	r = virt_read(&x->k->as, table, entry, sizeof(entry));
	for (uint32_t i = 0; !r && i < SURE_CALLS; i++) {
		if (kernel_text(x->k, entry[i]))
			continue;
		whose(x, entry[i], owner, sizeof(owner));
		snprintf(subject, sizeof(subject), "system call %u", i);
		sign(x, "Kernel.SystemCall", entry[i], subject,
		     "system call %u leads to %llx, outside the kernel's code: memory of %s", i,
		     (unsigned long long)entry[i], owner);
	}
	return r;
}

struct gate {
	uint16_t low, selector, attributes, middle;
	uint32_t high, reserved;
};

#define GATE_PRESENT 0x8000

static int check_gates(struct inspection *x)
{
	struct gate gates[GATES];
	uint64_t table = x->k->symbol[SYM_IDT_TABLE].address;
	char owner[MODULE_NAME + 16], subject[64];
	int r;

	if (!table)
		return -ENOENT;
	r = virt_read(&x->k->as, table, gates, sizeof(gates));
	for (uint32_t i = 0; !r && i < GATES; i++) {
		uint64_t to = (uint64_t)gates[i].high << 32 | (uint32_t)gates[i].middle << 16 |
			      gates[i].low;

		/* Those that nobody uses still lead into code of the start, which is gone. */
		if (!(gates[i].attributes & GATE_PRESENT) || kernel_text(x->k, to) ||
		    is_init_text(x->k, to))
			continue;
		whose(x, to, owner, sizeof(owner));
		snprintf(subject, sizeof(subject), "interrupt vector %u", i);
		sign(x, "Kernel.IDT", to, subject, "interrupt vector %u leads to %llx, outside the"
		     " kernel's code: memory of %s", i, (unsigned long long)to, owner);
	}
	return r;
}

/* What the CPU itself jumps by. */
static int check_registers(struct inspection *x)
{
	struct kvm_warden_regs regs;
	uint64_t pa, table = 0;

	if (x->k->symbol[SYM_IDT_TABLE].address)
		virt_to_phys(&x->k->as, x->k->symbol[SYM_IDT_TABLE].address, &table);
	for (uint32_t cpu = 0; cpu < 64 && !memory_registers(x->k->mem, cpu, &regs); cpu++) {
		char subject[64];

		if (regs.flags & KVM_WARDEN_REGS_GUEST_MODE)
			continue;
		snprintf(subject, sizeof(subject), "LSTAR of vCPU %u", cpu);
		if (regs.lstar && !kernel_text(x->k, regs.lstar))
			sign(x, "Kernel.LSTAR", regs.lstar, subject, "system calls of vCPU %u enter"
			     " at %llx, outside the kernel's code", cpu, (unsigned long long)regs.lstar);
		snprintf(subject, sizeof(subject), "IDTR of vCPU %u", cpu);
		if (table && kernel_pointer(x->k, regs.idtr) && regs.idtr &&
		    !virt_to_phys(&x->k->as, regs.idtr, &pa) && pa != table)
			sign(x, "Kernel.IDTR", regs.idtr, subject, "vCPU %u takes interrupts by a"
			     " table at %llx, which is not the kernel's", cpu,
			     (unsigned long long)regs.idtr);
	}
	return 0;
}

/* Tracers of the kernel's own have their function in its text. */
static int check_tracers(struct inspection *x)
{
	const struct layout *at = &x->k->at;
	const uint64_t end = x->k->symbol[SYM_FTRACE_END].address;
	char owner[MODULE_NAME + 16], subject[96];
	uint64_t ops, func;
	int r;

	if (!x->k->symbol[SYM_FTRACE_OPS].address || !end || !at->ftrace_ops_func.size ||
	    !at->ftrace_ops_next.size)
		return -ENOENT;
	r = virt_read_u64(&x->k->as, x->k->symbol[SYM_FTRACE_OPS].address, &ops);
	for (uint32_t i = 0; !r && ops && ops != end; i++) {
		r = i == MAX_OPS ? -E2BIG : kernel_member(x->k, ops, at->ftrace_ops_func, &func);
		if (!r && !kernel_text(x->k, func)) {
			whose(x, func, owner, sizeof(owner));
			snprintf(subject, sizeof(subject), "ftrace hook of %s", owner);
			sign(x, "Kernel.Ftrace", func, subject, "functions of the kernel are hooked by"
			     " ftrace: %llx, memory of %s", (unsigned long long)func, owner);
		}
		if (!r)
			r = kernel_member(x->k, ops, at->ftrace_ops_next, &ops);
	}
	return r;
}

/* ---- code and data ---- */

static int read_region(const struct kernel *k, const struct region *g, uint8_t *out, bool *present)
{
	uint64_t gpa[BATCH], pages = (g->size + FRAME_MASK) / FRAME_SIZE;
	int r = 0;

	for (uint64_t at = 0; !r && at < pages; at += BATCH) {
		uint32_t n = MIN(pages - at, (uint64_t)BATCH);

		for (uint32_t i = 0; i < n; i++)
			if (virt_to_phys(&k->as, g->start + (at + i) * FRAME_SIZE, &gpa[i]))
				gpa[i] = NO_FRAME;
		r = memory_read_frames(k->mem, gpa, n, out + at * FRAME_SIZE, present + at);
	}
	return r;
}

static uint32_t hash_line(const struct kernel_seen *seen, const uint8_t *line)
{
	uint64_t hash;

	_Static_assert(crypto_shorthash_BYTES == sizeof(hash), "a hash of eight bytes");
	crypto_shorthash((uint8_t *)&hash, line, LINE, seen->key);
	return (uint32_t)hash | 1;
}

/* Bit n of differs: line n is not as it was.  What was never read becomes what it was. */
static int compare_region(struct inspection *x, const struct kernel_seen *seen,
			  struct region *g, uint8_t *bytes, bool *present, uint8_t *differs,
			  uint64_t *ret_differences)
{
	struct sites sites = { 0 };
	int r = 0;

	memory_refresh(x->k->mem);
	*ret_differences = x->under_way = 0;
	memset(differs, 0, g->size / LINE + 1);
	if (g->code)
		r = sites_read(x->k, g->start, g->start + g->size, &sites);
	if (!r)
		r = read_region(x->k, g, bytes, present);
	if (!r)
		pristine_look(seen->pristine, x->k, &x->owners, &sites, g->code, g->start, g->size,
			      bytes, present);
	if (!r && g->code)
		sites_neutralise(x->k, &sites, &x->owners, bytes, differs);
	sites_free(&sites);
	if (!r && x->k->mem->expired)
		r = -ETIME;
	for (uint64_t line = 0; !r && line < g->size / LINE; line++) {
		uint32_t now;

		x->under_way += differs[line] == LINE_UNDER_WAY;
		if (!present[line * LINE / FRAME_SIZE] || differs[line] == LINE_UNDER_WAY) {
			differs[line] = 0;	/* not resident, or not whole: not known */
			continue;
		}
		now = hash_line(seen, bytes + line * LINE);
		/* What was half a patch at first sight is seen when it is whole. */
		if (pristine_vouches(seen->pristine, g->code, line) || (!g->hash[line] && !differs[line]))
			g->hash[line] = now;
		differs[line] = differs[line] || g->hash[line] != now;
		*ret_differences += differs[line];
	}
	return r;
}

static void sign_lines(struct inspection *x, const struct region *g, const uint8_t *bytes,
		       const uint8_t *differs)
{
	uint64_t lines = g->size / LINE, call = x->k->symbol[SYM_X64_SYS_CALL].address;
	uint32_t signs = 0;

	for (uint64_t line = 0, end; line < lines && signs < MAX_SIGNS; line = end + 1) {
		char hex[2 * 16 + 1], subject[96], near[32] = "";
		uint64_t va = g->start + line * LINE;

		for (end = line; end < lines && differs[end]; end++)
			;
		if (end == line)
			continue;
		if (call && va + LINE > call && va < call + 2 * FRAME_SIZE)
			snprintf(near, sizeof(near), " (x64_sys_call)");
		hex_encode(hex, bytes + line * LINE, 16);
		snprintf(subject, sizeof(subject), "%s+0x%llx%s", g->label,
			 (unsigned long long)(va - g->start), near);
		sign(x, g->name, va, subject, "%llu bytes of the kernel's %s at %llx%s are not what"
		     " they were at first sight, and no patch of the kernel's own: %s...",
		     (unsigned long long)(end - line) * LINE, g->label, (unsigned long long)va, near, hex);
		signs++;
	}
}

static int look_again(struct inspection *x, const struct kernel_seen *seen, struct region *g,
		      uint8_t *bytes, bool *present, uint8_t *again, unsigned pause)
{
	uint64_t n;
	int r;

	check_pause(pause);
	r = owners_read(x->k, &x->modules, &x->owners);
	return r ? r : compare_region(x, seen, g, bytes, present, again, &n);
}

/*
 * What was just being changed at first sight is no measure: a probe that came between
 * the table of probes and the code, say.  It is taken at a later sight.
 */
static int look_again_at_first(struct inspection *x, const struct kernel_seen *seen,
			       struct region *g, uint8_t *bytes, bool *present,
			       const uint8_t *differs, uint8_t *again)
{
	int r = look_again(x, seen, g, bytes, present, again, FIRST_PAUSE_MS);

	for (uint64_t line = 0; !r && line < g->size / LINE; line++)
		if (again[line] && !differs[line])
			g->hash[line] = 0;
	g->known = !r;
	return r;
}

/* Patches under way pass: what is still another in look after look was changed. */
static int check_region(struct inspection *x, const struct kernel_seen *seen, struct region *g)
{
	uint64_t lines = g->size / LINE, pages = (g->size + FRAME_MASK) / FRAME_SIZE, n;
	autofree uint8_t *bytes = malloc(pages * FRAME_SIZE), *differs = malloc(lines + 1);
	autofree uint8_t *again = malloc(lines + 1);
	autofree bool *present = calloc(pages + 1, sizeof(bool));
	unsigned pause = FIRST_PAUSE_MS;
	int r;

	if (!bytes || !differs || !again || !present)
		return -ENOMEM;
	/* What one look alone took before it failed is no measure either. */
	if (!g->known)
		memset(g->hash, 0, lines * sizeof(*g->hash));
	r = compare_region(x, seen, g, bytes, present, differs, &n);
	if (!r && !g->known)
		r = look_again_at_first(x, seen, g, bytes, present, differs, again);
	for (int i = 1; !r && (n || x->under_way || pristine_unsure(seen->pristine, g->code)) &&
	     i < LOOKS; i++, pause *= 3) {
		r = look_again(x, seen, g, bytes, present, again, pause);
		n = 0;
		for (uint64_t line = 0; !r && line < lines; line++)
			n += differs[line] &= again[line];
	}
	if (!r && x->under_way)
		check_add_why(x->m, "%u lines of code are being patched", x->under_way);
	if (!r && n)
		sign_lines(x, g, bytes, differs);
	return r;
}

static int set_region(const struct kernel *k, struct region *g, enum kernel_symbol start,
		      enum kernel_symbol end)
{
	uint64_t from = k->symbol[start].address & ~(uint64_t)FRAME_MASK;
	uint64_t to = k->symbol[end].address & ~(uint64_t)(LINE - 1);

	if (!k->symbol[start].address || to <= from || to - from > MAX_REGION)
		return -ENOENT;
	g->start = from;
	g->size = to - from;
	g->hash = calloc(g->size / LINE, sizeof(*g->hash));
	return g->hash ? 0 : -ENOMEM;
}

static int first_sight(const struct kernel *k, struct kernel_seen **ret_seen)
{
	struct kernel_seen *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->text_base = k->text_base;
	s->pristine = pristine_new();
	if (!s->pristine) {
		kernel_seen_free(s);
		return -ENOMEM;
	}
	randombytes_buf(s->key, sizeof(s->key));
	s->region[0] = (struct region){ .name = "Kernel.Text", .label = "text", .code = true };
	s->region[1] = (struct region){ .name = "Kernel.Rodata", .label = "read-only data" };
	r = set_region(k, &s->region[0], SYM_STEXT, SYM_ETEXT);
	if (!r)
		r = set_region(k, &s->region[1], SYM_START_RODATA, SYM_END_RODATA);
	if (r) {
		kernel_seen_free(s);
		return r;
	}
	*ret_seen = s;
	return 0;
}

static void pass_sign(void *ctx, const struct m_sign *m)
{
	struct inspection *x = ctx;

	x->m->signs++;
	if (!x->stop)
		x->stop = x->sink->sign(x->sink->ctx, m);
}

static int check_image(struct inspection *x)
{
	struct introspector *in = x->in;
	int r = 0;

	if (!in->kernel_seen)
		r = first_sight(x->k, &in->kernel_seen);
	if (r)
		return r;
	pristine_begin(in->kernel_seen->pristine, in);
	for (int i = 0; !r && i < 2; i++)
		r = check_region(x, in->kernel_seen, &in->kernel_seen->region[i]);
	pristine_end(in->kernel_seen->pristine, in, x->m, pass_sign, x);
	return r;
}

static void count(const struct kernel_seen *seen, char *out, size_t size)
{
	char held[512];

	pristine_tell(seen->pristine, held, sizeof(held));
	snprintf(out, size, "%u system calls, %u gates, %llu KiB of code, %llu KiB of read-only data, %s",
		 SURE_CALLS, GATES, (unsigned long long)seen->region[0].size >> 10,
		 (unsigned long long)seen->region[1].size >> 10, held);
}

/* ---- all ---- */

static int inspect(struct inspection *x)
{
	static const struct {
		int (*check)(struct inspection *x);
		const char *what;
	} all[] = {
		{ check_calls, "system calls" }, { check_gates, "interrupt gates" },
		{ check_registers, "registers" }, { check_tracers, "ftrace" },
		{ check_image, "code and read-only data" },
	};
	int r = module_set_read(x->k, &x->modules);

	if (!r)
		r = owners_read(x->k, &x->modules, &x->owners);
	for (size_t i = 0; !r && i < ARRAY_SIZE(all); i++) {
		int error = all[i].check(x);

		if (error)
			check_add_why(x->m, "%s: %s", all[i].what, check_problem(error));
		r = error == -ETIME || error == -ENODEV ? error : 0;
	}
	return r;
}

int check_kernel(struct introspector *in, const struct check_sink *sink,
		 struct m_checked *ret_checked)
{
	struct inspection x = { .in = in, .k = &in->kernel, .sink = sink, .m = ret_checked };
	uint64_t started = clock_now_ns();
	int r;

	*ret_checked = (struct m_checked){ .check = CHECK_KERNEL, .status = CHECK_CLEAN };
	memory_set_budget(in->mem, CHECK_BUDGET_MS);
	if (!check_booted(&in->kernel, ret_checked))
		return 0;
	r = module_set_init(&x.modules);
	if (!r)
		r = owners_init(&x.owners);
	if (!r)
		r = inspect(&x);
	in->gone = in->gone || r == -ENODEV;
	if (r)
		check_failed(in, ret_checked, r);
	else
		ret_checked->status = ret_checked->signs ? CHECK_DIFFERS :
				      ret_checked->why[0] ? CHECK_INCOMPLETE : CHECK_CLEAN;
	if (in->kernel_seen)
		count(in->kernel_seen, ret_checked->counts, sizeof(ret_checked->counts));
	module_set_free(&x.modules);
	owners_free(&x.owners);
	ret_checked->elapsed_us = (clock_now_ns() - started) / 1000;
	return x.stop;
}
