// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/pristine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/check.h"
#include "introspect/facts.h"
#include "introspect/kernelfiles.h"
#include "lib/util.h"

#define SECOND 1000000000ull
#define RETRY_NS (45 * SECOND)		/* then twice as long, and so on */
#define MAX_DOUBLINGS 5u
#define BUSY_CHECKS 3u			/* then not waited for any longer */
#define MAX_TOLD 32u			/* places that differ, of each part */
#define SHOWN 16u
#define MAX_PROBES 4096u

_Static_assert(SITE_LINE == VMLINUX_LINE, "lines are the same here and there");

enum state {
	NOT_TRIED,
	NOT_USED,			/* there are no files at all */
	NO_FILE,			/* none of that build */
	BROKEN,				/* one, that cannot be used */
	COUNTS_CALLS,			/* the guest's kernel rewrites its calls */
	BUSY,
	HELD,
};

struct part {
	uint64_t start, end;
	uint64_t nlines;
	uint8_t *now;			/* enum line_holds, of this look */
	uint8_t *first;			/* the byte of the line that differs first */
	uint8_t *ever;			/* LINE_SAME once it was the measure; LINE_OTHER: so far in all looks */
	uint32_t looks;
	uint64_t open, other;		/* lines at the end: not seen whole; different */
	struct m_sign told[MAX_TOLD];
	uint32_t ntold;
};

struct pristine {
	enum state state;
	char name[KERNEL_FILE_NAME], why[VMLINUX_WHY];
	uint8_t id[VMLINUX_ID_MAX];	/* as the guest said it when it was held to that file */
	size_t id_len;
	uint32_t files, busy, tries;
	uint64_t retry_ns;
	bool elsewhere;			/* its symbols say its code lies elsewhere */
	struct part part[VMLINUX_PARTS];
	struct vmlinux_counts counts;
	struct vmlinux *v;		/* while it is compared */
};

static const struct {
	const char *sign, *label;
} parts[] = {
	[VMLINUX_TEXT] = { "Kernel.Text", "text" },
	[VMLINUX_RODATA] = { "Kernel.Rodata", "read-only data" },
};

static enum vmlinux_part part_of(bool code)
{
	return code ? VMLINUX_TEXT : VMLINUX_RODATA;
}

struct pristine *pristine_new(void)
{
	return calloc(1, sizeof(struct pristine));
}

static void let_go(struct pristine *p)
{
	vmlinux_free(p->v);
	p->v = NULL;
	for (int i = 0; i < VMLINUX_PARTS; i++) {
		free(p->part[i].now);
		free(p->part[i].ever);
		free(p->part[i].first);
		p->part[i].now = p->part[i].ever = p->part[i].first = NULL;
	}
}

void pristine_free(struct pristine *p)
{
	if (!p)
		return;
	let_go(p);
	free(p);
}

/* ---- the file ---- */

static bool is_due(const struct pristine *p, uint64_t now)
{
	return p->state == NOT_TRIED || p->state == BUSY ||
	       ((p->state == HELD || p->state == BROKEN) && p->retry_ns && now >= p->retry_ns);
}

static bool make_room(struct pristine *p)
{
	for (int i = 0; i < VMLINUX_PARTS; i++) {
		struct part *part = &p->part[i];

		vmlinux_range(p->v, i, &part->start, &part->end);
		part->nlines = (part->end - part->start + VMLINUX_LINE - 1) / VMLINUX_LINE;
		part->now = calloc(part->nlines + 1, 1);
		part->ever = calloc(part->nlines + 1, 1);
		part->first = calloc(part->nlines + 1, 1);
		part->looks = 0;
		if (!part->now || !part->ever || !part->first)
			return false;
	}
	return true;
}

struct guest {
	const struct kernel *k;
	struct owners *owners;
};

static bool on_guest_read(void *ctx, uint64_t va, void *out, size_t n)
{
	const struct guest *g = ctx;

	return !virt_read(&g->k->as, va, out, n);
}

static enum state use(struct pristine *p, const struct kernel *k)
{
	struct guest context = { .k = k };
	const struct vmlinux_guest guest = { .read = on_guest_read, .ctx = &context };

	if (!vmlinux_place(p->v, k->text_base, p->why))
		return BROKEN;
	if (vmlinux_counts_calls(p->v, &guest))
		return COUNTS_CALLS;
	if (make_room(p))
		return HELD;
	snprintf(p->why, sizeof(p->why), "no memory");
	return BROKEN;
}

