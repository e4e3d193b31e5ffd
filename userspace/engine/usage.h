/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process's CPU and memory over time, from the sweeps' samples: abnormal if
 * above a rule's threshold all the time that the rule says, and twice what its
 * program has used in that guest before.
 */
#ifndef WARDEN_ENGINE_USAGE_H
#define WARDEN_ENGINE_USAGE_H

#include "engine/engine.h"

/* A sweep has shown t. */
void usage_sample(struct guest *g, struct task *t, const struct m_task *m, uint64_t now);

#endif
