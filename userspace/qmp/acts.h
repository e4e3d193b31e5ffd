/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the host asks of a VMM through its monitor. */
#ifndef WARDEN_QMP_ACTS_H
#define WARDEN_QMP_ACTS_H

#include "qmp/qmp.h"

/* HOST_PAUSE, HOST_RESUME, HOST_LINK_DOWN, HOST_LINK_UP, HOST_POWER_OFF. */
bool act_is_known(uint32_t verb);

/* Carries it out, sees that it is so, and says what was found. */
void act_run(struct qmp *q, uint32_t verb, struct m_acted *ret_acted);

#endif
