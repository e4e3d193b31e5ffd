// SPDX-License-Identifier: GPL-2.0-or-later
/* doctor: what the running daemon says of itself. */
#include "cli/doctor.h"

#include <stdio.h>
#include <string.h>

#define MANY_RESTARTS 3

void check_daemon(struct doctor *d)
{
	char since[32];

	if (d->status)
		report(d, OK, "daemon", "", "answers, since %s",
		       time_text(since, number_of(d->status, "started_wall_ns")));
	else
		report(d, FAIL, "daemon", "systemctl start wardend; systemctl status wardend tells more",
		       "%s", d->why);
}

void check_events(struct doctor *d)
{
	const json_t *bpf = member(d->status, "bpf");

	if (!d->status)
		return;
	if (is_true(bpf, "on"))
		report(d, OK, "events", "", "through BPF");
	else
		report(d, WARN, "events", "journalctl -u wardend tells more",
		       "none: guests are seen by sweeps alone: %s", text_of(bpf, "how"));
}

void check_cids(struct doctor *d)
{
	const json_t *cids = member(d->status, "cids");

	if (!d->status)
		return;
	if (is_true(cids, "on"))
		report(d, OK, "vsock", "", "CIDs are seen as VMMs set them");
	else
		report(d, WARN, "vsock", "modprobe vhost_vsock, at boot by /etc/modules-load.d",
		       "CIDs are read from VMMs' command lines: %s", text_of(cids, "why"));
}

void check_guard(struct doctor *d)
{
	const json_t *guard = member(d->status, "guard");
	const char *state = text_of(guard, "state"), *mode = text_of(guard, "mode");

	if (!d->status)
		return;
	if (!strcmp(state, "off"))
		report(d, WARN, "guard", "see the profile, /etc/kvm-warden/guard.conf",
		       "VMMs are not guarded: %s", text_of(guard, "why"));
	else if (!strcmp(state, "degraded"))
		report(d, WARN, "guard", "boot with bpf in the kernel's list, as lsm=...,bpf",
		       "deny unavailable, and less is seen: %s", text_of(guard, "why"));
	else if (text_of(guard, "missing")[0])
		report(d, WARN, "guard", "", "mode %s; this kernel has not: %s", mode,
		       text_of(guard, "missing"));
	else
		report(d, OK, "guard", "", "VMMs are guarded, mode %s, %lld hooks", mode,
		       (long long)number_of(guard, "hooks"));
}

struct integrity_sum {
	unsigned differ, unavailable, late, of_host;
	char first[256];		/* of them */
};

static void sum_up(struct integrity_sum *sum, const json_t *checked, json_int_t now, json_int_t patience_s)
{
	const char *status = text_of(checked, "status");
	json_int_t age_s = (now - number_of(checked, "checked_wall_ns")) / 1000000000;
	bool differs = !strcmp(status, "differs"), clean = !strcmp(status, "clean");

	sum->of_host += !number_of(checked, "guest");
	sum->differ += differs;
	sum->unavailable += !differs && !clean;
	sum->late += clean && age_s > patience_s;
	if ((!clean || age_s > patience_s) && !sum->first[0])
		snprintf(sum->first, sizeof(sum->first), "%.60s%s, %lld s ago: %s%s%.120s",
			 text_of(checked, "what"), number_of(checked, "guest") ? " of a guest" : "",
			 (long long)age_s, status, text_of(checked, "why")[0] ? ": " : "",
			 text_of(checked, "why"));
}

void check_integrity(struct doctor *d)
{
	const json_t *integrity = member(d->status, "integrity"), *checked;
	json_int_t seconds = number_of(integrity, "seconds");
	size_t n = json_array_size(member(integrity, "checked")), i;
	struct integrity_sum sum = { 0 };

	if (!d->status)
		return;
	json_array_foreach(member(integrity, "checked"), i, checked)
		sum_up(&sum, checked, number_of(d->status, "now_wall_ns"), 3 * seconds + 300);
	if (!seconds)
		report(d, WARN, "integrity", "integrity_seconds in wardend.conf(5)",
		       "the host's code is not checked: switched off");
	else if (sum.differ)
		report(d, FAIL, "integrity", "wardenctl findings tells what is there",
		       "code differs from its file: %u of %zu; %s", sum.differ, n, sum.first);
	else if (!sum.of_host)
		report(d, WARN, "integrity", "", "no check of the modules of KVM has ended yet");
	else if (sum.unavailable || sum.late)
		report(d, WARN, "integrity", "wardenctl status tells of each",
		       "not checked: %u of %zu, not checked for long: %u; %s", sum.unavailable, n,
		       sum.late, sum.first);
	else
		report(d, OK, "integrity", "", "%zu checked, each as its file", n);
}

void check_roles(struct doctor *d)
{
	const json_t *role;
	unsigned up = 0;
	size_t i;

	json_array_foreach(member(d->status, "roles"), i, role) {
		const char *name = text_of(role, "role");

		if (!strcmp(name, "bpf"))
			continue;
		if (strcmp(text_of(role, "state"), "up"))
			report(d, FAIL, "roles", "journalctl -u wardend tells more", "%s is down: %s",
			       name, text_of(role, "why"));
		else if (number_of(role, "restarts") > MANY_RESTARTS)
			report(d, WARN, "roles", "journalctl -u wardend tells more",
			       "%s was started again %lld times: %s", name,
			       (long long)number_of(role, "restarts"), text_of(role, "why"));
		else
			up++;
	}
	if (up)
		report(d, OK, "roles", "", "%u are up", up);
}

void check_journal(struct doctor *d)
{
	const json_t *journal = member(d->status, "journal");

	if (!d->status)
		return;
	if (is_true(journal, "writable"))
		report(d, OK, "journal", "", "%lld rows; wardenctl journal verify reads them all",
		       (long long)number_of(journal, "rows"));
	else
		report(d, FAIL, "journal", "make room, or mend the folder; then systemctl restart wardend",
		       "not writable, so nothing is answered: %s", text_of(journal, "why"));
}

static void check_guest(struct doctor *d, const json_t *g)
{
	const json_t *kernel = member(g, "kernel");
	const char *name = text_of(g, "name");
	long long id = number_of(g, "id");

	if (!strcmp(text_of(kernel, "state"), "unobservable"))
		report(d, WARN, "guest", "", "%lld %s cannot be observed: %s", id, name,
		       text_of(kernel, "why"));
	else if (!is_true(g, "agent"))
		report(d, WARN, "guest", "wardenctl enrol NAME, if it shall have an agent",
		       "%lld %s has no agent in session: the host answers alone%s%s", id, name,
		       text_of(g, "strategy_why")[0] ? ": " : "", text_of(g, "strategy_why"));
	else
		report(d, OK, "guest", "", "%lld %s, its agent in session", id, name);
}

void check_guests(struct doctor *d)
{
	const json_t *g, *a;
	json_t *agents;
	unsigned pinned = 0, in = 0;
	char why[256];
	size_t i;

	if (!d->status)
		return;
	json_array_foreach(member(d->status, "guests"), i, g)
		check_guest(d, g);
	agents = api_try(d->cli, why, sizeof(why), "/v1/agents");
	if (!agents) {
		report(d, WARN, "agents", "journalctl -u wardend tells more", "%s", why);
		return;
	}
	json_array_foreach(member(agents, "agents"), i, a) {
		pinned += !strcmp(text_of(a, "state"), "pinned");
		in += is_true(a, "session");
	}
	report(d, OK, "agents", "", "%u pinned, %u in session", pinned, in);
	json_decref(agents);
}
