/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request of the control API: what it asks, and its answer, which may come
 * later.  A route either answers or waits; what it waits for answers it by its
 * ticket, or its time ends.
 */
#ifndef WARDEN_ENGINE_ASK_H
#define WARDEN_ENGINE_ASK_H

#include <jansson.h>
#include <microhttpd.h>

#include "engine/control.h"

#define BODY_MAX 4096
#define ASK_ARGS 2
#define ASK_ARG_MAX 80

/* The keys a body may have: bit n is keys[n] of body.c. */
enum {
	BODY_PID = 1 << 0, BODY_START = 1 << 1, BODY_SECONDS = 1 << 2, BODY_HOW = 1 << 3,
	BODY_REASON = 1 << 4, BODY_NAME = 1 << 5, BODY_LEVEL = 1 << 6,
};

struct body {
	uint32_t given;			/* BODY_* */
	uint64_t pid, start_ns, seconds;
	char how[16], reason[201], name[TEXT_NAME], level[16];
};

struct ask;

struct route {
	const char *method, *path;	/* as in docs/openapi.json */
	void (*run)(struct ask *a);
	uint32_t takes, needs;		/* of a POST's body */
};

struct ask {
	TAILQ_ENTRY(ask) entry;
	struct control *control;
	struct engine *e;
	struct MHD_Connection *connection;
	const struct route *route;
	char arg[ASK_ARGS][ASK_ARG_MAX];
	uint32_t uid, pid;		/* the peer's */
	char text[BODY_MAX + 1];	/* the body as it came */
	size_t len;
	bool too_large;
	struct body body;
	int64_t noted;			/* the journal's row of this request */
	/* while it waits */
	bool waits, waited;
	uint64_t ticket, deadline, guest;
	uint64_t asked;			/* when a look began */
	struct m_done looked;		/* and how it ended; status 0: the introspector did */
	void (*late)(struct ask *a);	/* its time has ended; NULL: 504 */
	void (*step)(struct ask *a);	/* there is work to do at once */
	unsigned pending;		/* acts */
	struct m_acted failure;		/* the first that did not end well; status 0: none */
	struct journal_verify verify;
	struct content *content;	/* see contents.h */
	/* the answer */
	unsigned code;
	json_t *answer;
	char *text_answer;		/* instead */
};

/* ---- control.c ---- */

void ask_fail(struct ask *a, unsigned code, const char *message, const char *what_to_do);
void ask_fail_as(struct ask *a, unsigned code, const char *name, const char *message,
		 const char *what_to_do);
/* answer NULL: the journal cannot be read. */
void ask_answer(struct ask *a, unsigned code, json_t *answer);
/* Of another type than JSON; text is taken over. */
void ask_text(struct ask *a, char *text);
const char *ask_query(struct ask *a, const char *name);
void ask_wait(struct ask *a, uint64_t ticket, uint64_t ns);
/* The first that waits with that ticket after `after` (NULL: of all); NULL: none. */
struct ask *ask_find(struct control *c, uint64_t ticket);
/* It waits no more: it has its answer, or is run again. */
void ask_go_on(struct ask *a);

/* ---- body.c ---- */

/* False, and it is answered, if the body is not what the route takes. */
bool body_parse(struct ask *a);

/* ---- routes.c ---- */

const struct route *routes_all(size_t *ret_n);
/* NULL, and it is answered, if there is none. */
const struct route *route_find(struct ask *a, const char *method, const char *url);
/* NULL, and it is answered, if there is none or several. */
struct guest *ask_guest(struct ask *a);
/* Its level lets its content be looked at; false, and it is answered, if not. */
bool ask_is_open(struct ask *a, const struct guest *g);
/* It is introspected, so that it can be asked; false, and it is answered, if not. */
bool ask_is_observable(struct ask *a, const struct guest *g);
/* The answer to that message comes in rows, within ns. */
void ask_rows(struct ask *a, struct guest *g, enum request_kind kind,
	      const struct msg_schema *schema, const void *message, uint64_t ns);
/* For what outlives guests.  False, and it is answered, if an id is another guest's name. */
bool ask_of_guest(struct ask *a, const char *guest);
/* answer's rows of that guest (NULL: of all); 404 if there are none and nobody knows it. */
void ask_answer_of_guest(struct ask *a, const char *guest, json_t *answer, const char *rows);
bool ask_number(struct ask *a, const char *text, const char *what, uint64_t *ret_number);
/* "by the operator (user 0, process 7): reason" */
void ask_reason(const struct ask *a, char *out, size_t size);

/* ---- routes_guest.c, routes_order.c, routes_agents.c, routes_journal.c ---- */

void get_status(struct ask *a);
void get_guests(struct ask *a);
void get_guest(struct ask *a);
void get_kernel(struct ask *a);
/* It is one of those that show what is in a guest now, row by row. */
bool asks_rows(const struct ask *a);
void get_tasks(struct ask *a);
void get_maps(struct ask *a);
void get_process(struct ask *a);
void get_environment(struct ask *a);
void post_scan(struct ask *a);
void get_scan(struct ask *a);
void post_kill(struct ask *a);
void post_freeze(struct ask *a);
void post_thaw(struct ask *a);
void post_level(struct ask *a);
void get_metrics(struct ask *a);
void get_order(struct ask *a);
void get_quarantine(struct ask *a);
void post_restore(struct ask *a);
void get_findings(struct ask *a);
void get_finding(struct ask *a);
void get_explanation(struct ask *a);
void get_agents(struct ask *a);
void post_agent(struct ask *a);
void post_rotate(struct ask *a);
void delete_agent(struct ask *a);
void get_journal(struct ask *a);
void get_verify(struct ask *a);

/* ---- contents.c ---- */

void get_files(struct ask *a);
void get_file(struct ask *a);
void get_memory(struct ask *a);

#endif