/* What it says later on does not let it slip away from the file it was held to. */
static void read_id(struct pristine *p, const struct kernel *k)
{
	struct kernel_facts facts;

	if (p->state == HELD)
		return;
	kernel_read_facts(k, &facts);
	memcpy(p->id, facts.build_id, facts.build_id_size);
	p->id_len = facts.build_id_size;
}

static enum state find(struct pristine *p, const struct introspector *in)
{
	const struct kernel_wanted wanted = {
		.release = in->kernel.banner + strlen("Linux version "), .id = p->id, .id_len = p->id_len,
	};
	enum state is = NO_FILE;
	const char *name = "";

	p->why[0] = '\0';
	switch (kernel_files_find(in->kernel_files, &wanted, p->busy >= BUSY_CHECKS, &p->v, &name, p->why)) {
	case KERNEL_FILE_FOUND:
		is = use(p, &in->kernel);
		break;
	case KERNEL_FILE_BUSY:
		p->busy++;
		return BUSY;
	case KERNEL_FILE_BROKEN:
		is = BROKEN;
		break;
	default:
		break;
	}
	if (name[0] || p->state != HELD)
		snprintf(p->name, sizeof(p->name), "%s", name);
	return is;
}

void pristine_begin(struct pristine *p, struct introspector *in)
{
	enum state is;

	if (!is_due(p, clock_now_ns()))
		return;
	p->files = in->kernel_files ? in->kernel_files->n : 0;
	if (!p->files) {
		p->state = NOT_USED;
		return;
	}
	read_id(p, &in->kernel);
	is = find(p, in);
	if (is == HELD) {
		p->elsewhere = false;
		p->busy = 0;
	} else {
		let_go(p);
		kernel_files_done(in->kernel_files);
	}
	/* What was found before stands until it can be looked at again. */
	if (p->state != HELD)
		p->state = is;
	/* That took time, and none of the guest's. */
	memory_set_budget(in->mem, CHECK_BUDGET_MS);
}

/* ---- a look ---- */

static bool on_leads(void *ctx, enum vmlinux_lead lead, uint64_t to)
{
	const struct guest *g = ctx;

	if (kernel_text(g->k, to))
		return false;	/* the file's symbols tell */
	switch (lead) {
	case VMLINUX_TRACER:
		return owners_generated(g->owners, to) ||
		       owners_trampoline(g->k, g->owners, to) == TRAMPOLINE_KEPT;
	case VMLINUX_ENDING:
		return owners_trampoline(g->k, g->owners, to) == TRAMPOLINE_LEFT;
	case VMLINUX_PROBE:
		return owners_generated(g->owners, to);
	default:
		return owners_have(g->owners, to);
	}
}

static uint32_t find_probes(const struct sites *sites, struct vmlinux_probe *probes)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < sites->n && n < MAX_PROBES; i++)
		if (sites->site[i].kind == SITE_KPROBE)
			probes[n++].va = sites->site[i].va;
	return n;
}

/* The measure is taken of whole lines: who takes it says so (pristine_vouches). */
static void add_look(struct part *part, uint64_t whole)
{
	for (uint64_t i = 0; i < part->nlines; i++) {
		uint8_t now = part->now[i], *ever = &part->ever[i];

		if (now == LINE_SAME && i >= whole)
			*ever = LINE_SAME;
		if (*ever != LINE_SAME && now != LINE_SAME && (!part->looks || now != LINE_OTHER))
			*ever = now;
		/* A look that did not see a difference takes it back. */
		else if (*ever == LINE_OTHER && now != LINE_OTHER)
			*ever = LINE_UNSEEN;
	}
	part->looks++;
}

/* The part's last few bytes may lie in one page more than its whole lines do. */
static bool compare(struct pristine *p, enum vmlinux_part which, const struct vmlinux_guest *guest,
		    uint64_t size, const uint8_t *bytes, const bool *present)
{
	const struct part *part = &p->part[which];
	const uint64_t pages = (size + FRAME_MASK) / FRAME_SIZE;
	autofree uint8_t *more = NULL;
	autofree bool *there = NULL;

	if (part->end - part->start > pages * FRAME_SIZE) {
		more = malloc((pages + 1) * FRAME_SIZE);
		there = malloc((pages + 1) * sizeof(*there));
		if (!more || !there)
			return false;
		memcpy(more, bytes, pages * FRAME_SIZE);
		memcpy(there, present, pages * sizeof(*there));
		there[pages] = guest->read(guest->ctx, part->start + pages * FRAME_SIZE,
					   more + pages * FRAME_SIZE, FRAME_SIZE);
		bytes = more;
		present = there;
	}
	return vmlinux_compare(p->v, which, guest, bytes, present, part->now, part->first);
}

