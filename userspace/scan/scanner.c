// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * libclamav says "clean" for much that it never looked at: a buffer over its
 * limits, a scan out of time, a temporary file it could not write.  Here each
 * of these is "not scanned", and clean needs proof that the content was seen.
 */
#include "scan/scanner.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/util.h"
#include "scan/content.h"

#define LIMIT_PREFIX "Heuristics.Limits.Exceeded"

/* What one pass over a content came to see of it. */
struct scanner_sight {
	bool seen;
	bool bytes_skipped;		/* its type exempts the bytes themselves */
	unsigned long blocks;		/* scanned, of it and of what it holds */
};

static bool out_of_resources;

/* Parsers go on without a part they had no memory or room for. */
static void on_message(enum cl_msg severity, const char *full, const char *text, void *context)
{
	static const char *const signs[] = {
		"allocat", "space", "rite", "emporary", "reate",
	};

	for (size_t i = 0; severity != CL_MSG_INFO_VERBOSE && i < ARRAY_SIZE(signs); i++)
		if (strstr(text, signs[i]))
			out_of_resources = true;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

static void not_scanned(struct m_verdict *v, const char *why)
{
	v->verdict = VERDICT_NOT_SCANNED;
	text_escape(v->name, sizeof(v->name), why, strlen(why));
}

/* libclamav reports a limit as a virus without a name or with such a name. */
static void alerted(struct m_verdict *v, const char *name)
{
	char why[TEXT_WHY];

	if (name && strncmp(name, LIMIT_PREFIX, strlen(LIMIT_PREFIX))) {
		v->verdict = VERDICT_INFECTED;
		text_escape(v->name, sizeof(v->name), name, strlen(name));
	} else if (name && !strcmp(name, LIMIT_PREFIX ".MaxScanTime")) {
		not_scanned(v, "time limit");
	} else {
		snprintf(why, sizeof(why), "limit exceeded: %s",
			 name ? name + strlen(LIMIT_PREFIX ".") : "size");
		not_scanned(v, why);
	}
}

static void failed(struct m_verdict *v, cl_error_t r)
{
	char why[TEXT_WHY];

	snprintf(why, sizeof(why), "libclamav: %s", cl_strerror(r));
	not_scanned(v, r == CL_ETIMEOUT ? "time limit" : why);
}

/*
 * EVERYTHING: all parsers; but libclamav then skips the bytes themselves of
 * what it takes for HTML, or for a type without threats (ID3...), and a guest
 * picks its files' first bytes.
 * RAW: the bytes and nothing else.  Signatures bound to a type do not match.
 * TYPED: no parser, but signatures of the type that the first bytes say.
 *
 * A raw scan cannot report a time-out: libclamav would end it as clean.  So it
 * gets no limit there, and the pool's watchdog ends it if need be.
 */
enum mode { EVERYTHING, RAW, TYPED };

static struct cl_scan_options options(enum mode mode)
{
	struct cl_scan_options o = { 0 };

	if (mode != RAW)
		o.heuristic = CL_SCAN_HEURISTIC_EXCEEDS_MAX;
	if (mode == EVERYTHING) {
		o.general = CL_SCAN_GENERAL_HEURISTICS;
		o.parse = ~0u;
	}
	return o;
}

/* False when there is no time for another pass. */
static bool set_time(const struct scanner *s, enum mode mode, uint64_t deadline)
{
	uint64_t now = now_ms();

	return now < deadline &&
	       !cl_engine_set_num(s->engine, CL_ENGINE_MAX_SCANTIME,
				  mode == RAW ? 0 : deadline - now);
}

static void pass(const struct scanner *s, enum mode mode, const void *data, size_t size,
		 uint64_t deadline, struct scanner_sight *sight, struct m_verdict *v)
{
	struct cl_scan_options how = options(mode);
	const char *name = NULL;
	cl_fmap_t *map;
	cl_error_t r;

	*sight = (struct scanner_sight) { 0 };
	if (!set_time(s, mode, deadline))
		return not_scanned(v, "time limit");
	map = cl_fmap_open_memory(data, size);
	if (!map)
		return not_scanned(v, "libclamav: no memory");
	out_of_resources = false;
	r = cl_scanmap_callback(map, NULL, &name, &sight->blocks, s->engine, &how, sight);
	cl_fmap_close(map);
	if (r == CL_VIRUS)
		alerted(v, name);
	else if (r != CL_CLEAN)
		failed(v, r);
	else if (now_ms() > deadline)
		not_scanned(v, "time limit");
	else if (out_of_resources)
		not_scanned(v, "out of memory or temporary space");
	else
		v->verdict = VERDICT_CLEAN;
}

/* A pass over the bytes.  The count of blocks is 0 for less than one. */
static void pass_bytes(const struct scanner *s, enum mode mode, const void *data,
		       size_t size, uint64_t deadline, struct m_verdict *v)
{
	struct scanner_sight sight;

	pass(s, mode, data, size, deadline, &sight, v);
	if (v->verdict == VERDICT_CLEAN &&
	    (!sight.seen || (!sight.blocks && size >= CL_COUNT_PRECISION)))
		not_scanned(v, "libclamav did not look at it");
}

static void scan_file(const struct scanner *s, const void *data, size_t size,
		      uint64_t deadline, struct m_verdict *v)
{
	struct scanner_sight sight;

	pass(s, EVERYTHING, data, size, deadline, &sight, v);
	if (v->verdict == VERDICT_CLEAN && (!sight.blocks || sight.bytes_skipped))
		pass_bytes(s, RAW, data, size, deadline, v);
}

/*
 * A region larger than one scan goes in overlapping parts; a signature that
 * spans more than the overlap may be missed at a part's border.  A part that
 * begins as an ELF file is typed: for that type libclamav skips no bytes.
 */
static void scan_memory(const struct scanner *s, const uint8_t *data, size_t size,
			uint64_t deadline, struct m_verdict *v)
{
	size_t at = 0, part;

	for (;;) {
		part = MIN(size - at, CONTENT_FILE_MAX);
		pass_bytes(s, memcmp(data + at, "\177ELF", 4) ? RAW : TYPED, data + at, part,
			   deadline, v);
		if (v->verdict != VERDICT_CLEAN || at + part == size)
			return;
		at += part - CONTENT_OVERLAP;
	}
}

void scanner_scan(const struct scanner *s, uint32_t profile, const void *data,
		  size_t size, struct m_verdict *v)
{
	uint64_t deadline = now_ms() + s->scan_seconds * 1000ull;

	memset(v, 0, sizeof(*v));
	cl_set_clcb_msg(on_message);
	if (profile == SCAN_FILE)
		scan_file(s, data, size, deadline, v);
	else
		scan_memory(s, data, size, deadline, v);
}

/* Called first for the content itself, then for what it holds. */
static cl_error_t on_scan(int fd, const char *type, void *context)
{
	struct scanner_sight *sight = context;

	if (!sight->seen)
		sight->bytes_skipped = !strncmp(type, "CL_TYPE_HTML", 12) ||
				       !strcmp(type, "CL_TYPE_IGNORED");
	sight->seen = true;
	return CL_CLEAN;
}

void scanner_prepare(struct cl_engine *engine)
{
	cl_engine_set_clcb_pre_scan(engine, on_scan);
}
