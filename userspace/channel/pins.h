/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The agents that may log in: NAME.pub in a folder, read once at the start. */
#ifndef WARDEN_PINS_H
#define WARDEN_PINS_H

#include <stddef.h>
#include <stdint.h>

#include "lib/messages.h"
#include "warden/wire.h"

struct pin {
	char name[TEXT_NAME];
	uint8_t key[WIRE_KEY];
};

struct pins {
	struct pin *pin;
	size_t n;
};

/* Bad files are skipped with a line in the log; no folder: no agents. */
void pins_load(const char *folder, struct pins *ret_pins);

/* NULL: not pinned. */
const struct pin *pins_find(const struct pins *pins, const uint8_t key[WIRE_KEY]);

#endif
