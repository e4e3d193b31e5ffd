/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine's state, which its parts share: guests, the roles' sockets, the
 * policy and the journal.  One thread; every part is called from its loop.
 */
#ifndef WARDEN_ENGINE_ENGINE_H
#define WARDEN_ENGINE_ENGINE_H

#include <linux/types.h>
#include <systemd/sd-event.h>

#include "engine/clock.h"
#include "engine/inventory.h"
#include "engine/journal.h"
#include "engine/looks.h"
#include "engine/policy.h"
#include "engine/records.h"
#include "engine/scans.h"
#include "lib/config.h"
#include "warden/event.h"
#include "warden/guard.h"

struct engine;
struct guest;

enum peer_kind { PEER_PARENT = 1, PEER_INTROSPECT, PEER_SCAN, PEER_CHANNEL };

/* A socket to a role or to the parent; fd is -1 while there is none. */
struct peer {
	struct engine *engine;
	struct guest *guest;		/* PEER_INTROSPECT: its guest */
	enum peer_kind kind;
	int fd;
	sd_event_source *source;
};

enum request_kind {
	REQUEST_NONE, REQUEST_LOOK, REQUEST_SWEEP, REQUEST_PROBE, REQUEST_BEACON,
	REQUEST_SCAN,		/* M_SWEEP or M_LOOK_PID for an operator's scan */
	REQUEST_LOOK_PID,	/* for an operator's order */
	REQUEST_LIST, REQUEST_MAPS,
	REQUEST_CHECK, REQUEST_PROCESS, REQUEST_KERNEL,
	REQUEST_FILES, REQUEST_EXTRACT,
	REQUEST_REST,
};

/* What an introspector was asked and has not finished answering. */
struct request {
	enum request_kind kind;
	uint64_t id, sent;
	struct look look;		/* REQUEST_LOOK */
	int64_t order;			/* REQUEST_PROBE */
	uint32_t cid;			/* REQUEST_BEACON: the session's */
	uint8_t nonce[HASH_BYTES];
	uint64_t ticket;		/* for whom: see control.h; REQUEST_SCAN: the scan's id */
	json_t *rows;			/* REQUEST_LIST, _MAPS, _PROCESS, _KERNEL, _FILES, _EXTRACT: what has come */
	bool is_cut;			/* and more of them was left out */
	bool is_new;			/* a process not known before was shown */
	uint64_t missing_end, missing;	/* REQUEST_EXTRACT: of what was told, its end; bytes in all */
	bool has_content;		/* and that has come */
	uint64_t paths;			/* REQUEST_FILES: bytes of them */
	uint32_t files;			/* REQUEST_REST: so many came ... */
	uint64_t bytes;			/* with so much content */
};

struct act {
	TAILQ_ENTRY(act) entry;
	int64_t seq, finding;		/* seq: in the journal */
	struct m_act m;
	int purpose;			/* enum act_purpose */
	uint64_t ticket;		/* ACT_OF_OPERATOR: who waits */
	bool sent;
	uint64_t message, give_up;
};

/* How the host holds a guest. */
enum { HOLD_CONTAIN, HOLD_PAUSE, HOLD_LINK, HOLDS };

struct hold {
	bool on;
	bool unsure;			/* nobody saw whether it was done, or it was in part */
	uint64_t since_wall;
	uint64_t until;			/* monotonic; 0: until it is ended */
	const char *doer;		/* "policy", "operator", "unknown" */
	int64_t finding;		/* 0: none */
	bool counted;
	uint64_t exits;			/* HOLD_PAUSE: as last heard, if counted */
};

struct ladder {
	bool on;
	const struct policy_entry *rule;
	int64_t finding;
	uint32_t pid;
	uint64_t start_ns;
	unsigned step, pending;		/* pending: its acts without an answer */
	bool failed;			/* one of them */
	char cause[TEXT_WHY];
};

/* The last word of each check: enum by the bits of CHECK_*. */
#define CHECKS 3

struct guest_check {
	struct m_checked last;		/* status 0: none yet */
	uint64_t at_wall;
};

/* What a program has used in a guest: slow averages of its largest process in each sweep. */
#define USAGE_PROGRAMS 512

struct program_usage {
	uint64_t key;			/* of its path */
	uint64_t sweep, sweep_began;	/* the last that showed it; 0: free */
	uint64_t since;			/* what that showed is so since */
	uint64_t cpu, cpu_now;		/* millionths of a CPU; as that sweep showed it */
	uint64_t memory, memory_now;	/* bytes */
};

