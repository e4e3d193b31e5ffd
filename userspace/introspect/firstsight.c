// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The code and read-only data of a guest's kernel against what they were at first
 * sight.  A line is measured once two looks have seen it alike, and no site of the
 * kernel's own patches in it holds something else: one that was just being changed
 * is no measure, and is taken at a later sight.  Where the package's file is at hand,
 * what it has there is the measure at once (pristine.h).
 */
#include "introspect/firstsight.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/check.h"
#include "introspect/kernelcheck.h"
#include "introspect/pristine.h"
#include "introspect/sites.h"
#include "lib/util.h"

#define LINE SITE_LINE
#define MAX_REGION (96u << 20)
#define BATCH 64u			/* frames read at once */
#define MAX_SIGNS 32u			/* of changed lines side by side, in one check */

/* Of a hash: once, twice seen alike. */
#define SEEN 1u
#define MEASURED 2u
#define STATE 3u

/* Code or data of the image. */
struct region {
	const char *name, *label;	/* of the sign, of the text */
	uint64_t start, size;
	uint32_t *hash;			/* of each line, and its state; 0: never seen whole */
	bool code;
};

struct kernel_seen {
	uint8_t key[crypto_shorthash_KEYBYTES];
	struct region region[2];
	struct pristine *pristine;
};

/* One look at a region, by lines but for present: by pages. */
struct sight {
	uint8_t *bytes, *differs;
	bool *present;
	uint64_t differences;
	uint32_t under_way, unmeasured, absent;	/* lines; absent: pages */
	uint32_t flickered;		/* lines, of all looks: different in one and not in another */
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

static uint64_t pages_of(const struct region *g)
{
	return (g->size + FRAME_MASK) / FRAME_SIZE;
}

static uint64_t lines_of(const struct region *g)
{
	return g->size / LINE;
}

static int read_region(const struct kernel *k, const struct region *g, uint8_t *out, bool *present)
{
	uint64_t gpa[BATCH], pages = pages_of(g);
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
	return (uint32_t)hash & ~STATE;
}

/* A line that is whole, and has nothing illegal: is it another?  One not yet measured is not. */
static bool is_another(uint32_t *was, uint32_t now, struct sight *s)
{
	if (*was & MEASURED)
		return (*was & ~STATE) != now;
	if (*was == (now | SEEN)) {
		*was = now | MEASURED;
	} else {
		*was = now | SEEN;
		s->unmeasured++;
	}
	return false;
}

/* What is as its package's file has it is measured at once, and anew. */
static void compare_lines(const struct kernel_seen *seen, struct region *g, struct sight *s)
{
	for (uint64_t line = 0; line < lines_of(g); line++) {
		uint8_t *differs = &s->differs[line];

		if (*differs == LINE_UNDER_WAY) {
			s->under_way++;
		} else if (!s->present[line * LINE / FRAME_SIZE]) {
			*differs = LINE_UNDER_WAY;
		} else if (*differs == LINE_LEGAL) {
			uint32_t now = hash_line(seen, s->bytes + line * LINE);

			if (pristine_vouches(seen->pristine, g->code, line))
				g->hash[line] = now | MEASURED;
			*differs = is_another(&g->hash[line], now, s) ? LINE_ILLEGAL : LINE_LEGAL;
		}
		s->differences += *differs == LINE_ILLEGAL;
	}
}

static int look(struct inspection *x, const struct kernel_seen *seen, struct region *g,
		struct sight *s)
{
	struct sites sites = { 0 };
	int r = 0;

	memory_refresh(x->k->mem);
	s->differences = s->under_way = s->unmeasured = s->absent = 0;
	memset(s->differs, 0, lines_of(g) + 1);
	if (g->code)
		r = sites_read(x->k, g->start, g->start + g->size, &sites);
	if (!r)
		r = read_region(x->k, g, s->bytes, s->present);
	if (!r)
		pristine_look(seen->pristine, x->k, &x->owners, &sites, g->code, g->start, g->size,
			      s->bytes, s->present);
	if (!r && g->code)
		sites_neutralise(x->k, &sites, &x->owners, s->bytes, s->differs);
	sites_free(&sites);
	if (!r && x->k->mem->expired)
		r = -ETIME;
	if (r)
		return r;
	for (uint64_t page = 0; page < pages_of(g); page++)
		s->absent += !s->present[page];
	compare_lines(seen, g, s);
	return 0;
}

/* What differs in each look does; what was being patched in one may be right in another. */
static void keep_common(struct sight *s, const uint8_t *differed, uint64_t lines)
{
	s->differences = 0;
	for (uint64_t line = 0; line < lines; line++) {
		uint8_t *now = &s->differs[line];

		if (*now == LINE_ILLEGAL && differed[line] == LINE_ILLEGAL) {
			s->differences++;
			continue;
		}
		s->flickered += (*now == LINE_ILLEGAL && differed[line] == LINE_LEGAL) ||
				(*now == LINE_LEGAL && differed[line] == LINE_ILLEGAL);
		if (*now == LINE_ILLEGAL)
			*now = LINE_LEGAL;
	}
}

/* Patches under way pass: what is still another in look after look was changed. */
static int look_until_sure(struct inspection *x, const struct kernel_seen *seen,
			   struct region *g, struct sight *s, struct check_looks *looks)
{
	const bool still = x->k->mem->still;
	autofree uint8_t *differed = malloc(lines_of(g) + 1);
	unsigned pause = KERNEL_PAUSE_MS;
	int r;

