/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_ENGINE_SIGNS_H
#define WARDEN_ENGINE_SIGNS_H

#include "engine/engine.h"

#define SIGNS_FOUND_BY "memory"		/* of such findings */

/* One that the engine itself has found. */
void signs_found(struct guest *g, const struct m_sign *sign);

/* M_SIGN, M_CHECKED: 0, or -1 for one that is malformed. */
int signs_sign(struct guest *g, struct msg *m);
int signs_checked(struct guest *g, struct msg *m);

#endif