void pristine_look(struct pristine *p, const struct kernel *k, struct owners *owners,
		   const struct sites *sites, bool code, uint64_t start, uint64_t size,
		   const uint8_t *bytes, const bool *present)
{
	struct part *part = &p->part[part_of(code)];
	struct guest context = { k, owners };
	struct vmlinux_guest guest = { .read = on_guest_read, .leads = on_leads, .ctx = &context };
	struct vmlinux_probe *probes;

	if (!p->v)
		return;
	/* Its symbols, which say where to look, are the guest's own. */
	if (start != part->start || start + size != (part->end & ~(uint64_t)(VMLINUX_LINE - 1))) {
		p->elsewhere = true;
		memset(part->now, LINE_UNSEEN, part->nlines);
		return;
	}
	probes = calloc(MAX_PROBES, sizeof(*probes));
	guest.probe = probes;
	guest.nprobes = probes && code ? find_probes(sites, probes) : 0;
	if (!probes || !compare(p, part_of(code), &guest, size, bytes, present))
		memset(part->now, LINE_UNSEEN, part->nlines);
	free(probes);
	/* What could not be read by then would be a difference. */
	if (k->mem->expired)
		memset(part->now, LINE_UNSEEN, part->nlines);
	add_look(part, size / VMLINUX_LINE);
}

bool pristine_vouches(struct pristine *p, bool code, uint64_t line)
{
	struct part *part = &p->part[part_of(code)];

	if (!p->v || line >= part->nlines || part->now[line] != LINE_SAME)
		return false;
	part->ever[line] = LINE_SAME;
	return true;
}

bool pristine_unsure(const struct pristine *p, bool code)
{
	const struct part *part = &p->part[part_of(code)];

	for (uint64_t i = 0; p->v && i < part->nlines; i++)
		if (part->ever[i] != LINE_SAME)
			return true;
	return false;
}

void pristine_doubt(struct pristine *p, bool code)
{
	struct part *part = &p->part[part_of(code)];

	for (uint64_t i = 0; p->v && i < part->nlines; i++)
		if (part->ever[i] == LINE_OTHER)
			part->ever[i] = LINE_PATCHING;
}

/* ---- what came of it ---- */

static void show(const struct pristine *p, const struct kernel *k, uint64_t va, char *out, size_t size)
{
	char should[2 * SHOWN + 1] = "", is[2 * SHOWN + 1] = "unreadable";
	uint8_t file[SHOWN], live[SHOWN];
	size_t n = vmlinux_bytes(p->v, va, file, sizeof(file));

	hex_encode(should, file, n);
	if (n && !virt_read(&k->as, va, live, n))
		hex_encode(is, live, n);
	snprintf(out, size, "%s there, %s in the file", is, should);
}

static void note(struct pristine *p, const struct kernel *k, enum vmlinux_part which, uint64_t line,
		 uint64_t lines)
{
	struct part *part = &p->part[which];
	struct m_sign *m = &part->told[part->ntold++];
	uint64_t va = part->start + line * VMLINUX_LINE + part->first[line];
	char symbol[96], bytes[128];

	vmlinux_name(p->v, va, symbol, sizeof(symbol));
	show(p, k, va, bytes, sizeof(bytes));
	*m = (struct m_sign){ .kind = SIGN_KERNEL, .address = va };
	snprintf(m->name, sizeof(m->name), "%s", parts[which].sign);
	snprintf(m->subject, sizeof(m->subject), "%s+0x%llx (%s)", parts[which].label,
		 (unsigned long long)(line * VMLINUX_LINE), symbol);
	snprintf(m->detail, sizeof(m->detail), "%llu bytes of the kernel's %s at %llx (%s) differ from its"
		 " package's file %s, and are no patch of the kernel's own: %s",
		 (unsigned long long)lines * VMLINUX_LINE, parts[which].label, (unsigned long long)va, symbol,
		 p->name, bytes);
}