struct guest_counts {
	uint64_t events, looks, sweeps, sweeps_incomplete, findings, findings_held, notes_held;
};

/* Of one round over files at rest, or of all. */
struct rest_counts {
	uint64_t inodes, files;		/* looked at; regular files with pages */
	uint64_t unchanged, mapped;	/* sent before; a sweep's */
	uint64_t clean, infected;	/* scanned whole, and without a signature; with one */
	uint64_t partial;		/* scanned as far as they are in memory, without a signature */
	uint64_t not_scanned;		/* the scanner did not */
	uint64_t unread, torn;		/* files; file systems */
	uint64_t bytes, busy_us;
};

struct guest_rest {
	uint64_t due;			/* of the next part; 0: not planned yet */
	uint64_t began;			/* what follows is of rest_seconds from then on: the budget */
	uint64_t round_files, round_bytes;
	bool anew, cut, ended;		/* ended: when its last content is scanned */
	bool budget;			/* it goes on with the next round's */
	struct rest_counts now, last, total;
	uint64_t now_wall, last_wall;	/* 0: none yet */
	bool last_complete;
	char why[TEXT_WHY], last_why[TEXT_WHY];
};

/* So many at once, then one more each while: what a guest may make us write. */
struct quota {
	uint64_t left, filled;
};

struct guest {
	TAILQ_ENTRY(guest) entry;
	uint64_t id;
	uint32_t vmm_pid;
	uint32_t cid;			/* that it claims; 0: none */
	char name[TEXT_NAME], cid_source[TEXT_NAME];
	char agent[TEXT_NAME];		/* whose nonce was read in it; "": nobody's yet */
	bool has_cid;			/* nobody's claim to it ranks higher */
	bool has_counters;
	bool unnamed;			/* its name is not known yet */
	uint64_t marked;		/* the guest by which the guard knows its VMM's processes */
	uint32_t level;			/* KVM_WARDEN_LEVEL_* */
	bool down;			/* kept until its last scan and act are answered */
	uint64_t since_wall;
	struct peer introspector;
	uint32_t generation;		/* of introspector: whose object ids */
	struct m_kernel kernel;		/* state 0: nothing heard */
	struct m_counters counters;
	struct inventory inventory;
	struct looks looks;
	struct scan_queue scans, rest_scans;
	struct guest_rest rest;
	struct request requests[INTROSPECT_OUTSTANDING];
	uint64_t heard;			/* from the introspector, last */
	uint64_t next_sweep, sweep_began, sweep_ended;
	struct m_done last_sweep;
	TAILQ_HEAD(, order) orders;
	unsigned norders;
	unsigned orders_sent;		/* without an answer yet */
	TAILQ_HEAD(, act) acts;
	struct hold holds[HOLDS];
	struct ladder ladder;
	const struct policy_limit *limit_met[ANSWER_KINDS];	/* as of limit_checked */
	uint64_t limit_checked[ANSWER_KINDS];
	struct quota findings_quota, findings_day, firsts_day, notes_quota;
	struct guest_counts counts;
	uint64_t differences_held;	/* of its VMM's code, in the check under way */
	struct guest_check checks[CHECKS];
	uint64_t next_check, check_began, check_ended, check_gap, check_wait;
	bool check_open;		/* of a kernel that was just found */
	struct program_usage programs[USAGE_PROGRAMS];
	uint64_t usage_sweep;		/* the first that was judged; 0: none */
	struct quota signs_new[SIGN_KINDS], rest_new;
	struct quota guard_new[GUARD_KINDS], guard_again;
	struct m_guard_counts guard;
	bool is_guarded;		/* its VMM; guard tells */
	struct guard_incident *held;	/* they wait for its name */
	unsigned nheld;
};

#define ROLES_MAX 512
#define SESSIONS_MAX 1024

struct role {
	char name[TEXT_NAME], why[TEXT_WHY];
	uint64_t guest;
	uint32_t state, restarts;
	uint64_t since_wall;
};

enum session_state { SESSION_BINDING = 1, SESSION_BOUND, SESSION_REFUSED };

struct session {
	struct m_session m;
	enum session_state state;
	uint64_t guest;			/* SESSION_BOUND: whose */
	char why[TEXT_WHY];		/* it is not bound */
	bool asking;
	unsigned absent;		/* so often its nonce was not there */
	uint64_t next, since_wall;
};

/* An operator's scan, see scan_jobs.h. */
#define SCAN_RUNS 64
#define SCAN_FINDINGS 256

enum scan_state { SCAN_NONE, SCAN_RUNNING, SCAN_DONE, SCAN_FAILED };

