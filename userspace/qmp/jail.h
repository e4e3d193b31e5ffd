/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The jail of warden-qmp: the connected monitors, its parent, and nothing else. */
#ifndef WARDEN_QMP_JAIL_H
#define WARDEN_QMP_JAIL_H

#include <stdint.h>

/* 0, or -1 and a line in the log: the caller must exit. */
int jail_qmp(uint32_t uid);

#endif