static void conclude(struct pristine *p, const struct kernel *k, enum vmlinux_part which)
{
	struct part *part = &p->part[which];

	part->open = part->other = part->ntold = 0;
	if (!part->looks)
		part->open = part->nlines;
	for (uint64_t i = 0, end; part->looks && i < part->nlines; i = end + 1) {
		for (end = i; end < part->nlines && part->ever[end] == LINE_OTHER; end++)
			part->other++;
		if (end > i && part->ntold < MAX_TOLD)
			note(p, k, which, i, end - i);
		part->open += end < part->nlines && part->ever[end] != LINE_SAME;
	}
}

static void tell_elsewhere(void (*sign)(void *ctx, const struct m_sign *sign), void *ctx,
			   const struct pristine *p)
{
	struct m_sign m = { .kind = SIGN_KERNEL, .address = p->part[VMLINUX_TEXT].start };

	snprintf(m.name, sizeof(m.name), "%s", parts[VMLINUX_TEXT].sign);
	snprintf(m.subject, sizeof(m.subject), "symbols");
	snprintf(m.detail, sizeof(m.detail), "the kernel's own symbols say that its code or read-only data lie"
		 " elsewhere than its package's file %s has them", p->name);
	sign(ctx, &m);
}

void pristine_end(struct pristine *p, struct introspector *in, struct m_checked *m,
		  void (*sign)(void *ctx, const struct m_sign *sign), void *ctx)
{
	uint64_t open = 0, other = 0;

	if (p->v) {
		for (int i = 0; i < VMLINUX_PARTS; i++)
			conclude(p, &in->kernel, i);
		vmlinux_count(p->v, &p->counts);
		let_go(p);
		kernel_files_done(in->kernel_files);
	}
	for (int i = 0; p->state == HELD && i < VMLINUX_PARTS; i++) {
		open += p->part[i].open;
		other += p->part[i].other;
		for (uint32_t t = 0; t < p->part[i].ntold; t++)
			sign(ctx, &p->part[i].told[t]);
	}
	if (p->state == HELD && p->elsewhere)
		tell_elsewhere(sign, ctx, p);
	/* A broken file may just be being written. */
	if (!(open || other || p->elsewhere || p->state == BROKEN))
		p->retry_ns = 0;
	else if (!p->retry_ns || clock_now_ns() >= p->retry_ns)
		p->retry_ns = clock_now_ns() + (RETRY_NS << MIN(p->tries++, MAX_DOUBLINGS));
	if (open)
		check_add_why(m, "%llu lines were being patched, or not resident, and are not held to %s yet",
			      (unsigned long long)open, p->name);
	if (p->state == NO_FILE || p->state == BROKEN || p->state == COUNTS_CALLS || p->state == BUSY) {
		char text[TEXT_WHY];

		pristine_tell(p, text, sizeof(text));
		check_add_why(m, "%s", text);
	}
}

void pristine_tell(const struct pristine *p, char *out, size_t size)
{
	char id[2 * VMLINUX_ID_MAX + 1] = "";

	switch (p->state) {
	case HELD:
		snprintf(out, size, "held to %s (%llu of %llu places, %llu bytes, patched by the kernel itself;"
			 " %llu bytes of any value; %llu KiB written at its start not compared)", p->name,
			 (unsigned long long)p->counts.patched, (unsigned long long)p->counts.sites,
			 (unsigned long long)p->counts.patched_bytes,
			 (unsigned long long)p->counts.constant_bytes,
			 (unsigned long long)p->counts.late_bytes >> 10);
		break;
	case NO_FILE:
		hex_encode(id, p->id, p->id_len);
		snprintf(out, size, "not held to its package's file: none of %u has its BUILD-ID %s", p->files,
			 id[0] ? id : "(it has none)");
		break;
	case BROKEN:
		snprintf(out, size, "not held to its package's file %s: %s", p->name, p->why);
		break;
	case COUNTS_CALLS:
		snprintf(out, size, "not held to its package's file %s: it counts its calls (retbleed=stuff)",
			 p->name);
		break;
	case BUSY:
		snprintf(out, size, "not held to its package's file yet: another guest's is");
		break;
	default:
		snprintf(out, size, "not held to its package's file: there is none");
	}
}
