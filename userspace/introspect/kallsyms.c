// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * No version tells the layout of kallsyms (Debian's 6.1 has that of 6.2), so
 * the tables are found by their shape: the token table by its digits, its
 * index behind it, the markers before it, the names before those.
 */
#include "introspect/kallsyms.h"

#include <errno.h>
#include <string.h>

#include "lib/util.h"

#define TOKENS 256u
#define MAX_TOKEN 512u
#define MAX_NAME 512u
#define MAX_SYMBOLS (1u << 21)
#define MAX_WANTED 256u
#define MARKERS_REACH (8u << 20)	/* markers lie at most so far before the tokens */
#define MARKER_MIN_STEP 400u
#define MARKER_MAX_STEP 32768u
#define MIN_MARKERS 16u
#define PER_MARKER 256u
#define MAX_DIGITS 4096u		/* a hostile image repeats what is looked for */
#define MAX_TABLES 16u
#define KERNEL_LOW 0xffffffff80000000ull

struct image {
	const uint8_t *p;
	size_t len;
	uint64_t base, text;
};

static uint32_t u32_at(const struct image *im, size_t at)
{
	uint32_t v = 0;

	if (at <= im->len && im->len - at >= sizeof(v))
		memcpy(&v, im->p + at, sizeof(v));
	return v;
}

static uint64_t u64_at(const struct image *im, size_t at)
{
	uint64_t v = 0;

	if (at <= im->len && im->len - at >= sizeof(v))
		memcpy(&v, im->p + at, sizeof(v));
	return v;
}

static uint16_t token_at(const struct image *im, const struct kallsyms *k, unsigned token)
{
	uint16_t v;

	memcpy(&v, im->p + k->token_index + 2 * token, sizeof(v));
	return v;
}

static size_t align_up(size_t at, unsigned align)
{
	return (at + align - 1) & ~(size_t)(align - 1);
}

/* ---- tokens ---- */

/* Behind token 255, given where token '0' starts; 0 if tokens are too long. */
static size_t tokens_end(const struct image *im, size_t zero)
{
	size_t at = zero;

	for (unsigned token = '0'; token < TOKENS; token++) {
		const uint8_t *nul = memchr(im->p + at, 0, MIN(im->len - at, (size_t)MAX_TOKEN));

		if (!nul)
			return 0;
		at = nul - im->p + 1;
	}
	return at;
}

static bool index_fits(const struct image *im, struct kallsyms *k, size_t zero)
{
	if (k->token_index > im->len || im->len - k->token_index < 2 * TOKENS ||
	    token_at(im, k, 0) != 0 || token_at(im, k, '0') > zero)
		return false;
	for (unsigned i = 1; i < TOKENS; i++)
		if (token_at(im, k, i) <= token_at(im, k, i - 1))
			return false;
	k->token_table = zero - token_at(im, k, '0');
	for (unsigned i = 1; i < TOKENS; i++)
		if (im->p[k->token_table + token_at(im, k, i) - 1])
			return false;
	return k->token_table + token_at(im, k, TOKENS - 1) < k->token_index;
}

static bool locate_tokens(const struct image *im, size_t zero, struct kallsyms *k)
{
	static const unsigned aligns[] = { 8, 4, 2, 1 };
	size_t end = tokens_end(im, zero);

	if (!end)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(aligns); i++) {
		k->token_index = align_up(end, aligns[i]);
		if (index_fits(im, k, zero))
			return true;
	}
	return false;
}

/* ---- markers ---- */

static uint32_t marker_run(const struct image *im, size_t at, size_t end)
{
	uint32_t n = 1, previous = 0;

	for (size_t next = at + 4; next + 4 <= end; next += 4, n++) {
		uint32_t v = u32_at(im, next);

		if (v <= previous || v - previous < MARKER_MIN_STEP ||
		    v - previous > MARKER_MAX_STEP)
			break;
		previous = v;
	}
	return n;
}

/* The nearest run before the tokens that starts with 0 and climbs evenly. */
static bool locate_markers(const struct image *im, struct kallsyms *k)
{
	size_t low = k->token_table > MARKERS_REACH ? k->token_table - MARKERS_REACH : 0;

	for (size_t at = k->token_table & ~3ul; at >= low + 4;) {
		at -= 4;
		if (u32_at(im, at))
			continue;
		k->nmarkers = marker_run(im, at, k->token_table);
		if (k->nmarkers >= MIN_MARKERS) {
			k->markers = at;
			return true;
		}
	}
	return false;
}

