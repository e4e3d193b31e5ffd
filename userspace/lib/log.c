// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sysexits.h>

static const char *log_program = "warden";
static bool log_debugging, log_to_journal;

void log_open(const char *program, bool debug)
{
	log_program = program;
	log_debugging = debug;
	log_to_journal = getenv("JOURNAL_STREAM") != NULL;
	/* One that runs from a descriptor has that one's number for a name. */
	prctl(PR_SET_NAME, program);
}

/* One write per line, so that the lines of several roles do not mix. */
static void log_line(int priority, const char *format, va_list args)
{
	char line[2048];
	int n = 0;

	if (log_to_journal)
		n = snprintf(line, sizeof(line), "<%d>", priority);
	n += snprintf(line + n, sizeof(line) - n, "%s: ", log_program);
	n += vsnprintf(line + n, sizeof(line) - n, format, args);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n] = '\n';
	line[n + 1] = '\0';
	fputs(line, stderr);
}

void log_at(int priority, const char *format, ...)
{
	va_list args;

	if (priority == LOG_DEBUG && !log_debugging)
		return;
	va_start(args, format);
	log_line(priority, format, args);
	va_end(args);
}

static noreturn void end(int status, const char *format, va_list args)
{
	log_line(LOG_CRIT, format, args);
	exit(status);
}

noreturn void fatal(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	end(1, format, args);
}

noreturn void fatal_given(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	end(EX_CONFIG, format, args);
}
