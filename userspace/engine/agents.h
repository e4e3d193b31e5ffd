/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What operators have the channel do with agents' keys. */
#ifndef WARDEN_ENGINE_AGENTS_H
#define WARDEN_ENGINE_AGENTS_H

#include "engine/engine.h"

/* Its ticket, or 0: too much is under way, or the channel does not take it. */
uint64_t agents_ask(struct engine *e, const struct m_agent_act *m);

/* 0, or -1 if malformed or an answer to nothing. */
int agents_message(struct engine *e, struct msg *m);
void agents_lost(struct engine *e);

#endif
