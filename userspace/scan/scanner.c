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
 * One pass with everything for files; signatures of files need their parsers.
 * Memory has no parser.  It is still typed by its first bytes, as the one
 * option that reports limits rules libclamav's raw mode out.
 */
static struct cl_scan_options options(uint32_t profile)
{
	return (struct cl_scan_options) {
		.general = profile == SCAN_FILE ? CL_SCAN_GENERAL_HEURISTICS : 0,
		.parse = profile == SCAN_FILE ? ~0u : 0,
		.heuristic = CL_SCAN_HEURISTIC_EXCEEDS_MAX,
	};
}

static void scan_part(const struct scanner *s, uint32_t profile, const void *data,
		      size_t size, uint64_t deadline, struct m_verdict *v)
{
	struct cl_scan_options how = options(profile);
	cl_fmap_t *map = cl_fmap_open_memory(data, size);
	const char *name = NULL;
	unsigned long blocks = 0;
	bool looked_at = false;
	cl_error_t r;

	if (!map)
		return not_scanned(v, "libclamav: no memory");
	out_of_resources = false;
	r = cl_scanmap_callback(map, NULL, &name, &blocks, s->engine, &how, &looked_at);
	cl_fmap_close(map);
	if (r == CL_VIRUS)
		alerted(v, name);
	else if (r != CL_CLEAN)
		failed(v, r);
	else if (now_ms() > deadline)
		not_scanned(v, "time limit");
	else if (out_of_resources)
		not_scanned(v, "out of memory or temporary space");
	else if (!looked_at || (!blocks && size >= CL_COUNT_PRECISION))
		not_scanned(v, "libclamav did not look at it");
	else
		v->verdict = VERDICT_CLEAN;
}

/* False when there is no time for another part. */
static bool set_time_left(const struct scanner *s, uint64_t deadline)
{
	uint64_t now = now_ms();

	return now < deadline &&
	       !cl_engine_set_num(s->engine, CL_ENGINE_MAX_SCANTIME, deadline - now);
}

/*
 * A region larger than one scan goes in overlapping parts; a signature that
 * spans more than the overlap may be missed at a part's border.
 */
void scanner_scan(const struct scanner *s, uint32_t profile, const void *data,
		  size_t size, struct m_verdict *v)
{
	uint64_t deadline = now_ms() + s->scan_seconds * 1000ull;
	size_t at = 0;

	memset(v, 0, sizeof(*v));
	cl_set_clcb_msg(on_message);
	for (;;) {
		size_t part = MIN(size - at, CONTENT_FILE_MAX);

		if (!set_time_left(s, deadline))
			return not_scanned(v, "time limit");
		scan_part(s, profile, (const uint8_t *)data + at, part, deadline, v);
		if (v->verdict != VERDICT_CLEAN || at + part == size)
			return;
		at += part - CONTENT_OVERLAP;
	}
}
