/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A rule's limits: so many answers of a kind in so many minutes. */
#ifndef WARDEN_ENGINE_LIMITS_H
#define WARDEN_ENGINE_LIMITS_H

#include "engine/engine.h"

/* True, and which, if no more answers of that kind may follow now. */
bool limits_met(struct guest *g, const struct policy_entry *rule, enum answer_kind kind,
		char *why, size_t size);

#endif
