/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guard saw a VMM do, out of the kernel's struct: checked, escaped, in words. */
#ifndef WARDEN_ENGINE_INCIDENT_H
#define WARDEN_ENGINE_INCIDENT_H

#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/messages.h"
#include "warden/guard.h"

#define INCIDENT_KIND "vmm guard"	/* object_kind of such a finding */

struct incident {
	uint64_t guest, time_ns, address, length;
	uint32_t vmm, pid, what, flags, detail;
	char comm[TEXT_COMM];
	char path[TEXT_PATH];		/* what it was done to */
	char rule[TEXT_PATH + 16];	/* the profile's line that would allow it; "" */
};

/* False: no such struct was made by our programs. */
bool incident_decode(const struct warden_guard_event *raw, struct incident *ret_incident);

/* "Guard.Exec", what rules of the policy match. */
const char *incident_signature(uint32_t what);

/* "started a program"; of a change by name, which it was. */
const char *incident_words(const struct incident *incident);

/* "the VMM", "a child of the VMM", "a helper of the VMM" */
const char *incident_actor(const struct incident *incident);

#endif
