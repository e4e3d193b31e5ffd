// SPDX-License-Identifier: GPL-2.0-or-later
#include "integrity/report.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "lib/util.h"

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

static void post(const struct msg_schema *schema, const void *message)
{
	if (msg_post(ROLE_FD, schema, 0, message, -1))
		fatal("the parent takes no %s", schema->name);
}

void report_begin(struct report *report, const char *what)
{
	memset(report, 0, sizeof(*report));
	report->started = now_us();
	snprintf(report->done.what, sizeof(report->done.what), "%s", what);
}

void report_difference(struct report *report, const char *section, const char *symbol,
		       uint64_t offset, uint64_t address, uint64_t length,
		       const uint8_t *expected, const uint8_t *found, size_t shown)
{
	struct m_integrity_difference d = { .offset = offset, .address = address, .length = length };

	if (report->done.differences++ >= REPORT_DIFFERENCES)
		return;
	memcpy(d.what, report->done.what, sizeof(d.what));
	text_escape(d.section, sizeof(d.section), section, strlen(section));
	text_escape(d.symbol, sizeof(d.symbol), symbol, strlen(symbol));
	shown = MIN(shown, sizeof(d.expected) / 2);
	hex_encode(d.expected, expected, shown);
	hex_encode(d.found, found, shown);
	post(&msg_integrity_difference, &d);
}

void report_end(struct report *report, uint32_t status, const char *why)
{
	report->done.elapsed_us = now_us() - report->started;
	report->done.status = report->done.differences ? INTEGRITY_DIFFERS :
			      status ? status : INTEGRITY_CLEAN;
	text_escape(report->done.why, sizeof(report->done.why), why, strlen(why));
	post(&msg_integrity_done, &report->done);
}
