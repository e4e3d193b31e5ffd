/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the checks of views and of the kernel have in common. */
#ifndef WARDEN_CHECK_H
#define WARDEN_CHECK_H

#include "introspect/views.h"

#define CHECK_BUDGET_MS 20000u
#define SURE_CALLS 440u			/* system calls that any kernel of ours has */

void check_pause(unsigned milliseconds);

/* ---- clock.c ---- */

#define CHECK_ENOUGH 4u			/* looks, to be sure of a difference */

/*
 * Did the guest run between the looks at it?  One that stands still in the middle of
 * something shows it for as long, so that only a look after it has run tells more.
 */
struct check_looks {
	const struct kernel *k;
	uint64_t clock;			/* the guest's own, at the last look that counts */
	unsigned looks;			/* that count */
	bool known, stands;		/* stands: it was waited for in vain */
};

/* Before the first look. */
void check_looks_begin(struct check_looks *l, const struct kernel *k);

/*
 * Before another, which counts if it is true: the guest has run.  A dump need not, its
 * looks all count.  It is waited for once so few may follow (more) that enough need it.
 */
bool check_look_again(struct check_looks *l, unsigned pause_ms, unsigned more);

/* So many that what all of them saw is no accident; of a dump one is. */
bool check_looks_enough(const struct check_looks *l);

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
