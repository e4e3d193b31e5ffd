/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's jail: its journal, its socket, its peers. */
#ifndef WARDEN_ENGINE_JAIL_H
#define WARDEN_ENGINE_JAIL_H

#include <stdint.h>

/*
 * Makes the journal's folder and gives it to that user, with what other users
 * of ours left in it: nobody, or those of another uid_base.  0 or -errno.
 */
int jail_engine_folder(const char *journal, uint32_t uid);

/* 0, or -1 and a line in the log: the caller must exit. */
int jail_engine(const char *journal, uint32_t uid);

#endif
