/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lines on standard error.  Under systemd they carry the priority prefix that
 * the journal understands.  A role that fails beyond repair exits; its parent
 * reports it.
 */
#ifndef WARDEN_LOG_H
#define WARDEN_LOG_H

#include <stdbool.h>
#include <stdnoreturn.h>
#include <syslog.h>

/* Before the sandbox: the name that every line starts with, and the process has. */
void log_open(const char *program, bool debug);

void log_at(int priority, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#define log_err(...) log_at(LOG_ERR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARNING, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

/* Logs and exits with status 1: trust or a precondition is broken. */
noreturn void fatal(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* As fatal(), with EX_CONFIG: what we were given is refused, and would be again. */
noreturn void fatal_given(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

#endif
