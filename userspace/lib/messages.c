// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/messages.h"

#include <linux/kvm_warden.h>
#include <string.h>

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
       U32(m_guest_up, level), U32(m_guest_up, unnamed), U64(m_guest_up, marked),
       TEXT(m_guest_up, name))
SCHEMA(guest_named, GUEST_NAMED, U64(m_guest_named, guest), U32(m_guest_named, level),
       TEXT(m_guest_named, name))
SCHEMA(guest_down, GUEST_DOWN, U64(m_guest_down, guest))
SCHEMA(guest_cid, GUEST_CID, U64(m_guest_cid, guest), U32(m_guest_cid, cid),
       TEXT(m_guest_cid, source))
SCHEMA(events, EVENTS, BLOB(m_events, events))
SCHEMA(counters, COUNTERS, U64(m_counters, guest), U64(m_counters, exits),
       U64(m_counters, emitted), U64(m_counters, delivered),
       U64(m_counters, dropped), U64(m_counters, suppressed),
       U64(m_counters, missed), U64(m_counters, ring_full), U64(m_counters, seen_again),
       U64(m_counters, address_spaces), U64(m_counters, lag_us), U64(m_counters, lagged),
       U32(m_counters, vcpus), U32(m_counters, flags), U32(m_counters, last))
SCHEMA(taken, TAKEN, U32(m_taken, events))
SCHEMA(guest_level, GUEST_LEVEL, U64(m_guest_level, guest), U32(m_guest_level, level))
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
       U64(m_task, cpu_ns), U64(m_task, rss_bytes), U32(m_task, threads),
       TEXT(m_task, comm), TEXT(m_task, exe), TEXT(m_task, argv),
       BYTES(m_task, exe_hash), BLOB(m_task, exe_ranges))
SCHEMA(object, OBJECT, U64(m_object, object), U32(m_object, kind),
       U64(m_object, size), U64(m_object, resident), TEXT(m_object, path),
       BYTES(m_object, file_hash), BLOB(m_object, file_ranges))
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
       U64(m_order, size), TEXT(m_order, path), BYTES(m_order, item),
       BYTES(m_order, exe_hash), BLOB(m_order, exe_ranges))
SCHEMA(result, RESULT, U32(m_result, status), U64(m_result, elapsed_us),
       TEXT(m_result, detail))
SCHEMA(session, SESSION, U32(m_session, cid), U32(m_session, up),
       U64(m_session, capabilities), TEXT(m_session, agent),
       TEXT(m_session, version), TEXT(m_session, why), U32(m_session, beacon_pid),
       U64(m_session, beacon_gva), BYTES(m_session, nonce))

SCHEMA(act, ACT, U64(m_act, guest), U32(m_act, verb), U64(m_act, expiry_ms))
SCHEMA(acted, ACTED, U32(m_acted, status), U64(m_acted, elapsed_us), TEXT(m_acted, detail))

SCHEMA(guard_state, GUARD_STATE, U32(m_guard_state, mode), U32(m_guard_state, state),
       U32(m_guard_state, hooks), U32(m_guard_state, rules), TEXT(m_guard_state, why),
       TEXT(m_guard_state, missing))
SCHEMA(guard_events, GUARD_EVENTS, BLOB(m_guard_events, events))
SCHEMA(guard_taken, GUARD_TAKEN, U32(m_guard_taken, events), U32(m_guard_taken, held))
SCHEMA(guard_judged, GUARD_JUDGED, U64(m_guard_judged, guest))
SCHEMA(guard_counts, GUARD_COUNTS, U64(m_guard_counts, guest), U64(m_guard_counts, processes),
       U64(m_guard_counts, unwatched), U64(m_guard_counts, violations),
       U64(m_guard_counts, denied), U64(m_guard_counts, delivered),
       U64(m_guard_counts, dropped), U64(m_guard_counts, suppressed))

SCHEMA(cids_state, CIDS_STATE, U32(m_cids_state, on), TEXT(m_cids_state, why))
SCHEMA(module_state, MODULE_STATE, U32(m_module_state, attached), TEXT(m_module_state, state))

SCHEMA(list, LIST, U32(m_list, flags))
SCHEMA(look_pid, LOOK_PID, U32(m_look_pid, pid), U64(m_look_pid, start_ns),
       U32(m_look_pid, resend))
SCHEMA(maps, MAPS, U32(m_maps, pid), U64(m_maps, start_ns))
SCHEMA(vma, VMA, U64(m_vma, start), U64(m_vma, end), U32(m_vma, flags), U64(m_vma, offset),
       U32(m_vma, major), U32(m_vma, minor), U64(m_vma, inode), TEXT(m_vma, path))
