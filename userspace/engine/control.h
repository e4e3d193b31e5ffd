/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control API: HTTP and JSON over RUN_DIR/control.sock, for the operators'
 * group.  Read only.
 *
 *   GET /v1/status
 *   GET /v1/guests              GET /v1/guests/GUEST     (id or name)
 *   GET /v1/guests/GUEST/tasks  at most 5 s old, by a sweep if need be
 *   GET /v1/findings?guest=GUEST&limit=N                 newest first
 *   GET /v1/findings/ID
 *   GET /v1/journal/verify
 *
 * An error: {"error": {"code", "message", "what_to_do"}}.  Times end in _ns:
 * wall_ns since 1970, mono_ns of CLOCK_MONOTONIC.
 */
#ifndef WARDEN_ENGINE_CONTROL_H
#define WARDEN_ENGINE_CONTROL_H

#include <jansson.h>
#include <stdint.h>

#include "engine/engine.h"

/* Before the sandbox: the socket, its group and mode, and the server. */
struct control *control_open(struct engine *e);
void control_close(struct control *c);

/* Goes on with requests that wait; when it is to be called again. */
uint64_t control_pump(struct control *c, uint64_t now);

/* ---- views.c: the engine's state as JSON ---- */

json_t *view_status(struct engine *e);
json_t *view_guests(struct engine *e);
json_t *view_guest(struct engine *e, struct guest *g);
json_t *view_tasks(struct engine *e, struct guest *g);
/* NULL: the journal cannot be read. */
json_t *view_findings(struct engine *e, const char *guest, uint64_t limit);
json_t *view_finding(struct engine *e, uint64_t id);
json_t *view_verified(struct engine *e, const struct journal_verify *v, enum verify_state state);
/* By id or name; *ret_many: several have that name. */
struct guest *view_find_guest(struct engine *e, const char *text, bool *ret_many);

#endif
