// SPDX-License-Identifier: GPL-2.0-or-later
/* What parent, engine, introspector and scanner may be sent: first byte chooses the message. */
#include "fuzz.h"
#include "lib/messages.h"
#include "lib/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct msg_schema *const schemas[] = {
		&msg_guest_up, &msg_guest_down, &msg_guest_cid, &msg_events, &msg_counters,
		&msg_role_state, &msg_act, &msg_acted, &msg_look, &msg_sweep, &msg_probe,
		&msg_kernel, &msg_task, &msg_object, &msg_uses, &msg_done, &msg_probed, &msg_list,
		&msg_look_pid, &msg_maps, &msg_vma, &msg_beacon, &msg_beacon_seen, &msg_scan,
		&msg_verdict, &msg_database, &msg_result, &msg_session, &msg_agent_info,
		&msg_agent_done, &msg_taken, &msg_guest_level, &msg_guard_taken,
		&msg_cids_state,
		&msg_tell_kernel, &msg_kernel_facts, &msg_module,
		&msg_rest, &msg_rest_file, &msg_rested, &msg_guest_named, &msg_guard_judged,
	};
	static uint8_t value[sizeof(struct m_events) + 16384] __attribute__((aligned(16)));
	static struct msg m, again;
	const struct msg_schema *schema;

	if (!size || size - 1 > sizeof(m.payload))
		return 0;
	schema = schemas[data[0] % ARRAY_SIZE(schemas)];
	must(schema->struct_size <= sizeof(value));
	m = (struct msg){ .type = schema->type, .fd = -1, .len = size - 1 };
	memcpy(m.payload, data + 1, size - 1);
	if (msg_decode(&m, schema, value)) {
		must(!msg_encode(&again, schema, 0, value, -1));
		must(again.len == m.len && !memcmp(again.payload, m.payload, m.len));
	}
	return 0;
}
