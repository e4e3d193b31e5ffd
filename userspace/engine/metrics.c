// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * GET /metrics: the daemon's numbers in Prometheus's text format.
 *
 * Labels hold what a VMM calls its guest: escaped.  There is one set of series
 * for each guest there is, and each other label is one of a few words of ours.
 */
#include "engine/ask.h"

#include <linux/kvm_warden.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/incident.h"
#include "engine/sessions.h"
#include "engine/views.h"
#include "lib/util.h"

/* ---- the format ---- */

static void head(FILE *out, const char *name, const char *type, const char *help)
{
	fprintf(out, "# HELP kvm_warden_%s %s\n# TYPE kvm_warden_%s %s\n", name, help, name, type);
}

static void label(FILE *out, const char *key, const char *value)
{
	fprintf(out, "%s=\"", key);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', out);
		if (*value == '\n')
			fputs("\\n", out);
		else
			fputc(*value, out);
	}
	fputc('"', out);
}

static void one(FILE *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	fprintf(out, "kvm_warden_%s %llu\n", name, (unsigned long long)value);
}

static void labelled(FILE *out, const char *name, const char *key, const char *word, uint64_t value)
{
	fprintf(out, "kvm_warden_%s{", name);
	label(out, key, word);
	fprintf(out, "} %llu\n", (unsigned long long)value);
}

/* ---- guests ---- */

static void guest_labels(FILE *out, const struct guest *g)
{
	fprintf(out, "{guest=\"%llu\",", (unsigned long long)g->id);
	label(out, "name", g->name);
}

#define COUNTER(field) offsetof(struct m_counters, field)

static const struct {
	const char *name, *type, *help;
	size_t offset;
} of_counters[] = {
	{ "exits_total", "counter", "Exits of the guest's vCPUs.", COUNTER(exits) },
	{ "events_emitted_total", "counter", "Events the module emitted: the sum of the delivered,"
	  " dropped, suppressed, missed and in flight.", COUNTER(emitted) },
	{ "events_delivered_total", "counter", "Events the engine has taken.", COUNTER(delivered) },
	{ "events_dropped_total", "counter", "Events dropped: the guest had its share of the ring.",
	  COUNTER(dropped) },
	{ "events_suppressed_total", "counter", "Events suppressed: the guest had spent its budget.",
	  COUNTER(suppressed) },
	{ "events_missed_total", "counter", "Events missed: nothing was attached.", COUNTER(missed) },
	{ "address_spaces_seen_again_total", "counter", "Address spaces seen again within a second:"
	  " no events were made of them.", COUNTER(seen_again) },
};

static uint64_t counter_of(const struct guest *g, size_t offset)
{
	uint64_t n;

	memcpy(&n, (const char *)&g->counters + offset, sizeof(n));
	return n;
}

static uint64_t in_flight(const struct guest *g) { return counters_in_flight(&g->counters); }
static uint64_t vcpus(const struct guest *g) { return g->counters.vcpus; }
static uint64_t address_spaces(const struct guest *g) { return g->counters.address_spaces; }
static uint64_t tasks(const struct guest *g) { return g->inventory.ntasks; }
static uint64_t looks(const struct guest *g) { return g->counts.looks; }
static uint64_t looks_coalesced(const struct guest *g) { return g->looks.coalesced; }
static uint64_t looks_overflowed(const struct guest *g) { return g->looks.overflowed; }
static uint64_t sweeps(const struct guest *g) { return g->counts.sweeps; }
static uint64_t sweeps_incomplete(const struct guest *g) { return g->counts.sweeps_incomplete; }
static uint64_t findings(const struct guest *g) { return g->counts.findings; }
static uint64_t findings_held(const struct guest *g) { return g->counts.findings_held; }
static uint64_t contained(const struct guest *g) { return g->holds[HOLD_CONTAIN].on; }
static uint64_t paused(const struct guest *g) { return g->holds[HOLD_PAUSE].on; }
static uint64_t link_down(const struct guest *g) { return g->holds[HOLD_LINK].on; }
static uint64_t agent(const struct guest *g) { return session_bound(g) != NULL; }

/* Its kernel is found, and may be looked at. */
static uint64_t observed(const struct guest *g)
{
	return g->level != KVM_WARDEN_LEVEL_OFF && g->introspector.fd >= 0 &&
	       g->kernel.state == KERNEL_READY;
}