/* ---- names ---- */

/* Length of the compressed name at *at, which moves behind the length byte(s). */
static bool name_length(const struct image *im, size_t *at, size_t end, uint32_t *ret_len)
{
	uint32_t len;

	if (*at >= end)
		return false;
	len = im->p[(*at)++];
	if (len & 0x80) {
		if (*at >= end)
			return false;
		len = (len & 0x7f) | (uint32_t)im->p[(*at)++] << 7;
	}
	*ret_len = len;
	return len > 0 && len <= end - *at;
}

/* Do the names from here on meet markers 1 to 3? */
static bool chain_fits(const struct image *im, const struct kallsyms *k, size_t names)
{
	size_t at = names;

	for (uint32_t block = 1; block < MIN(k->nmarkers, 4u); block++) {
		for (unsigned i = 0; i < PER_MARKER; i++) {
			uint32_t len;

			if (!name_length(im, &at, k->markers, &len))
				return false;
			at += len;
		}
		if (at - names != u32_at(im, k->markers + 4 * block))
			return false;
	}
	return true;
}

/* num_syms stands one alignment before the names. */
static bool names_at(const struct image *im, struct kallsyms *k, size_t at)
{
	static const unsigned aligns[] = { 8, 4 };

	for (size_t i = 0; i < ARRAY_SIZE(aligns); i++) {
		uint32_t n;

		if (at % aligns[i] || at < aligns[i])
			continue;
		n = u32_at(im, at - aligns[i]);
		if (n > MAX_SYMBOLS || n <= (k->nmarkers - 1) * PER_MARKER ||
		    n > k->nmarkers * PER_MARKER || !chain_fits(im, k, at))
			continue;
		k->names = at;
		k->nsyms = n;
		k->align = aligns[i];
		return true;
	}
	return false;
}

static bool locate_names(const struct image *im, struct kallsyms *k)
{
	uint32_t last = u32_at(im, k->markers + 4 * (k->nmarkers - 1));
	size_t high, low, reach = PER_MARKER * 130;

	if (last >= k->markers)
		return false;
	high = (k->markers - last) & ~3ul;
	low = high > reach ? high - reach : 4;
	for (size_t at = high; at >= low; at -= 4)
		if (names_at(im, k, at))
			return true;
	return false;
}

/* ---- decoding ---- */

/* At most limit characters of a name. */
static size_t expand(const struct image *im, const struct kallsyms *k, size_t at, uint32_t len,
		     char *out, size_t limit)
{
	size_t n = 0;

	for (uint32_t i = 0; i < len && n < limit; i++) {
		const uint8_t *token = im->p + k->token_table + token_at(im, k, im->p[at + i]);

		while (*token && n < limit)
			out[n++] = *token++;
	}
	out[n] = '\0';
	return n;
}

struct wanted_set {
	struct symbol *symbol;
	size_t n;
	uint32_t index[MAX_WANTED];	/* of each wanted symbol; UINT32_MAX: not seen */
	uint8_t starts[65536 / 8];	/* the first two characters of any */
};

static unsigned start_of(const char *name)
{
	return (uint8_t)name[0] | (unsigned)(uint8_t)name[1] << 8;
}

static void note_starts(struct wanted_set *set)
{
	memset(set->starts, 0, sizeof(set->starts));
	for (size_t w = 0; w < set->n; w++)
		set->starts[start_of(set->symbol[w].name) / 8] |= 1u << start_of(set->symbol[w].name) % 8;
}

static void match(struct wanted_set *set, const char *name, uint32_t i)
{
	for (size_t w = 0; w < set->n; w++)
		if (set->symbol[w].name[0] == name[0] && set->index[w] == UINT32_MAX &&
		    strcmp(set->symbol[w].name, name) == 0)
			set->index[w] = i;
}

