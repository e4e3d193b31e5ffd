/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the engine writes into the journal, and asks it. */
#ifndef WARDEN_ENGINE_RECORDS_H
#define WARDEN_ENGINE_RECORDS_H

#include <jansson.h>

#include "engine/journal.h"

/* A guest as the journal knows it: ids begin anew with the module's life. */
struct guest_ref {
	const char *boot;		/* the host's boot id */
	uint64_t guest;
	uint32_t vmm_pid;
};

struct finding_record {
	struct guest_ref ref;
	const char *guest_name;
	uint32_t pid;
	uint64_t start_ns;
	const char *comm, *exe;
	const char *object_kind, *path;
	uint64_t gva;
	const char *signature;
	const uint8_t *content_hash;
	const char *found_by;
	uint64_t inode, generation;	/* of a file at rest: one put there anew is another */
	uint64_t t_seen, t_found;
	json_t *evidence;
};

/*
 * detail is taken over; NULL: {}.  guest 0: about the host.  0: left out, as
 * the journal lives on its reserve.
 */
int64_t record_event(struct journal *j, const char *kind, uint64_t guest,
		     uint32_t vmm_pid, uint32_t pid, json_t *detail);

/* One finding for each guest, process, signature and piece of code. */
void record_finding_key(uint8_t out[HASH_BYTES], const struct finding_record *f);

/*
 * The finding's seq, or -1.  *ret_known: the journal has it (an engine before
 * this one made it); its seq is returned and nothing is written.
 */
int64_t record_finding(struct journal *j, const struct finding_record *f, bool *ret_known);
/* The seq of the one that the journal has; 0: none; or -1. */
int64_t record_known_finding(struct journal *j, const struct finding_record *f);

int64_t record_decision(struct journal *j, int64_t finding, const char *rule,
			const char *action, const char *note);

int64_t record_order(struct journal *j, int64_t decision, int64_t finding,
		     const struct guest_ref *ref, const struct m_order *order);

/* what: "probe" sets the order's outcome; "sent", "result", "retry", "restart" its state. */
int record_result(struct journal *j, int64_t order, const char *what,
		  const char *status, uint64_t elapsed_us, const char *detail);

/* What a quarantine or restore order is about. */
int64_t record_item(struct journal *j, int64_t order, const struct m_order *m,
		    const char *guest_name, const char *signature);

/* doer: "policy" or "operator". */
int64_t record_act(struct journal *j, int64_t decision, int64_t finding,
		   const struct guest_ref *ref, const struct m_act *act, const char *doer);

/* what: "sent", "result" or "restart". */
int record_acted(struct journal *j, int64_t act, const char *what, const char *status,
		 uint64_t elapsed_us, const char *detail);

/* The order by which that process is confirmed dead, 0 if none, -1 on error. */
int64_t record_find_death(struct journal *j, const struct guest_ref *ref,
			  uint32_t pid, uint64_t start_ns);

/*
 * The order that puts that very file away in that guest, or did so after a
 * process that was first seen then had begun; 0: none, -1: error.  A file that
 * comes back later is another one.
 */
int64_t record_find_item(struct journal *j, const struct guest_ref *ref, const struct m_order *m,
			 uint64_t first_seen);

/* A thing in a guest's quarantine, by the order that put it there. */
struct item_record {
	uint64_t guest, size;
	uint32_t vmm_pid;
	int64_t finding;
	bool there;		/* the agent said that it holds it */
	bool restoring;		/* an order to put it back is open or done */
	char boot[40], guest_name[TEXT_NAME], path[TEXT_PATH], signature[TEXT_WHY];
};

/* 1, 0 if there is none, -1 on error. */
int record_read_item(struct journal *j, const uint8_t item[ITEM_BYTES],
		     struct item_record *ret_item);

enum answer_kind { ANSWER_KILL, ANSWER_QUARANTINE, ANSWER_HOST, ANSWER_KINDS };

/*
 * Decisions of that rule in the last minutes: in that guest, or, if guest is
 * 0, on the host; in this boot of the host alone.  -1 on error.
 */
int64_t record_answers(struct journal *j, enum answer_kind kind, const char *rule,
		       const struct guest_ref *ref, uint32_t minutes);

/*
 * At start: what was sent and has no answer is "unknown after restart", what
 * was never sent "undeliverable".  How many; -1 on error.
 */
int record_restart(struct journal *j);

struct open_order {
	int64_t seq, finding;
	uint64_t mono_ns;
	struct m_order order;		/* without cid and deadline */
	char rule[64], state[32], outcome[32];
	bool retried, fell_back;	/* fell_back: the host has answered since */
};

/* Orders for that guest whose end is not known.  How many, or -1. */
int record_open_orders(struct journal *j, const struct guest_ref *ref,
		       void (*each)(void *user, const struct open_order *order), void *user);

/* The last act of those that hold and release a guest in one way. */
struct last_act {
	int64_t seq, finding;
	uint32_t verb;
	bool done;			/* false: sent, and what became of it is not known */
	uint64_t expiry_ms, wall_ns, mono_ns;	/* the times of its last result */
	char doer[16];
};

/*
 * The policy's last act of that verb for that finding, if the engine ended
 * before it was answered; 0: none such.
 */
int64_t record_lost_act(struct journal *j, int64_t finding, uint32_t verb);

/* 1, 0 if there is none, -1 on error. */
int record_last_act(struct journal *j, const struct guest_ref *ref, uint32_t hold,
		    uint32_t release, struct last_act *ret_act);

/* The first row's first column, 0 without a row, -1 on error. */
int64_t records_number(struct journal *j, const char *sql,
		       const struct journal_value *values, size_t n);

/* Rows as objects: column names are keys, blobs hexadecimal.  NULL on error. */
json_t *records_query(struct journal *j, const char *sql,
		      const struct journal_value *values, size_t n);

#endif