static const struct {
	const char *name, *type, *help;
	uint64_t (*value)(const struct guest *g);
} of_guests[] = {
	{ "events_in_flight", "gauge", "Events on their way to the engine.", in_flight },
	{ "vcpus", "gauge", "vCPUs that have run.", vcpus },
	{ "address_spaces", "gauge", "Distinct page-table roots the guest ran on.", address_spaces },
	{ "tasks", "gauge", "Processes known.", tasks },
	{ "observed", "gauge", "1 if the guest's kernel is found and looked into; 0 is never clean.",
	  observed },
	{ "contained", "gauge", "1 while every vCPU is stopped by the module.", contained },
	{ "paused", "gauge", "1 while its VMM has paused it.", paused },
	{ "link_down", "gauge", "1 while its network is cut off.", link_down },
	{ "agent_in_session", "gauge", "1 while its agent is logged in and bound to it.", agent },
	{ "looks_total", "counter", "Looks at one process, by an event.", looks },
	{ "looks_coalesced_total", "counter", "Events of a process that was looked at a moment ago.",
	  looks_coalesced },
	{ "looks_overflowed_total", "counter", "Events left to the next sweep: too many looks wait.",
	  looks_overflowed },
	{ "sweeps_total", "counter", "Sweeps over all its processes.", sweeps },
	{ "sweeps_incomplete_total", "counter", "Sweeps that did not see everything.",
	  sweeps_incomplete },
	{ "findings_total", "counter", "Findings since the engine started.", findings },
	{ "findings_held_total", "counter", "Findings held back: the guest's quota is spent.",
	  findings_held },
};

static void guest_series(FILE *out, struct engine *e, const char *name, uint64_t (*value)(const struct guest *g),
			 size_t offset)
{
	struct guest *g;

	TAILQ_FOREACH(g, &e->guests, entry) {
		if (g->down)
			continue;
		fprintf(out, "kvm_warden_guest_%s", name);
		guest_labels(out, g);
		fprintf(out, "} %llu\n", (unsigned long long)(value ? value(g) : counter_of(g, offset)));
	}
}

static void guest_head(FILE *out, const char *name, const char *type, const char *help)
{
	char full[64];

	snprintf(full, sizeof(full), "guest_%s", name);
	head(out, full, type, help);
}

static void lag(FILE *out, struct engine *e)
{
	struct guest *g;

	guest_head(out, "event_lag_seconds", "summary", "From the exit until the engine has the event.");
	TAILQ_FOREACH(g, &e->guests, entry) {
		if (g->down)
			continue;
		fputs("kvm_warden_guest_event_lag_seconds_sum", out);
		guest_labels(out, g);
		fprintf(out, "} %llu.%06llu\n", (unsigned long long)g->counters.lag_us / 1000000,
			(unsigned long long)g->counters.lag_us % 1000000);
		fputs("kvm_warden_guest_event_lag_seconds_count", out);
		guest_labels(out, g);
		fprintf(out, "} %llu\n", (unsigned long long)g->counters.lagged);
	}
}

static void objects(FILE *out, struct engine *e)
{
	struct guest *g;

	guest_head(out, "objects", "gauge", "Pieces of code known, by the state of their scan.");
	TAILQ_FOREACH(g, &e->guests, entry) {
		uint64_t n[OBJECT_NOT_SCANNED + 1] = { 0 };
		const struct object *o;

		if (g->down)
			continue;
		TAILQ_FOREACH(o, &g->inventory.object_ages, by_age)
			n[o->state]++;
		for (int state = OBJECT_WAITING; state <= OBJECT_NOT_SCANNED; state++) {
			fputs("kvm_warden_guest_objects", out);
			guest_labels(out, g);
			fprintf(out, ",state=\"%s\"} %llu\n", object_state_name(state),
				(unsigned long long)n[state]);
		}
	}
}

#define REST(field) offsetof(struct rest_counts, field)

