// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/messages.h"

#include "lib/util.h"

#define FIELD(k, s, f) { k, offsetof(struct s, f), sizeof(((struct s *)0)->f) }
#define U32(s, f) FIELD(MSG_U32, s, f)
#define U64(s, f) FIELD(MSG_U64, s, f)
#define TEXT(s, f) FIELD(MSG_TEXT, s, f)
#define BYTES(s, f) FIELD(MSG_BYTES, s, f)
#define BLOB(s, f) FIELD(MSG_BLOB, s, f)

#define SCHEMA(low, up, ...)						\
	static const struct msg_field low##_fields[] = { __VA_ARGS__ };	\
	const struct msg_schema msg_##low = {				\
		M_##up, sizeof(struct m_##low),				\
		ARRAY_SIZE(low##_fields), low##_fields, #low,		\
	};

SCHEMA(guest_up, GUEST_UP, U64(m_guest_up, guest), U32(m_guest_up, vmm_pid),
       TEXT(m_guest_up, name))
SCHEMA(guest_down, GUEST_DOWN, U64(m_guest_down, guest))
SCHEMA(guest_cid, GUEST_CID, U64(m_guest_cid, guest), U32(m_guest_cid, cid),
       TEXT(m_guest_cid, source))
SCHEMA(events, EVENTS, BLOB(m_events, events))
SCHEMA(counters, COUNTERS, U64(m_counters, guest), U64(m_counters, exits),
       U64(m_counters, emitted), U64(m_counters, delivered),
       U64(m_counters, dropped), U64(m_counters, suppressed),
       U64(m_counters, missed), U64(m_counters, lag_us), U32(m_counters, vcpus), U32(m_counters, flags))
SCHEMA(role_state, ROLE_STATE, U32(m_role_state, state), U64(m_role_state, guest),
       TEXT(m_role_state, role), TEXT(m_role_state, why))

SCHEMA(look, LOOK, U64(m_look, cr3))
SCHEMA(sweep, SWEEP, U32(m_sweep, resend))
SCHEMA(probe, PROBE, U32(m_probe, pid), U64(m_probe, start_ns))
SCHEMA(kernel, KERNEL, U32(m_kernel, state), TEXT(m_kernel, release),
       TEXT(m_kernel, banner), TEXT(m_kernel, why), U64(m_kernel, text_base),
       U64(m_kernel, discovery_us))
SCHEMA(task, TASK, U32(m_task, pid), U32(m_task, ppid), U32(m_task, uid),
       U32(m_task, flags), U64(m_task, start_ns), U64(m_task, cr3),
       TEXT(m_task, comm), TEXT(m_task, exe), TEXT(m_task, argv),
       BYTES(m_task, exe_hash), BLOB(m_task, exe_ranges))
SCHEMA(object, OBJECT, U64(m_object, object), U32(m_object, kind),
       U64(m_object, size), U64(m_object, resident), TEXT(m_object, path))
SCHEMA(uses, USES, U32(m_uses, pid), U64(m_uses, start_ns),
       U64(m_uses, object), U64(m_uses, gva))
SCHEMA(done, DONE, U32(m_done, status), U32(m_done, tasks),
       U32(m_done, objects), U64(m_done, elapsed_us), TEXT(m_done, why))
SCHEMA(probed, PROBED, U32(m_probed, pid), U64(m_probed, start_ns),
       U32(m_probed, state), TEXT(m_probed, why))

SCHEMA(scan, SCAN, U32(m_scan, profile))
SCHEMA(verdict, VERDICT, U32(m_verdict, verdict), U32(m_verdict, cached),
       BYTES(m_verdict, hash), U64(m_verdict, bytes),
       U64(m_verdict, elapsed_us), TEXT(m_verdict, name))
SCHEMA(database, DATABASE, U32(m_database, ready), U64(m_database, signatures),
       TEXT(m_database, epoch), TEXT(m_database, engine), TEXT(m_database, why))

SCHEMA(order, ORDER, U32(m_order, cid), U32(m_order, verb),
       U32(m_order, deadline_ms), U32(m_order, pid), U64(m_order, start_ns),
       BYTES(m_order, exe_hash), BLOB(m_order, exe_ranges))
SCHEMA(result, RESULT, U32(m_result, status), U64(m_result, elapsed_us),
       TEXT(m_result, detail))
SCHEMA(session, SESSION, U32(m_session, cid), U32(m_session, up),
       U64(m_session, capabilities), TEXT(m_session, agent),
       TEXT(m_session, why))

const char *order_status_name(uint32_t status)
{
	static const char *const names[] = {
		[ORDER_DONE] = "done",
		[ORDER_NO_TARGET] = "no such process",
		[ORDER_MISMATCH] = "another process",
		[ORDER_REFUSED] = "refused",
		[ORDER_FAILED] = "failed",
		[ORDER_UNDELIVERABLE] = "undeliverable",
		[ORDER_EXPIRED] = "no answer in time",
	};

	return status && status < ARRAY_SIZE(names) ? names[status] : "unknown";
}

const char *object_kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[OBJECT_FILE] = "file",
		[OBJECT_MEMFD] = "memfd",
		[OBJECT_DELETED] = "deleted file",
		[OBJECT_ANON] = "anonymous memory",
	};

	return kind && kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}
