/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the checks of views and of the kernel have in common. */
#ifndef WARDEN_CHECK_H
#define WARDEN_CHECK_H

#include "introspect/views.h"

#define CHECK_BUDGET_MS 20000u

void check_pause(unsigned milliseconds);

/* ---- clock.c ---- */

/* Did the guest run while it was looked at again?  A dump need not: it counts as if. */
struct check_looks {
	const struct kernel *k;
	uint64_t clock;
	bool ran;
};

/* Before the first look. */
void check_looks_begin(struct check_looks *l, const struct kernel *k);

/* Before another; before the last one a guest that has not run yet is waited for. */
void check_look_again(struct check_looks *l, unsigned pause_ms, bool last);

/* ---- check.c ---- */

/* The path of an executable, escaped; "" if it cannot be read. */
void check_exe(const struct kernel *k, uint64_t file, char *out, size_t size);

/* Appends to m->why, as far as there is room. */
void check_add_why(struct m_checked *m, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The names of those n views whose bits are set, with commas. */
void check_list_views(uint32_t views, int n, const char *(*name)(int view), char *out, size_t size);

/* Why such an error left it open. */
const char *check_problem(int error);

/* False, and m says so: the kernel is not up yet, or goes down. */
bool check_booted(const struct kernel *k, struct m_checked *m);

/* It ended early. */
void check_failed(const struct introspector *in, struct m_checked *m, int error);

#endif
