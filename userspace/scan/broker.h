/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the engine and the workers: checks, hashes, remembers, answers. */
#ifndef WARDEN_SCAN_BROKER_H
#define WARDEN_SCAN_BROKER_H

#include <stdnoreturn.h>

#include "lib/config.h"

/* Until the engine closes its socket.  Already jailed. */
noreturn void broker_serve(int engine, int starter, const struct config *config);

#endif