SCHEMA(beacon, BEACON, U32(m_beacon, pid), U64(m_beacon, gva), BYTES(m_beacon, nonce))
SCHEMA(beacon_seen, BEACON_SEEN, U32(m_beacon_seen, state), TEXT(m_beacon_seen, why))
SCHEMA(process, PROCESS, U32(m_process, pid), U64(m_process, start_ns), U32(m_process, environment))
SCHEMA(fact, FACT, U32(m_fact, kind), U64(m_fact, number), TEXT(m_fact, name), TEXT(m_fact, value))
SCHEMA(tell_kernel, TELL_KERNEL, U32(m_tell_kernel, flags))
SCHEMA(kernel_facts, KERNEL_FACTS, TEXT(m_kernel_facts, build_id), U64(m_kernel_facts, boot_ns),
       U64(m_kernel_facts, uptime_ns), U64(m_kernel_facts, text_base),
       U32(m_kernel_facts, paging_levels), U32(m_kernel_facts, kpti), U64(m_kernel_facts, symbols),
       U64(m_kernel_facts, discovery_us), TEXT(m_kernel_facts, release),
       TEXT(m_kernel_facts, banner), TEXT(m_kernel_facts, command_line))
SCHEMA(module, MODULE, TEXT(m_module, name), U64(m_module, base), U64(m_module, size),
       U32(m_module, state))
SCHEMA(files, FILES, U32(m_files, all))
SCHEMA(inode, INODE, U64(m_inode, dev), U64(m_inode, ino), U64(m_inode, size), U64(m_inode, pages),
       U64(m_inode, mtime_sec), U32(m_inode, uid), U32(m_inode, mode), U32(m_inode, deleted),
       TEXT(m_inode, fs), TEXT(m_inode, id), TEXT(m_inode, path))
SCHEMA(extract, EXTRACT, U32(m_extract, what), U32(m_extract, pid), U64(m_extract, address),
       U64(m_extract, length), U64(m_extract, dev), U64(m_extract, ino), TEXT(m_extract, path))
SCHEMA(missing, MISSING, U64(m_missing, offset), U64(m_missing, length), TEXT(m_missing, why))
SCHEMA(content, CONTENT, U64(m_content, size), U64(m_content, resident), U64(m_content, dev),
       U64(m_content, ino), U64(m_content, mtime_sec), U32(m_content, deleted),
       TEXT(m_content, path))
SCHEMA(check, CHECK, U32(m_check, checks))
SCHEMA(sign, SIGN, U32(m_sign, kind), U32(m_sign, pid), U64(m_sign, start_ns),
       U64(m_sign, address), TEXT(m_sign, name), TEXT(m_sign, subject), TEXT(m_sign, detail),
       TEXT(m_sign, comm), TEXT(m_sign, exe))
SCHEMA(checked, CHECKED, U32(m_checked, check), U32(m_checked, status), U32(m_checked, signs),
       U64(m_checked, elapsed_us), TEXT(m_checked, counts), TEXT(m_checked, why))

SCHEMA(rest, REST, U32(m_rest, anew), U32(m_rest, files), U64(m_rest, bytes),
       U32(m_rest, milliseconds))
SCHEMA(rest_file, REST_FILE, U32(m_rest_file, kind), U32(m_rest_file, uid),
       U32(m_rest_file, mode), U64(m_rest_file, inode), U64(m_rest_file, generation),
       U64(m_rest_file, dev), U64(m_rest_file, mtime_sec), U64(m_rest_file, size),
       U64(m_rest_file, resident), TEXT(m_rest_file, fs), TEXT(m_rest_file, path),
       BYTES(m_rest_file, file_hash), BLOB(m_rest_file, file_ranges))
SCHEMA(rested, RESTED, U32(m_rested, status), U32(m_rested, inodes), U32(m_rested, files),
       U32(m_rested, unchanged), U32(m_rested, mapped), U32(m_rested, sent),
       U32(m_rested, unread), U32(m_rested, torn), U32(m_rested, cut), U64(m_rested, bytes),
       U64(m_rested, elapsed_us), TEXT(m_rested, why))

SCHEMA(bound, BOUND, U32(m_bound, cid), U32(m_bound, bound), BYTES(m_bound, nonce),
       TEXT(m_bound, why))
SCHEMA(agent_act, AGENT_ACT, U32(m_agent_act, verb), TEXT(m_agent_act, name),
       U32(m_agent_act, seconds))