static void files_at_rest(FILE *out, struct engine *e)
{
	static const struct {
		const char *verdict;
		size_t offset;
	} of_rest[] = {
		{ "clean", REST(clean) }, { "infected", REST(infected) }, { "partial", REST(partial) },
		{ "not_scanned", REST(not_scanned) },
	};
	struct guest *g;

	guest_head(out, "rest_files_total", "counter", "Files at rest that were scanned, by what came of"
		   " it; partial: clean as far as they are in memory.");
	TAILQ_FOREACH(g, &e->guests, entry) {
		for (size_t i = 0; !g->down && i < ARRAY_SIZE(of_rest); i++) {
			uint64_t n;

			memcpy(&n, (const char *)&g->rest.total + of_rest[i].offset, sizeof(n));
			fputs("kvm_warden_guest_rest_files_total", out);
			guest_labels(out, g);
			fprintf(out, ",verdict=\"%s\"} %llu\n", of_rest[i].verdict, (unsigned long long)n);
		}
	}
	guest_head(out, "rest_round_timestamp_seconds", "gauge", "When the last round over files at rest"
		   " was complete or as complete as it could be; 0: none yet.");
	TAILQ_FOREACH(g, &e->guests, entry) {
		if (g->down)
			continue;
		fputs("kvm_warden_guest_rest_round_timestamp_seconds", out);
		guest_labels(out, g);
		fprintf(out, "} %llu\n", (unsigned long long)(g->rest.last_wall / NS_PER_S));
	}
}

static void levels(FILE *out, struct engine *e)
{
	struct guest *g;

	guest_head(out, "level_info", "gauge", "The guest's level: off, metadata or content.");
	TAILQ_FOREACH(g, &e->guests, entry) {
		if (g->down)
			continue;
		fputs("kvm_warden_guest_level_info", out);
		guest_labels(out, g);
		fprintf(out, ",level=\"%s\"} 1\n", guest_level_name(g->level));
	}
}

#define GUARD(field) offsetof(struct m_guard_counts, field)

static const struct {
	const char *name, *type, *help;
	size_t offset;
} of_guard[] = {
	{ "guard_processes", "gauge", "Processes of its VMM that are watched.", GUARD(processes) },
	{ "guard_unwatched_total", "counter", "Processes there was no room to watch.",
	  GUARD(unwatched) },
	{ "guard_violations_total", "counter", "What its VMM did outside the profile: the sum of the"
	  " delivered, dropped and suppressed.", GUARD(violations) },
	{ "guard_denied_total", "counter", "Of the violations, those that were denied.", GUARD(denied) },
	{ "guard_delivered_total", "counter", "Violations the engine has taken.", GUARD(delivered) },
	{ "guard_dropped_total", "counter", "Violations dropped: the ring was full.", GUARD(dropped) },
	{ "guard_suppressed_total", "counter", "Violations suppressed: the VMM had spent its budget.",
	  GUARD(suppressed) },
};

/* Of those whose VMM is watched. */
static void guard_of_guests(FILE *out, struct engine *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(of_guard); i++) {
		struct guest *g;

		guest_head(out, of_guard[i].name, of_guard[i].type, of_guard[i].help);
		TAILQ_FOREACH(g, &e->guests, entry) {
			uint64_t n;

			if (g->down || !g->is_guarded)
				continue;
			memcpy(&n, (const char *)&g->guard + of_guard[i].offset, sizeof(n));
			fprintf(out, "kvm_warden_guest_%s", of_guard[i].name);
			guest_labels(out, g);
			fprintf(out, "} %llu\n", (unsigned long long)n);
		}
	}
}

static void guests(FILE *out, struct engine *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(of_counters); i++) {
		guest_head(out, of_counters[i].name, of_counters[i].type, of_counters[i].help);
		guest_series(out, e, of_counters[i].name, NULL, of_counters[i].offset);
	}
	for (size_t i = 0; i < ARRAY_SIZE(of_guests); i++) {
		guest_head(out, of_guests[i].name, of_guests[i].type, of_guests[i].help);
		guest_series(out, e, of_guests[i].name, of_guests[i].value, 0);
	}
	lag(out, e);
	objects(out, e);
	files_at_rest(out, e);
	levels(out, e);
	guard_of_guests(out, e);
}

/* ---- the host ---- */

