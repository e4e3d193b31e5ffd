/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine's requests, answered one after the other. */
#ifndef WARDEN_SERVE_H
#define WARDEN_SERVE_H

#include "introspect/look.h"
#include "introspect/rest.h"
#include "introspect/watches.h"

struct role {
	struct introspector in;
	struct guest_memory mem;
	struct look_sink sink;
	struct watches watches;
	struct rest rest;
	bool watch_tables;		/* the operator's wish */
	uint64_t id;			/* of the request being answered */
};

/* Until the engine or the guest ends. */
void serve_engine(struct role *role);

#endif