struct scan_run {
	uint64_t id, guest;
	bool one, asked;		/* of one process; its request is answered */
	bool complete;			/* and everything was seen */
	uint32_t pid;
	enum scan_state state;
	char why[TEXT_WHY];
	uint64_t tasks, contents, done, infected, not_scanned;
	int64_t findings[SCAN_FINDINGS];
	unsigned nfindings;
};

/* What the channel was asked about agents and has not finished answering. */
#define AGENT_ASKS 8

struct agent_ask {
	uint64_t id;			/* 0: free */
	json_t *rows;
};

/* Guests that are down and whose last numbers have not come. */
#define DEPARTING WARDEN_MAX_GUESTS

/* A thing of the host's whose code is compared with its file. */
#define CHECKED_MAX 1024
#define CHECKED_HOST 32			/* of these, kept for the host's own: no VMM takes them */
#define INTEGRITY_KIND "integrity"	/* of findings, and in policies */

struct checked {
	struct m_integrity_done done;	/* the last */
	uint64_t at_wall;
};

#define AHEAD 64

struct engine {
	struct config config;
	sd_event *event;
	sd_event_source *timer;
	uint64_t flush_due;		/* of the journal; NEVER: nothing to write */
	struct journal journal;
	uint64_t journal_due;		/* without a journal: when to try again */
	uint64_t reserve_due;		/* without its reserve: the same */
	uint64_t held_before;		/* events left out on reserves of before this one */
	struct policy policy;
	char boot[40];
	TAILQ_HEAD(, guest) guests;
	struct {
		uint64_t guest, events;
	} ahead[AHEAD];			/* of word of their guest; by its id */
	struct m_counters departed;	/* sums over guests that are gone */
	struct m_counters departing[DEPARTING];	/* of these, as far as known: final ones follow */
	unsigned ndeparting;
	uint64_t ndeparted;
	uint64_t departed_restarts;	/* of introspectors that are no longer needed */
	struct peer parent, scan, channel;
	struct scans scans;
	struct m_database database;
	uint64_t database_wall;		/* when it was loaded; 0: never */
	struct m_guard_state guard;
	struct m_cids_state cids;
	struct m_module_state module;
	uint64_t guard_incidents[GUARD_KINDS][2];	/* by what it was, and if it was denied */
	TAILQ_HEAD(, guard_batch) guard_batches;	/* not yet told to be taken */
	unsigned guard_held;		/* of all guests */
	uint64_t guard_due;		/* when those that the journal has not are judged again */
	struct role roles[ROLES_MAX];
	unsigned nroles;
	struct session sessions[SESSIONS_MAX];
	unsigned nsessions;
	struct agent_ask agent_asks[AGENT_ASKS];
	struct checked checked[CHECKED_MAX];
	unsigned nchecked;
	struct scan_run scan_runs[SCAN_RUNS];
	unsigned orders_sent;		/* without an answer yet */
	struct quota notes_quota;
	bool journal_failed;		/* a commit was rolled back: mended by the pump */
	uint64_t next_id;
	uint64_t started_wall;
	struct control *control;
};

/* ---- peers.c ---- */

typedef int (*peer_handler)(struct peer *peer, struct msg *m, uint64_t now);

void peer_init(struct peer *peer, struct engine *e, enum peer_kind kind, struct guest *g);
int peer_open(struct peer *peer, int fd);	/* takes fd over */
void peer_close(struct peer *peer);
/* Never blocks.  A role that does not take its few messages is closed: -1. */
int peer_post(struct peer *peer, const struct msg_schema *schema, uint64_t id,
	      const void *value, int fd);

/* ---- guests.c ---- */

struct guest *guest_find(struct engine *e, uint64_t id);
void guest_up(struct engine *e, const struct m_guest_up *m);
/* An event of a guest that is not known, or not yet. */
void guest_event_ahead(struct engine *e, uint64_t guest);
void guest_named(struct guest *g, const struct m_guest_named *m);
void guest_connect(struct guest *g, int fd);
void guest_down(struct engine *e, struct guest *g);
/* Of the host's own, on what no guest is known for. */
bool engine_may_note(struct engine *e);
/* A zeroed quota is full. */
bool quota_take(struct quota *q, uint64_t burst, uint64_t refill_ns, uint64_t now);
void counters_add(struct m_counters *sum, const struct m_counters *c);
/* Over the guests there are and, since the engine started, were. */
void counters_total(const struct engine *e, struct m_counters *ret_sum);
/* Emitted, and neither delivered nor lost. */
static inline uint64_t counters_in_flight(const struct m_counters *c)
{
	return c->emitted - c->delivered - c->dropped - c->suppressed - c->missed;
}

