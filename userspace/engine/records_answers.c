// SPDX-License-Identifier: GPL-2.0-or-later
/* What the journal knows of orders and acts: for limits, and over restarts. */
#include "engine/records.h"

#include <string.h>

#include "engine/clock.h"
#include "lib/util.h"

static size_t copy_blob(void *out, size_t size, sqlite3_stmt *stmt, int i)
{
	size_t len = MIN((size_t)sqlite3_column_bytes(stmt, i), size);

	if (len)
		memcpy(out, sqlite3_column_blob(stmt, i), len);
	return len;
}

static void copy_text(char *out, size_t size, sqlite3_stmt *stmt, int i)
{
	const char *text = (const char *)sqlite3_column_text(stmt, i);

	snprintf(out, size, "%s", text ? text : "");
}

int64_t record_find_death(struct journal *j, const struct guest_ref *ref,
			  uint32_t pid, uint64_t start_ns)
{
	const struct journal_value target[] = {
		V_INT(ref->guest), V_INT(pid), V_INT(start_ns), V_TEXT(ref->boot),
		V_INT(ref->vmm_pid),
	};

	return records_number(j, "SELECT seq FROM orders WHERE guest = ? AND pid = ? AND"
			    " start_ns = ? AND boot = ? AND vmm_pid = ? AND"
			    " outcome IN ('killed', 'gone')",
			    target, ARRAY_SIZE(target));
}

int64_t record_find_item(struct journal *j, const struct guest_ref *ref, const struct m_order *m,
			 uint64_t first_seen)
{
	const struct journal_value file[] = {
		V_TEXT(m->path), V_INT(ref->guest), V_TEXT(ref->boot), V_INT(ref->vmm_pid),
		V_BLOB(m->exe_hash, HASH_BYTES), V_INT(first_seen),
	};

	return records_number(j, "SELECT o.seq FROM items i JOIN orders o ON o.seq = i.order_id"
		" WHERE i.path = ? AND o.guest = ? AND o.boot = ? AND o.vmm_pid = ? AND"
		" o.exe_hash = ? AND o.verb = 'quarantine' AND (o.outcome = '' OR"
		" (o.outcome != 'not done' AND EXISTS (SELECT 1 FROM results WHERE"
		" order_id = o.seq AND mono_ns > ?)))",
		file, ARRAY_SIZE(file));
}

int record_read_item(struct journal *j, const uint8_t item[ITEM_BYTES],
		     struct item_record *ret_item)
{
	const struct journal_value which[] = { V_BLOB(item, ITEM_BYTES) };
	sqlite3_stmt *stmt = journal_prepare(j,
		"SELECT o.guest, o.vmm_pid, o.boot, o.finding, o.state = 'done', i.guest_name, i.path,"
		" i.size, i.signature, EXISTS (SELECT 1 FROM items r JOIN orders p ON"
		" p.seq = r.order_id WHERE r.item = i.item AND p.verb = 'restore' AND"
		" p.outcome != 'not done') FROM items i JOIN orders o ON o.seq = i.order_id"
		" WHERE i.item = ? AND o.verb = 'quarantine'");
	int r;

	if (!stmt)
		return -1;
	journal_bind(stmt, which, ARRAY_SIZE(which));
	r = sqlite3_step(stmt);
	if (r == SQLITE_ROW) {
		memset(ret_item, 0, sizeof(*ret_item));
		ret_item->guest = sqlite3_column_int64(stmt, 0);
		ret_item->vmm_pid = sqlite3_column_int64(stmt, 1);
		copy_text(ret_item->boot, sizeof(ret_item->boot), stmt, 2);
		ret_item->finding = sqlite3_column_int64(stmt, 3);
		ret_item->there = sqlite3_column_int(stmt, 4);
		copy_text(ret_item->guest_name, sizeof(ret_item->guest_name), stmt, 5);
		copy_text(ret_item->path, sizeof(ret_item->path), stmt, 6);
		ret_item->size = sqlite3_column_int64(stmt, 7);
		copy_text(ret_item->signature, sizeof(ret_item->signature), stmt, 8);
		ret_item->restoring = sqlite3_column_int(stmt, 9);
	}
	sqlite3_finalize(stmt);
	return r == SQLITE_ROW ? 1 : r == SQLITE_DONE ? 0 : -1;
}

static const char *const answers_sql[ANSWER_KINDS] = {
	[ANSWER_KILL] = "SELECT count(*) FROM decisions d JOIN findings f ON f.seq = d.finding"
		" WHERE d.action = 'kill'",
	[ANSWER_QUARANTINE] = "SELECT count(*) FROM decisions d JOIN findings f ON"
		" f.seq = d.finding WHERE d.action = 'quarantine'",
	[ANSWER_HOST] = "SELECT count(*) FROM decisions d JOIN findings f ON f.seq = d.finding"
		" WHERE EXISTS (SELECT 1 FROM acts a WHERE a.decision = d.seq AND a.state NOT IN"
		" ('failed', 'unavailable', 'no such guest', 'undeliverable'))",
};