/* False if the table of names does not hold together. */
static bool match_names(const struct image *im, const struct kallsyms *k, struct wanted_set *set)
{
	char name[MAX_NAME + 1];
	size_t at = k->names;

	for (uint32_t i = 0; i < k->nsyms; i++) {
		uint32_t len;

		if (!name_length(im, &at, k->markers, &len))
			return false;
		/*
		 * The first character is the symbol's type.  The next two tell nearly
		 * every name from those wanted: it need not be unfolded.
		 */
		if (expand(im, k, at, len, name, 3) == 3 &&
		    set->starts[start_of(name + 1) / 8] >> start_of(name + 1) % 8 & 1) {
			expand(im, k, at, len, name, MAX_NAME);
			match(set, name + 1, i);
		}
		at += len;
	}
	return true;
}

/* ---- addresses ---- */

struct addresses {
	size_t offsets;
	uint64_t relative_base;
	unsigned formula;
	uint64_t (*of)(const struct image *im, const struct addresses *a, uint32_t i);
};

static int64_t offset_of(const struct image *im, const struct addresses *a, uint32_t i)
{
	return (int32_t)u32_at(im, a->offsets + 4 * (size_t)i);
}

static uint64_t negative_relative(const struct image *im, const struct addresses *a, uint32_t i)
{
	int64_t o = offset_of(im, a, i);

	return o >= 0 ? (uint64_t)o : a->relative_base - 1 - (uint64_t)o;
}

static uint64_t unsigned_relative(const struct image *im, const struct addresses *a, uint32_t i)
{
	return a->relative_base + u32_at(im, a->offsets + 4 * (size_t)i);
}

static uint64_t place_relative(const struct image *im, const struct addresses *a, uint32_t i)
{
	return im->base + a->offsets + 4 * (uint64_t)i + (uint64_t)offset_of(im, a, i);
}

static uint64_t table_relative(const struct image *im, const struct addresses *a, uint32_t i)
{
	return im->base + a->offsets + (uint64_t)offset_of(im, a, i);
}

static uint64_t text_relative(const struct image *im, const struct addresses *a, uint32_t i)
{
	return im->text + (uint64_t)offset_of(im, a, i);
}

static uint64_t absolute(const struct image *im, const struct addresses *a, uint32_t i)
{
	return u64_at(im, a->offsets + 8 * (size_t)i);
}

static const struct formula {
	uint64_t (*of)(const struct image *im, const struct addresses *a, uint32_t i);
	const char *name;
} formulas[] = {
	{ negative_relative, "negative is relative" },
	{ unsigned_relative, "relative" },
	{ place_relative, "relative to place" },
	{ table_relative, "relative to table" },
	{ text_relative, "relative to text" },
	{ absolute, "absolute" },
};

#define NEED_BASE 2u			/* the first formulas need a relative base */
#define ABSOLUTE (ARRAY_SIZE(formulas) - 1)

static bool nearly_sorted(const struct image *im, const struct addresses *a, uint32_t nsyms)
{
	uint64_t previous = 0;
	uint32_t breaks = 0;

	for (uint32_t i = 0; i < nsyms; i++) {
		uint64_t v = a->of(im, a, i);

		breaks += v < previous;
		previous = v;
	}
	return breaks <= nsyms / 1000;
}

static bool try_offsets(const struct image *im, const struct kallsyms *k, size_t offsets,
			size_t relative_base, uint32_t text_index, struct addresses *ret)
{
	if (offsets > im->len || im->len - offsets < 4 * (size_t)k->nsyms)
		return false;
	for (unsigned i = 0; i < ABSOLUTE; i++) {
		const struct addresses a = { offsets, u64_at(im, relative_base), i, formulas[i].of };

		if (i < NEED_BASE && a.relative_base < KERNEL_LOW)
			continue;
		if (a.of(im, &a, text_index) == im->text && nearly_sorted(im, &a, k->nsyms)) {
			*ret = a;
			return true;
		}
	}
	return false;
}

static bool try_absolute(const struct image *im, const struct kallsyms *k, size_t table,
			 uint32_t text_index, struct addresses *ret)
{
	struct addresses a = { table, 0, ABSOLUTE, absolute };

	if (table > im->len || im->len - table < 8 * (size_t)k->nsyms ||
	    a.of(im, &a, text_index) != im->text || !nearly_sorted(im, &a, k->nsyms))
		return false;
	*ret = a;
	return true;
}

