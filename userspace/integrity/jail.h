/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The jail of what takes apart modules' files and a VMM's memory. */
#ifndef WARDEN_INTEGRITY_JAIL_H
#define WARDEN_INTEGRITY_JAIL_H

#include <stdint.h>

/* 0, or -1 and a line in the log: the caller must exit. */
int jail_integrity(uint32_t uid);

#endif