/* By the monotonic clock, which nobody sets back, and so by the boot. */
int64_t record_answers(struct journal *j, enum answer_kind kind, const char *rule,
		       const struct guest_ref *ref, uint32_t minutes)
{
	const struct journal_value which[] = {
		V_TEXT(rule), V_INT(now_mono() - minutes * 60ull * NS_PER_S), V_TEXT(ref->boot),
		V_INT(ref->guest), V_INT(ref->vmm_pid),
	};
	char sql[512];

	snprintf(sql, sizeof(sql), "%s AND d.rule = ? AND d.mono_ns > ? AND f.boot = ?%s",
		 answers_sql[kind], ref->guest ? " AND f.guest = ? AND f.vmm_pid = ?" : "");
	return records_number(j, sql, which, ref->guest ? ARRAY_SIZE(which) : 3);
}

int64_t record_lost_act(struct journal *j, int64_t finding, uint32_t verb)
{
	const struct journal_value which[] = {
		V_INT(finding), V_TEXT(host_verb_name(verb)),
	};

	return records_number(j, "SELECT seq FROM acts WHERE seq = (SELECT max(seq) FROM acts"
			      " WHERE finding = ? AND verb = ? AND doer = 'policy') AND"
			      " state IN ('undeliverable', 'unknown after restart')",
			      which, ARRAY_SIZE(which));
}

/* ---- over a restart ---- */

struct restart_list {
	int64_t seq[256];
	unsigned n;
};

static int list_open(struct journal *j, const char *sql, struct restart_list *list)
{
	sqlite3_stmt *stmt = journal_prepare(j, sql);

	list->n = 0;
	if (!stmt)
		return -1;
	while (list->n < ARRAY_SIZE(list->seq) && sqlite3_step(stmt) == SQLITE_ROW)
		list->seq[list->n++] = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return 0;
}

typedef int (*record_fn)(struct journal *j, int64_t of, const char *what, const char *status,
			 uint64_t elapsed_us, const char *detail);

struct leftover {
	const char *sql;
	record_fn record;
	const char *status, *detail;
};

static int mark_all(struct journal *j, const struct leftover *l)
{
	struct restart_list list;
	int total = 0;

	do {
		if (list_open(j, l->sql, &list))
			return -1;
		for (unsigned i = 0; i < list.n; i++)
			if (l->record(j, list.seq[i], "restart", l->status, 0, l->detail))
				return -1;
		total += list.n;
	} while (list.n);
	return total;
}

int record_restart(struct journal *j)
{
	static const char unsent[] = "the engine ended before it was sent";
	static const char unknown[] =
		"sent, and the engine ended before an answer; not sent again";
	static const struct leftover leftovers[] = {
		{ "SELECT seq FROM orders WHERE state = 'queued' LIMIT 256", record_result,
		  "undeliverable", unsent },
		{ "SELECT seq FROM orders WHERE state = 'sent' LIMIT 256", record_result,
		  "unknown after restart", unknown },
		{ "SELECT seq FROM acts WHERE state = 'queued' LIMIT 256", record_acted,
		  "undeliverable", unsent },
		{ "SELECT seq FROM acts WHERE state = 'sent' LIMIT 256", record_acted,
		  "unknown after restart", unknown },
	};
	int total = 0;

	for (size_t i = 0; i < ARRAY_SIZE(leftovers); i++) {
		int n = mark_all(j, &leftovers[i]);

		if (n < 0)
			return -1;
		total += n;
	}
	return journal_commit(j) ? -1 : total;
}

static uint32_t verb_of(const char *name)
{
	for (uint32_t v = VERB_KILL; v <= VERB_RESTORE; v++)
		if (!strcmp(order_verb_name(v), name))
			return v;
	return 0;
}

