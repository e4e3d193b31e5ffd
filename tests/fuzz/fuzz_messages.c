// SPDX-License-Identifier: GPL-2.0-or-later
/* What the engine may send to the channel: first byte chooses the message. */
#include "fuzz.h"
#include "lib/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct msg_schema *const schemas[] = { &msg_order, &msg_bound, &msg_agent_act };
	static union {
		struct m_order order;
		struct m_bound bound;
		struct m_agent_act act;
	} value;
	static struct msg m, again;
	const struct msg_schema *schema;

	if (!size || size - 1 > sizeof(m.payload))
		return 0;
	schema = schemas[data[0] % 3];
	m = (struct msg){ .type = schema->type, .fd = -1, .len = size - 1 };
	memcpy(m.payload, data + 1, size - 1);
	if (msg_decode(&m, schema, &value)) {
		must(!msg_encode(&again, schema, 0, &value, -1));
		must(again.len == m.len && !memcmp(again.payload, m.payload, m.len));
	}
	return 0;
}
