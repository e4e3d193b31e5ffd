/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_ENGINE_SIGNS_H
#define WARDEN_ENGINE_SIGNS_H

#include "engine/engine.h"

#define SIGNS_FOUND_BY "memory"		/* of such findings */

/* One that the engine itself has found. */
void signs_found(struct guest *g, const struct m_sign *sign);

/* M_SIGN, M_CHECKED: 0, or -1 for one that is malformed. */
int signs_sign(struct guest *g, struct msg *m, struct request *r, uint64_t now);
/* An M_SIGN that nobody asked for: a write to the guest's tables. */
int signs_written(struct guest *g, struct msg *m, uint64_t now);
int signs_checked(struct guest *g, struct msg *m, struct request *r, uint64_t now);

#endif
