/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's state and the journal's rows as JSON, for the control API. */
#ifndef WARDEN_ENGINE_VIEWS_H
#define WARDEN_ENGINE_VIEWS_H

#include <jansson.h>

#include "engine/engine.h"

#define I(x) ((json_int_t)(x))

static inline void view_set(json_t *object, const char *key, json_t *value)
{
	json_object_set_new(object, key, value);
}

/* ---- view_status.c ---- */

json_t *view_status(struct engine *e);

/* ---- view_guest.c ---- */

json_t *view_guests(struct engine *e);
json_t *view_integrity(struct engine *e);
/* False: of a guest that is gone. */
bool view_is_checked(struct engine *e, const struct m_integrity_done *done);
json_t *view_guest(struct engine *e, struct guest *g);
json_t *view_sessions(const struct engine *e);
json_t *view_counters(const struct m_counters *c);
json_t *view_objects(struct engine *e, struct guest *only);	/* NULL: of all guests */
json_t *view_freedom(const struct guest *g);
/* An id: "7", or "+7", which is never a name. */
bool view_guest_id(const char *text, uint64_t *ret_id);
/* NULL and *ret_many: several have that name. */
struct guest *view_find_named(struct engine *e, const char *name, bool *ret_many);
/* By id or name; NULL and *ret_many: it stands for several. */
struct guest *view_find_guest(struct engine *e, const char *text, bool *ret_many);

/* ---- view_guard.c ---- */

const char *guard_mode_name(const struct m_guard_state *state);
const char *guard_state_name(const struct m_guard_state *state);
json_t *view_guard(const struct engine *e);
json_t *view_guard_counts(const struct guest *g);

/* ---- view_tasks.c ---- */

json_t *view_task(const struct guest *g, const struct m_task *m);
json_t *view_sweep(const struct guest *g);
/* rows is taken over; NULL: those of the inventory, and why there are no fresh ones. */
json_t *view_tasks(const struct guest *g, json_t *rows, bool complete, const char *why);

/* ---- view_findings.c, view_explain.c, view_journal.c.  NULL: the journal cannot be read ---- */

json_t *view_findings(struct engine *e, const char *guest, uint64_t limit);
/* null if there is none */
json_t *view_finding(struct engine *e, uint64_t id);
json_t *view_explanation(struct engine *e, uint64_t id);
json_t *view_order(struct engine *e, uint64_t id);
json_t *view_quarantine(struct engine *e, const char *guest);
json_t *view_journal(struct engine *e, uint64_t after, uint64_t limit);
json_t *view_verified(const struct journal_verify *v, enum verify_state state);
json_t *view_results(struct engine *e, json_int_t of);
json_t *view_query(struct engine *e, const char *sql, json_int_t id);

#endif