static void totals(FILE *out, const struct engine *e)
{
	struct m_counters sum;
	const struct guest *g;
	uint64_t n = 0, unobserved = 0;

	TAILQ_FOREACH(g, &e->guests, entry) {
		n += !g->down;
		unobserved += !g->down && !observed(g);
	}
	one(out, "guests", "gauge", "Guests that run.", n);
	one(out, "guests_unobserved", "gauge", "Of these, those that cannot be looked into now.",
	    unobserved);
	one(out, "guests_departed_total", "counter", "Guests that ended since the engine started.",
	    e->ndeparted);
	counters_total(e, &sum);
	one(out, "exits_total", "counter", "Exits of all guests there are and were.", sum.exits);
	one(out, "events_emitted_total", "counter", "Events of all guests there are and were.",
	    sum.emitted);
	head(out, "events_total", "counter", "The same by what became of them.");
	labelled(out, "events_total", "fate", "delivered", sum.delivered);
	labelled(out, "events_total", "fate", "dropped", sum.dropped);
	labelled(out, "events_total", "fate", "suppressed", sum.suppressed);
	labelled(out, "events_total", "fate", "missed", sum.missed);
	one(out, "events_ring_full_total", "counter", "Of the dropped, those for which no guest had"
	    " room in the ring: the shares are there to prevent it.", sum.ring_full);
}

/* All introspectors are one role here, and those that are gone still count as restarted. */
static void roles(FILE *out, const struct engine *e)
{
	static const char *const names[] = { "introspect", "bpf", "scan", "channel" };
	uint64_t up[ARRAY_SIZE(names)] = { 0 };
	uint64_t restarts[ARRAY_SIZE(names)] = { e->departed_restarts };
	const struct guest *g;

	for (unsigned r = 0; r < e->nroles; r++) {
		for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
			if (strcmp(e->roles[r].name, names[i]))
				continue;
			up[i] += !e->roles[r].guest && e->roles[r].state == ROLE_UP;
			restarts[i] += e->roles[r].restarts;
		}
	}
	/* An introspector that never ended is in no list of roles. */
	TAILQ_FOREACH(g, &e->guests, entry)
		up[0] += g->introspector.fd >= 0;
	one(out, "module_attached", "gauge", "1 while the module hooks KVM; no guest is watched while it is 0.",
	    e->module.attached);
	head(out, "roles_up", "gauge", "Processes of that role that run; bpf: 1 while it is attached.");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		labelled(out, "roles_up", "role", names[i], up[i]);
	head(out, "role_restarts_total", "counter", "Starts of a role that had ended.");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		labelled(out, "role_restarts_total", "role", names[i], restarts[i]);
	one(out, "engine_start_timestamp_seconds", "gauge", "When the engine started.",
	    e->started_wall / NS_PER_S);
}

static void guard(FILE *out, const struct engine *e)
{
	head(out, "guard_info", "gauge", "The guard over VMMs: off, finding or deny; whole, degraded or"
	     " off.");
	fprintf(out, "kvm_warden_guard_info{mode=\"%s\",state=\"%s\"} 1\n", guard_mode_name(&e->guard),
		guard_state_name(&e->guard));
	one(out, "guard_hooks", "gauge", "Hooks of the kernel it is attached to.", e->guard.hooks);
	head(out, "guard_incidents_total", "counter", "What VMMs did outside the profile, by signature"
	     " and by whether it was denied; the same again too.");
	for (uint32_t what = 1; what < GUARD_KINDS; what++)
		for (unsigned denied = 0; denied < 2; denied++)
			fprintf(out, "kvm_warden_guard_incidents_total{signature=\"%s\",verdict=\"%s\"} %llu\n",
				incident_signature(what), denied ? "denied" : "found",
				(unsigned long long)e->guard_incidents[what][denied]);
}

static void integrity_labels(FILE *out, const char *name, const struct m_integrity_done *d)
{
	fprintf(out, "kvm_warden_%s{guest=\"%llu\",", name, (unsigned long long)d->guest);
	label(out, "what", d->what);
}