/* Offsets behind the token index (6.4 on), or before num_syms (until then). */
static bool locate_addresses(const struct image *im, const struct kallsyms *k,
			     uint32_t text_index, struct addresses *ret)
{
	size_t table = align_up(4 * (size_t)k->nsyms, 8);
	size_t behind = align_up(k->token_index + 2 * TOKENS, k->align);
	size_t before = k->names - k->align;

	if (try_offsets(im, k, behind, behind + table, text_index, ret))
		return true;
	if (before >= 8 + table &&
	    try_offsets(im, k, before - 8 - table, before - 8, text_index, ret))
		return true;
	table = 8 * (size_t)k->nsyms;
	return before >= table && try_absolute(im, k, before - table, text_index, ret);
}

static int resolve_at(const struct image *im, struct wanted_set *set, struct kallsyms *k,
		      const char **why)
{
	struct addresses a;

	*why = "kallsyms: tokens found, but no markers before them";
	if (!locate_markers(im, k))
		return -ENOENT;
	*why = "kallsyms: tokens and markers found, but no names before them";
	if (!locate_names(im, k))
		return -ENOENT;
	*why = "kallsyms: names found, but they do not decode, or _text is not among them";
	if (!match_names(im, k, set) || set->index[0] == UINT32_MAX)
		return -ENOENT;
	*why = "kallsyms: no known formula of addresses fits";
	if (!locate_addresses(im, k, set->index[0], &a))
		return -ENOENT;
	k->layout = formulas[a.formula].name;
	k->formula = a.formula;
	k->offsets = a.offsets;
	k->relative_base = a.relative_base;
	for (size_t w = 0; w < set->n; w++)
		if (set->index[w] != UINT32_MAX)
			set->symbol[w].address = a.of(im, &a, set->index[w]);
	return 0;
}

int kallsyms_resolve(const uint8_t *image, size_t len, uint64_t base, uint64_t text_base,
		     struct symbol *wanted, size_t nwanted, struct kallsyms *ret_tables,
		     const char **why)
{
	static const char digits[] = "0\0" "1\0" "2\0" "3\0" "4\0" "5\0" "6\0" "7\0" "8\0" "9";
	const struct image im = { image, len, base, text_base };
	struct symbol all[MAX_WANTED] = { { "_text", 0 } };

	unsigned digits_seen = 0, tables_seen = 0;

	*why = "kallsyms: no token table";
	if (nwanted > MAX_WANTED - 1)
		return -EINVAL;
	memcpy(all + 1, wanted, nwanted * sizeof(*wanted));
	for (size_t from = 0; from < len;) {
		const uint8_t *p = memmem(image + from, len - from, digits, sizeof(digits));
		struct wanted_set set;
		struct kallsyms k = { 0 };

		if (!p || digits_seen++ == MAX_DIGITS || tables_seen == MAX_TABLES)
			break;
		from = p - image + 1;
		if (!locate_tokens(&im, p - image, &k))
			continue;
		tables_seen++;
		set.symbol = all;
		set.n = nwanted + 1;
		memset(set.index, 0xff, sizeof(set.index));
		note_starts(&set);
		if (resolve_at(&im, &set, &k, why) == 0) {
			memcpy(wanted, all + 1, nwanted * sizeof(*wanted));
			*ret_tables = k;
			return 0;
		}
	}
	return -ENOENT;
}

int kallsyms_each(const uint8_t *image, size_t len, uint64_t base, uint64_t text_base,
		  const struct kallsyms *tables,
		  int (*fn)(void *ctx, const char *name, uint64_t address), void *ctx)
{
	const struct image im = { image, len, base, text_base };
	const struct addresses a = { tables->offsets, tables->relative_base, tables->formula,
				     formulas[tables->formula].of };
	struct kallsyms k = *tables;
	size_t at = k.names;
	int r = 0;

	/* Read again: they may not be what they were. */
	if (k.token_table > len || !index_fits(&im, &k, k.token_table + token_at(&im, &k, '0')))
		return -EPROTO;
	for (uint32_t i = 0; i < k.nsyms && !r; i++) {
		char name[MAX_NAME + 1];
		uint32_t n;

		if (!name_length(&im, &at, k.markers, &n))
			return -EPROTO;
		if (expand(&im, &k, at, n, name, MAX_NAME) > 1)
			r = fn(ctx, name, a.of(&im, &a, i));
		at += n;
	}
	return r;
}
