/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control API: HTTP and JSON over RUN_DIR/control.sock, for the operators'
 * group.  docs/openapi.json is its specification, held against it by a test.
 *
 * What changes something is a POST or DELETE, and is in the journal with its
 * peer's user and process before it is done.
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

/* Bound and listening; ends the process if the path is taken. */
int control_socket(const char *run_dir, const char *group);

/* ---- what requests wait for ---- */

void control_acted(struct control *c, uint64_t ticket, const struct m_acted *m);
/* done NULL: the introspector is lost.  rows is taken over; NULL for a look. */
void control_introspected(struct control *c, uint64_t ticket, const struct m_done *done,
			  json_t *rows);
/* Of an extraction; fd is taken over, sealed, and has size bytes. */
void control_content(struct control *c, uint64_t ticket, const struct m_content *m, int fd,
		     uint64_t size);
/* done NULL: the channel is lost.  rows is taken over. */
void control_agents(struct control *c, uint64_t ticket, const struct m_agent_done *done,
		    json_t *rows);

#endif