/* The last numbers of a guest that is down. */
void guest_counted(struct engine *e, const struct m_counters *c);
/* What was known of the guest by its old level is forgotten. */
void guest_set_level(struct guest *g, uint32_t level, uint64_t now);
void guest_free(struct engine *e, struct guest *g);
/* A guest that is down stays for what is still answered about it. */
void guest_free_if_done(struct guest *g);
void guest_lost_introspector(struct guest *g);
/* What the kernel says outranks what a VMM was started with. */
int cid_rank(const char *source);

/*
 * An order goes to a CID, so one CID is one guest's: of those that claim it, the one whose
 * claim ranks highest; of two of the same rank it is nobody's, see guest_shares_cid.
 */
void guests_settle_cid(struct engine *e, uint32_t cid, uint64_t now);
/* Another guest has the same CID: who would get an order is not sure. */
bool guest_shares_cid(const struct guest *g);
/* A row that the guest may cause at will has room; if not, it is counted. */
bool guest_may_note(struct guest *g);
struct guest_ref guest_ref(const struct engine *e, const struct guest *g);
void guest_sweep_soon(struct guest *g, uint64_t now);
void guest_check_ended(struct guest *g, uint64_t now);
/* Of a kernel that was just found the first is soon, and more until they are complete. */
void guest_check_anew(struct guest *g);
/* Something has changed that checks look at. */
void guest_check_soon(struct guest *g, uint64_t now);
/* NULL if every slot a request of that kind may use is taken. */
struct request *guest_request(struct guest *g, enum request_kind kind);
struct request *guest_find_request(struct guest *g, uint64_t id);
/* Sends what is due; when it is to be called again. */
uint64_t guest_pump(struct guest *g, uint64_t now);

/* ---- handlers of messages: 0, or -1 for one that is malformed ---- */

int handle_parent(struct peer *peer, struct msg *m, uint64_t now);
int handle_introspector(struct peer *peer, struct msg *m, uint64_t now);
int handle_scan(struct peer *peer, struct msg *m, uint64_t now);
int handle_channel(struct peer *peer, struct msg *m, uint64_t now);

/* ---- scanning.c ---- */

/* Takes fd over; scan: the operator's that it is of, or 0. */
void scanning_object(struct guest *g, struct object *o, int fd, uint64_t scan);
void scanning_pump(struct engine *e, uint64_t now);
void scanning_lost(struct engine *e);

/* ---- journal_start.c ---- */

/* Opens the journal if there is none and it is time to try. */
void journal_start(struct engine *e, uint64_t now);
/* Spends or keeps the reserve; when it is to be called again. */
uint64_t journal_tend(struct engine *e, uint64_t now);

/* ---- guard.c: 0, or -1 for a message that is malformed ---- */

int guard_events(struct engine *e, struct msg *m);
int guard_state(struct engine *e, struct msg *m);
/* What was seen of it before its name was known. */
void guard_judge_held(struct guest *g);
/* Judges again what the journal did not take, if it is time to. */
void guard_judge_again(struct engine *e, uint64_t now);
/* The journal lost what was judged and not committed. */
void guard_rolled_back(struct engine *e);
/* Tells the parent what is taken: what has come of it is on the disk. */
void guard_take(struct engine *e);
int guard_counts(struct engine *e, struct msg *m);

/* ---- findings.c ---- */

void findings_of_object(struct guest *g, struct object *o);
void findings_of_task(struct guest *g, struct task *t);
void findings_of_use(struct guest *g, struct use *u);
/*
 * An order ended and the process did not: it is decided again.  How often that
 * was so by now.
 */
unsigned findings_order_failed(struct guest *g, uint32_t pid, uint64_t start_ns, uint64_t now);
/* Takes one; first: of a kind that has room of its own. */
bool findings_within_quota(struct guest *g, bool first, uint64_t now);
/* again: what an engine of before had no answer to, alone. */
void findings_decide_host(struct guest *g, const struct policy_entry *rule, int64_t finding,
			  bool again);
/* The journal lost some: the next sweep finds them again. */
void findings_forget(struct guest *g);

/* ---- integrity.c: messages, as of the handlers above ---- */

int integrity_done(struct engine *e, struct msg *m);
int integrity_difference(struct engine *e, struct msg *m);

/* ---- pump.c ---- */

/* The journal is flushed soon; an order or an act does not wait for that. */
void engine_flush_soon(struct engine *e);
void engine_flush_now(struct engine *e);
int engine_pump(sd_event_source *source, void *engine);

#endif
