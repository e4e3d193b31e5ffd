// SPDX-License-Identifier: GPL-2.0-or-later
/* What the control API serves, by method and path. */
#include "engine/ask.h"

#include <stdio.h>
#include <string.h>

#include "engine/views.h"
#include "lib/util.h"

static const struct route routes[] = {
	{ "GET", "/v1/status", get_status, 0, 0 },
	{ "GET", "/v1/guests", get_guests, 0, 0 },
	{ "GET", "/v1/guests/{GUEST}", get_guest, 0, 0 },
	{ "GET", "/v1/guests/{GUEST}/kernel", get_kernel, 0, 0 },
	{ "GET", "/v1/guests/{GUEST}/files", get_files, 0, 0 },
	{ "GET", "/v1/guests/{GUEST}/file", get_file, 0, 0 },
	{ "GET", "/v1/guests/{GUEST}/memory", get_memory, 0, 0 },
	{ "GET", "/v1/guests/{GUEST}/tasks", get_tasks, 0, 0 },
	{ "GET", "/v1/guests/{GUEST}/tasks/{PID}", get_process, 0, 0 },
	{ "GET", "/v1/guests/{GUEST}/tasks/{PID}/environment", get_environment, 0, 0 },
	{ "GET", "/v1/guests/{GUEST}/tasks/{PID}/maps", get_maps, 0, 0 },
	{ "POST", "/v1/guests/{GUEST}/scan", post_scan, BODY_PID, 0 },
	{ "POST", "/v1/guests/{GUEST}/kill", post_kill, BODY_PID | BODY_START | BODY_REASON, BODY_PID },
	{ "POST", "/v1/guests/{GUEST}/freeze", post_freeze, BODY_SECONDS | BODY_HOW | BODY_REASON, 0 },
	{ "POST", "/v1/guests/{GUEST}/thaw", post_thaw, 0, 0 },
	{ "POST", "/v1/guests/{GUEST}/level", post_level, BODY_LEVEL | BODY_REASON, BODY_LEVEL },
	{ "GET", "/v1/scans/{ID}", get_scan, 0, 0 },
	{ "GET", "/v1/orders/{ID}", get_order, 0, 0 },
	{ "GET", "/v1/findings", get_findings, 0, 0 },
	{ "GET", "/v1/findings/{ID}", get_finding, 0, 0 },
	{ "GET", "/v1/findings/{ID}/explain", get_explanation, 0, 0 },
	{ "GET", "/v1/quarantine", get_quarantine, 0, 0 },
	{ "POST", "/v1/quarantine/{ITEM}/restore", post_restore, BODY_REASON, 0 },
	{ "GET", "/v1/agents", get_agents, 0, 0 },
	{ "POST", "/v1/agents", post_agent, BODY_NAME | BODY_SECONDS, BODY_NAME },
	{ "POST", "/v1/agents/{NAME}/rotate", post_rotate, 0, 0 },
	{ "DELETE", "/v1/agents/{NAME}", delete_agent, 0, 0 },
	{ "GET", "/v1/journal", get_journal, 0, 0 },
	{ "GET", "/v1/journal/verify", get_verify, 0, 0 },
	{ "GET", "/metrics", get_metrics, 0, 0 },
};

const struct route *routes_all(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(routes);
	return routes;
}

/* "{X}" in the pattern takes one segment of the path. */
static bool path_matches(const char *pattern, const char *url, struct ask *a)
{
	unsigned n = 0;

	while (*pattern) {
		size_t len;

		if (*pattern != '{') {
			if (*pattern++ != *url++)
				return false;
			continue;
		}
		len = strcspn(url, "/");
		if (!len || len >= ASK_ARG_MAX || n == ASK_ARGS)
			return false;
		memcpy(a->arg[n], url, len);
		a->arg[n++][len] = '\0';
		url += len;
		pattern += strcspn(pattern, "}") + 1;
	}
	return !*url;
}

const struct route *route_find(struct ask *a, const char *method, const char *url)
{
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!path_matches(routes[i].path, url, a))
			continue;
		if (!strcmp(routes[i].method, method))
			return &routes[i];
		known = true;
	}
	if (known)
		ask_fail(a, 405, "this resource does not take that method",
			 "docs/openapi.json names the methods");
	else
		ask_fail(a, 404, "no such resource", "docs/openapi.json names the resources");
	return NULL;
}

static void is_ambiguous(struct ask *a)
{
	ask_fail_as(a, 409, "ambiguous", "several guests have that name, or one has it as its id",
		    "name it by its id with a + before it; GET /v1/guests lists them");
}

struct guest *ask_guest(struct ask *a)
{
	bool many;
	struct guest *g = view_find_guest(a->e, a->arg[0], &many);

	if (!g && many)
		is_ambiguous(a);
	else if (!g)
		ask_fail(a, 404, "no such guest", "GET /v1/guests lists those that are known");
	return g;
}

/* Those that share a name are asked for together; an id and a name are not. */
bool ask_of_guest(struct ask *a, const char *guest)
{
	uint64_t id;
	bool many;

	if (!guest || !view_guest_id(guest, &id) || view_find_guest(a->e, guest, &many) || !many)
		return true;
	is_ambiguous(a);
	return false;
}

/* Now, or in the journal. */
static bool is_known(struct ask *a, const char *guest)
{
	json_t *findings;
	bool many, is;

	if (view_find_guest(a->e, guest, &many) || many)
		return true;
	findings = view_findings(a->e, guest, 1);
	is = json_array_size(json_object_get(findings, "findings"));
	json_decref(findings);
	return is;
}

void ask_answer_of_guest(struct ask *a, const char *guest, json_t *answer, const char *rows)
{
	if (answer && guest && !json_array_size(json_object_get(answer, rows)) && !is_known(a, guest)) {
		json_decref(answer);
		ask_fail(a, 404, "no such guest", "GET /v1/guests lists those that are known");
		return;
	}
	ask_answer(a, 200, answer);
}

bool ask_number(struct ask *a, const char *text, const char *what, uint64_t *ret_number)
{
	char message[96];

	if (parse_u64(text, INT64_MAX, ret_number))
		return true;
	snprintf(message, sizeof(message), "%s is a number", what);
	ask_fail(a, 400, message, "correct it");
	return false;
}

void ask_reason(const struct ask *a, char *out, size_t size)
{
	snprintf(out, size, "by the operator (user %u, process %u)%s%s", a->uid, a->pid,
		 a->body.reason[0] ? ": " : "", a->body.reason);
}