SCHEMA(agent_info, AGENT_INFO, TEXT(m_agent_info, name), U32(m_agent_info, state),
       TEXT(m_agent_info, key), U64(m_agent_info, since_wall), U64(m_agent_info, until_wall))
SCHEMA(agent_done, AGENT_DONE, U32(m_agent_done, status), TEXT(m_agent_done, token),
       TEXT(m_agent_done, why))

SCHEMA(integrity_difference, INTEGRITY_DIFFERENCE, U64(m_integrity_difference, guest),
       U32(m_integrity_difference, vmm_pid), TEXT(m_integrity_difference, what),
       TEXT(m_integrity_difference, section), TEXT(m_integrity_difference, symbol),
       U64(m_integrity_difference, offset), U64(m_integrity_difference, address),
       U64(m_integrity_difference, length), TEXT(m_integrity_difference, expected),
       TEXT(m_integrity_difference, found))
SCHEMA(integrity_done, INTEGRITY_DONE, U64(m_integrity_done, guest), U32(m_integrity_done, vmm_pid),
       U32(m_integrity_done, status), TEXT(m_integrity_done, what), U64(m_integrity_done, sections),
       U64(m_integrity_done, bytes), U64(m_integrity_done, sites), U64(m_integrity_done, patched),
       U64(m_integrity_done, kprobes), U64(m_integrity_done, traced),
       U64(m_integrity_done, anonymous), U64(m_integrity_done, differences), U64(m_integrity_done, elapsed_us),
       U64(m_integrity_done, round), TEXT(m_integrity_done, cause), TEXT(m_integrity_done, why))

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

const char *sign_kind_name(uint32_t kind)
{
	static const char *const names[] = {
		[SIGN_HIDDEN] = "hidden",
		[SIGN_KERNEL] = "guest kernel",
		[SIGN_SUSPICIOUS] = "suspicious",
		[SIGN_USAGE] = "usage",
	};

	return kind && kind < ARRAY_SIZE(names) ? names[kind] : "unknown";
}

const char *check_name(uint32_t check)
{
	return check == CHECK_PROCESSES ? "processes" : check == CHECK_MODULES ? "modules" :
	       check == CHECK_KERNEL ? "kernel" : "unknown";
}

const char *check_status_name(uint32_t status)
{
	static const char *const names[] = {
		[CHECK_CLEAN] = "clean",
		[CHECK_DIFFERS] = "differs",
		[CHECK_INCOMPLETE] = "incomplete",
		[CHECK_UNAVAILABLE] = "unavailable",
	};

	return status && status < ARRAY_SIZE(names) ? names[status] : "unknown";
}

const char *order_verb_name(uint32_t verb)
{
	static const char *const names[] = {
		[VERB_KILL] = "kill",
		[VERB_QUARANTINE] = "quarantine",
		[VERB_RESTORE] = "restore",
	};

	return verb && verb < ARRAY_SIZE(names) ? names[verb] : "unknown";
}

const char *host_verb_name(uint32_t verb)
{
	static const char *const names[] = {
		[HOST_CONTAIN] = "contain",
		[HOST_RELEASE] = "release",
		[HOST_PAUSE] = "pause",
		[HOST_RESUME] = "resume",
		[HOST_LINK_DOWN] = "link_down",
		[HOST_LINK_UP] = "link_up",
		[HOST_POWER_OFF] = "power_off",
		[HOST_LEVEL_OFF] = "level off",
		[HOST_LEVEL_METADATA] = "level metadata",
		[HOST_LEVEL_CONTENT] = "level content",
	};

	return verb && verb < ARRAY_SIZE(names) ? names[verb] : "unknown";
}

static const char *const levels[] = {
	[KVM_WARDEN_LEVEL_OFF] = "off",
	[KVM_WARDEN_LEVEL_METADATA] = "metadata",
	[KVM_WARDEN_LEVEL_CONTENT] = "content",
};

const char *guest_level_name(uint32_t level)
{
	return level < ARRAY_SIZE(levels) ? levels[level] : "unknown";
}

int guest_level(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (!strcmp(levels[i], name))
			return i;
	return -1;
}

const char *integrity_status_name(uint32_t status)
{
	static const char *const names[] = {
		[INTEGRITY_CLEAN] = "clean",
		[INTEGRITY_DIFFERS] = "differs",
		[INTEGRITY_UNAVAILABLE] = "unavailable",
	};

	return status && status < ARRAY_SIZE(names) ? names[status] : "unknown";
}
