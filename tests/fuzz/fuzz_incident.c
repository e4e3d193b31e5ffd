// SPDX-License-Identifier: GPL-2.0-or-later
/* What the guard saw, with a VMM's texts in it: refused, or printable and within bounds. */
#include "fuzz.h"
#include "engine/incident.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct m_guard_events events;
	static struct msg m;
	struct warden_guard_event raw;
	struct incident i;

	if (size > sizeof(m.payload))
		return 0;
	m = (struct msg){ .type = msg_guard_events.type, .fd = -1, .len = size };
	memcpy(m.payload, data, size);
	if (!msg_decode(&m, &msg_guard_events, &events))
		return 0;
	must(events.events.len <= sizeof(events.events.data));
	for (uint32_t at = 0; at + sizeof(raw) <= events.events.len; at += sizeof(raw)) {
		memcpy(&raw, events.events.data + at, sizeof(raw));
		if (!incident_decode(&raw, &i))
			continue;
		must(i.what && i.what < GUARD_KINDS && incident_signature(i.what));
		must(i.path[0] && text_is_printable(i.path) && text_is_printable(i.comm) &&
		     text_is_printable(i.rule) && incident_actor(&i));
	}
	return 0;
}