	check_looks_begin(looks, x->k);
	r = differed ? look(x, seen, g, s) : -ENOMEM;
	for (int i = 1; !r && i < KERNEL_LOOKS; i++, pause *= 3) {
		if (!s->unmeasured && (still || (!s->differences && !s->under_way &&
						 !pristine_unsure(seen->pristine, g->code))))
			break;
		if (!check_look_again(looks, pause, KERNEL_LOOKS - 1 - i))
			continue;
		memcpy(differed, s->differs, lines_of(g));
		r = inspection_read(x);
		if (!r)
			r = look(x, seen, g, s);
		if (!r)
			keep_common(s, differed, lines_of(g));
	}
	return r;
}

static void sign_lines(struct inspection *x, const struct region *g, const struct sight *s)
{
	uint64_t lines = lines_of(g), call = x->k->symbol[SYM_X64_SYS_CALL].address;
	uint32_t signs = 0;

	for (uint64_t line = 0, end; line < lines && signs < MAX_SIGNS; line = end + 1) {
		char hex[2 * 16 + 1], subject[96], near[32] = "";
		uint64_t va = g->start + line * LINE;

		for (end = line; end < lines && s->differs[end] == LINE_ILLEGAL; end++)
			;
		if (end == line)
			continue;
		if (call && va + LINE > call && va < call + 2 * FRAME_SIZE)
			snprintf(near, sizeof(near), " (x64_sys_call)");
		hex_encode(hex, s->bytes + line * LINE, 16);
		snprintf(subject, sizeof(subject), "%s+0x%llx%s", g->label,
			 (unsigned long long)(va - g->start), near);
		inspection_sign(x, g->name, va, subject, "%llu bytes of the kernel's %s at %llx%s are"
				" not what they were at first sight, and no patch of the kernel's own:"
				" %s...", (unsigned long long)(end - line) * LINE, g->label,
				(unsigned long long)va, near, hex);
		signs++;
	}
}

static void explain(struct inspection *x, const struct region *g, const struct sight *s,
		    const struct check_looks *looks)
{
	const uint32_t open = s->under_way + s->unmeasured;
	const bool once = looks->looks == 1 && !x->k->mem->still;

	if (s->absent)
		check_add_why(x->m, "%u pages of %s are not resident", s->absent, g->label);
	if (s->unmeasured && once)
		check_add_why(x->m, "the guest stood still: %u lines of %s were seen once only, which is no"
			      " measure", s->unmeasured, g->label);
	/* Or it was, until the last look. */
	else if (open || s->flickered)
		check_add_why(x->m, "%u lines of %s are being patched, %u were something else for a moment",
			      open, g->label, s->flickered);
	if (s->differences && !check_looks_enough(looks))
		check_add_why(x->m, "the guest stood still: %llu lines of %s may be under way",
			      (unsigned long long)s->differences, g->label);
}

static int check_region(struct inspection *x, const struct kernel_seen *seen, struct region *g)
{
	autofree uint8_t *bytes = malloc(pages_of(g) * FRAME_SIZE), *differs = malloc(lines_of(g) + 1);
	autofree bool *present = calloc(pages_of(g) + 1, sizeof(bool));
	struct sight s = { .bytes = bytes, .differs = differs, .present = present };
	struct check_looks looks;
	int r;

	if (!bytes || !differs || !present)
		return -ENOMEM;
	r = look_until_sure(x, seen, g, &s, &looks);
	if (r)
		return r;
	explain(x, g, &s, &looks);
	/* Of a guest that stands still nobody can say what is under way. */
	if (check_looks_enough(&looks))
		sign_lines(x, g, &s);
	else
		pristine_doubt(seen->pristine, g->code);
	return 0;
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
	g->hash = calloc(lines_of(g), sizeof(*g->hash));
	return g->hash ? 0 : -ENOMEM;
}

static int make_seen(const struct kernel *k, struct kernel_seen **ret_seen)
{
	struct kernel_seen *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	randombytes_buf(s->key, sizeof(s->key));
	s->pristine = pristine_new();
	s->region[0] = (struct region){ .name = "Kernel.Text", .label = "text", .code = true };
	s->region[1] = (struct region){ .name = "Kernel.Rodata", .label = "read-only data" };
	r = s->pristine ? set_region(k, &s->region[0], SYM_STEXT, SYM_ETEXT) : -ENOMEM;
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

static void count(const struct kernel_seen *seen, struct m_checked *m)
{
	const size_t at = strlen(m->counts);
	char held[512];

	pristine_tell(seen->pristine, held, sizeof(held));
	snprintf(m->counts + at, sizeof(m->counts) - at, ", %llu KiB of code, %llu KiB of read-only data, %s",
		 (unsigned long long)seen->region[0].size >> 10,
		 (unsigned long long)seen->region[1].size >> 10, held);
}

int check_first_sight(struct inspection *x)
{
	struct introspector *in = x->in;
	int r = 0;

	if (!in->kernel_seen)
		r = make_seen(x->k, &in->kernel_seen);
	if (r)
		return r;
	if (in->seen_anew)
		check_add_why(x->m, "first sight is taken anew: the guest booted, or says that it did");
	in->seen_anew = false;
	pristine_begin(in->kernel_seen->pristine, in);
	for (int i = 0; !r && i < 2; i++)
		r = check_region(x, in->kernel_seen, &in->kernel_seen->region[i]);
	pristine_end(in->kernel_seen->pristine, in, x->m, pass_sign, x);
	count(in->kernel_seen, x->m);
	return r;
}
