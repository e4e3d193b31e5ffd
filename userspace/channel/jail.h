/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The channel's jail: its listener, its connections, the engine, the folder of agents. */
#ifndef WARDEN_CHANNEL_JAIL_H
#define WARDEN_CHANNEL_JAIL_H

#include <stdint.h>

/* 0, or -1 and a line in the log: the caller must exit. */
int jail_channel(const char *agents, uint32_t uid);

#endif