static void fill_open_order(struct open_order *o, sqlite3_stmt *stmt)
{
	char verb[32];

	memset(o, 0, sizeof(*o));
	o->seq = sqlite3_column_int64(stmt, 0);
	o->order.pid = sqlite3_column_int64(stmt, 1);
	o->order.start_ns = sqlite3_column_int64(stmt, 2);
	copy_blob(o->order.exe_hash, sizeof(o->order.exe_hash), stmt, 3);
	o->order.exe_ranges.len = copy_blob(o->order.exe_ranges.range,
					    sizeof(o->order.exe_ranges.range), stmt, 4);
	copy_text(o->state, sizeof(o->state), stmt, 5);
	copy_text(o->outcome, sizeof(o->outcome), stmt, 6);
	o->retried = sqlite3_column_int(stmt, 7);
	o->fell_back = sqlite3_column_int(stmt, 8);
	o->finding = sqlite3_column_int64(stmt, 9);
	o->mono_ns = sqlite3_column_int64(stmt, 10);
	copy_text(verb, sizeof(verb), stmt, 11);
	o->order.verb = verb_of(verb);
	copy_text(o->rule, sizeof(o->rule), stmt, 12);
	copy_blob(o->order.item, ITEM_BYTES, stmt, 13);
	copy_text(o->order.path, sizeof(o->order.path), stmt, 14);
	o->order.size = sqlite3_column_int64(stmt, 15);
}

int record_open_orders(struct journal *j, const struct guest_ref *ref,
		       void (*each)(void *user, const struct open_order *order), void *user)
{
	const struct journal_value which[] = {
		V_INT(ref->guest), V_TEXT(ref->boot), V_INT(ref->vmm_pid),
	};
	sqlite3_stmt *stmt = journal_prepare(j,
		"SELECT o.seq, o.pid, o.start_ns, o.exe_hash, o.exe_ranges, o.state, o.outcome,"
		" EXISTS (SELECT 1 FROM results WHERE order_id = o.seq AND what = 'retry'),"
		" EXISTS (SELECT 1 FROM acts a WHERE a.finding = o.finding AND a.seq > o.seq AND"
		" a.doer = 'policy' AND a.state = 'done'),"
		" o.finding, o.mono_ns, o.verb, d.rule, i.item, i.path, i.size"
		" FROM orders o LEFT JOIN decisions d ON d.seq = o.decision"
		" LEFT JOIN items i ON i.order_id = o.seq"
		" WHERE o.guest = ? AND o.boot = ? AND o.vmm_pid = ? AND"
		" o.outcome IN ('', 'running', 'unconfirmed') ORDER BY o.seq LIMIT 1024");
	struct open_order o;
	int n = 0;

	if (!stmt)
		return -1;
	journal_bind(stmt, which, ARRAY_SIZE(which));
	for (; sqlite3_step(stmt) == SQLITE_ROW; n++) {
		fill_open_order(&o, stmt);
		each(user, &o);
	}
	sqlite3_finalize(stmt);
	return n;
}

static void fill_last_act(struct last_act *a, sqlite3_stmt *stmt, uint32_t hold, uint32_t release)
{
	char verb[32], state[32];

	memset(a, 0, sizeof(*a));
	a->seq = sqlite3_column_int64(stmt, 0);
	copy_text(verb, sizeof(verb), stmt, 1);
	a->verb = strcmp(verb, host_verb_name(hold)) ? release : hold;
	copy_text(state, sizeof(state), stmt, 2);
	a->done = !strcmp(state, "done");
	a->expiry_ms = sqlite3_column_int64(stmt, 3);
	copy_text(a->doer, sizeof(a->doer), stmt, 4);
	a->finding = sqlite3_column_int64(stmt, 5);
	a->wall_ns = sqlite3_column_int64(stmt, 6);
	a->mono_ns = sqlite3_column_int64(stmt, 7);
}

int record_last_act(struct journal *j, const struct guest_ref *ref, uint32_t hold,
		    uint32_t release, struct last_act *ret_act)
{
	const struct journal_value which[] = {
		V_INT(ref->guest), V_TEXT(ref->boot), V_INT(ref->vmm_pid),
		V_TEXT(host_verb_name(hold)), V_TEXT(host_verb_name(release)),
	};
	sqlite3_stmt *stmt = journal_prepare(j,
		"SELECT a.seq, a.verb, a.state, a.expiry_ms, a.doer, a.finding, r.wall_ns, r.mono_ns"
		" FROM acts a LEFT JOIN results r ON r.order_id = a.seq AND r.what != 'sent'"
		" WHERE a.guest = ? AND a.boot = ? AND a.vmm_pid = ? AND a.verb IN (?, ?) AND"
		" a.state IN ('done', 'done in part', 'unknown after restart', 'no answer in time')"
		" ORDER BY a.seq DESC, r.seq DESC LIMIT 1");
	int r;

	if (!stmt)
		return -1;
	journal_bind(stmt, which, ARRAY_SIZE(which));
	r = sqlite3_step(stmt);
	if (r == SQLITE_ROW)
		fill_last_act(ret_act, stmt, hold, release);
	sqlite3_finalize(stmt);
	return r == SQLITE_ROW ? 1 : r == SQLITE_DONE ? 0 : -1;
}
