/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files at rest: what lies in a guest's page cache and no process executes.  Rounds
 * over all of them begin rest_seconds apart and are made in parts, each when nothing
 * else is asked of the guest, and the scanner has nothing else to do.
 */
#ifndef WARDEN_ENGINE_REST_H
#define WARDEN_ENGINE_REST_H

#include "engine/engine.h"

#define REST_FOUND_BY "rest"

/* Asks for the next part of a guest's round; when to be called again. */
uint64_t rest_pump(struct engine *e, uint64_t now);

/* All of that guest is scanned again, from the next part on. */
void rest_anew(struct guest *g);

/* Its introspector ended: nothing of the round is known any more. */
void rest_lost(struct guest *g);

/* Messages of an introspector: 0, or -1 for one that is malformed or not asked for. */
int rest_file(struct guest *g, struct msg *m, struct request *r, uint64_t now);
int rest_ended(struct guest *g, struct msg *m, struct request *r, uint64_t now);

/* g NULL: it is gone. */
void rest_verdict(struct guest *g, const struct scan_job *job, const struct m_verdict *v);

json_t *view_rest(const struct guest *g);

#endif