/* What was not checked for long is as little clean as what was not at all. */
static void integrity(FILE *out, struct engine *e)
{
	head(out, "integrity_info", "gauge", "Code compared with its file: modules of KVM and ours (guest 0),"
	     " VMMs; clean, differs or unavailable.");
	for (unsigned i = 0; i < e->nchecked; i++) {
		const struct m_integrity_done *d = &e->checked[i].done;

		if (!view_is_checked(e, d))
			continue;
		integrity_labels(out, "integrity_info", d);
		fprintf(out, ",status=\"%s\"} 1\n", integrity_status_name(d->status));
	}
	head(out, "integrity_checked_timestamp_seconds", "gauge", "When that was.");
	for (unsigned i = 0; i < e->nchecked; i++) {
		if (!view_is_checked(e, &e->checked[i].done))
			continue;
		integrity_labels(out, "integrity_checked_timestamp_seconds", &e->checked[i].done);
		fprintf(out, "} %llu\n", (unsigned long long)(e->checked[i].at_wall / NS_PER_S));
	}
	one(out, "integrity_interval_seconds", "gauge", "Between two checks, at most; 0: switched off.",
	    e->config.integrity_seconds);
}

static void scanner(FILE *out, const struct engine *e)
{
	const struct scans *s = &e->scans;

	one(out, "scan_verdicts_total", "counter", "Contents that got a verdict.", s->verdicts);
	one(out, "scan_cache_hits_total", "counter", "Of these, by the cache of verdicts.", s->cached);
	one(out, "scan_bytes_total", "counter", "Bytes that were scanned, not by the cache.", s->scanned);
	one(out, "scan_refused_total", "counter", "Contents not scanned: no room in the queue.",
	    s->refused);
	one(out, "scan_queue_contents", "gauge", "Contents that wait or are under scan.",
	    s->jobs + s->rest_jobs);
	one(out, "scan_queue_bytes", "gauge", "Their memory.", s->bytes + s->rest_bytes);
	one(out, "database_ready", "gauge", "1 if signatures are loaded.", e->database.ready);
	one(out, "database_signatures", "gauge", "Signatures loaded.", e->database.signatures);
	one(out, "database_loaded_timestamp_seconds", "gauge", "When they were loaded; 0: never.",
	    e->database_wall / NS_PER_S);
}

/* ---- the journal ---- */

static void tally(FILE *out, struct engine *e, const char *name, const char *type, const char *help,
		  const char *sql)
{
	json_t *rows = records_query(&e->journal, sql, NULL, 0), *row, *value;
	const char *key, *comma;
	size_t i;

	head(out, name, type, help);
	json_array_foreach(rows, i, row) {
		fprintf(out, "kvm_warden_%s{", name);
		comma = "";
		json_object_foreach(row, key, value) {
			if (!json_is_string(value))
				continue;
			fputs(comma, out);
			label(out, key, json_string_value(value));
			comma = ",";
		}
		fprintf(out, "} %lld\n", (long long)json_integer_value(json_object_get(row, "n")));
	}
	json_decref(rows);
}

static void journal(FILE *out, struct engine *e)
{
	tally(out, e, "findings_total", "counter", "Findings in the journal, by what they are of.",
	      "SELECT object_kind AS kind, count(*) AS n FROM findings GROUP BY object_kind");
	tally(out, e, "orders", "gauge", "Orders to agents in the journal, by their state now and, seen"
	      " from outside, their outcome.",
	      "SELECT verb, state, outcome, count(*) AS n FROM orders GROUP BY verb, state, outcome");
	tally(out, e, "acts", "gauge", "Answers of the host's own in the journal, by their state now.",
	      "SELECT verb, state AS result, count(*) AS n FROM acts GROUP BY verb, state");
	one(out, "journal_rows_total", "counter", "Rows of the journal.", e->journal.head_seq);
	one(out, "journal_writable", "gauge", "1 if the journal takes rows; 0: nothing is answered.",
	    !e->journal.failed);
	one(out, "journal_events_lost_total", "counter", "Rows left out while the disk was full.",
	    e->held_before + e->journal.held);
}

void get_metrics(struct ask *a)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out) {
		ask_text(a, NULL);
		return;
	}
	one(out, "up", "gauge", "1 if wardend answers.", 1);
	head(out, "build_info", "gauge", "The version that runs.");
	labelled(out, "build_info", "version", WARDEN_VERSION, 1);
	totals(out, a->e);
	guests(out, a->e);
	roles(out, a->e);
	guard(out, a->e);
	integrity(out, a->e);
	scanner(out, a->e);
	journal(out, a->e);
	if (fclose(out)) {
		free(text);
		text = NULL;
	}
	ask_text(a, text);
}
