/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A disposable process that scans what its socket brings until it closes. */
#ifndef WARDEN_SCAN_WORKER_H
#define WARDEN_SCAN_WORKER_H

#include <stdnoreturn.h>

#include "scan/scanner.h"

noreturn void worker_serve(int sock, const struct scanner *scanner);

#endif
