// SPDX-License-Identifier: GPL-2.0-or-later
/* Agents' keys: invited, pinned, made anew, revoked. */
#include "engine/ask.h"

#include <ctype.h>
#include <string.h>

#include "engine/agents.h"
#include "engine/views.h"
#include "lib/util.h"

#define AGENTS_NS (15 * NS_PER_S)
#define TOKEN_SECONDS 3600
#define TOKEN_SECONDS_MIN 30

/* [A-Za-z0-9][A-Za-z0-9._-]{0,62} */
static bool is_name(const char *name)
{
	if (!isalnum((unsigned char)name[0]) || strlen(name) >= TEXT_NAME)
		return false;
	for (; *name; name++)
		if (!isalnum((unsigned char)*name) && !strchr("._-", *name))
			return false;
	return true;
}

static void ask_channel(struct ask *a, uint32_t verb, const char *name, uint32_t seconds)
{
	struct m_agent_act m = { .verb = verb, .seconds = seconds };
	uint64_t ticket;

	if (name[0] && !is_name(name)) {
		ask_fail(a, 400, "name: must be 1 to 63 of letters, digits, . _ -, the first a"
			 " letter or digit", "correct it; it should be the guest's name");
		return;
	}
	snprintf(m.name, sizeof(m.name), "%s", name);
	snprintf(a->body.name, sizeof(a->body.name), "%s", name);
	ticket = agents_ask(a->e, &m);
	if (ticket)
		ask_wait(a, ticket, AGENTS_NS);
	else
		ask_fail(a, 503, "the channel is not running, or has enough to do",
			 "ask again in a moment; wardenctl status shows the roles");
}

void get_agents(struct ask *a)
{
	ask_channel(a, AGENT_LIST, "", 0);
}

void post_agent(struct ask *a)
{
	if (!(a->body.given & BODY_SECONDS))
		a->body.seconds = TOKEN_SECONDS;
	if (a->body.seconds < TOKEN_SECONDS_MIN || a->body.seconds > TOKEN_SECONDS_MAX)
		ask_fail(a, 400, "seconds: must be from 30 to 604800", "correct it");
	else if (!a->body.name[0])
		ask_fail(a, 400, "name: empty", "it should be the guest's name");
	else
		ask_channel(a, AGENT_ENROL, a->body.name, a->body.seconds);
}

void post_rotate(struct ask *a)
{
	ask_channel(a, AGENT_ROTATE, a->arg[0], 0);
}

void delete_agent(struct ask *a)
{
	ask_channel(a, AGENT_REVOKE, a->arg[0], 0);
}

static void refused(struct ask *a, const struct m_agent_done *m)
{
	static const struct {
		unsigned code;
		const char *message, *what;
	} refusals[] = {
		[AGENT_NOT_FOUND] = { 404, "no such agent", "GET /v1/agents lists them" },
		[AGENT_EXISTS] = { 409, "an agent of that name is there already",
				   "revoke it first, or choose another name" },
		[AGENT_NO_SESSION] = { 409, "that agent is not in session",
				       "start it in its guest" },
		[AGENT_ERROR] = { 500, "the channel could not do it", "see the daemon's log" },
	};

	ask_fail(a, refusals[m->status].code, m->why[0] ? m->why : refusals[m->status].message,
		 refusals[m->status].what);
}

/* The channel tells the token's end in the agent's row. */
static json_t *invitation(const struct ask *a, const struct m_agent_done *m, const json_t *rows)
{
	json_int_t until = json_integer_value(json_object_get(json_array_get(rows, 0),
							      "until_wall_ns"));

	if (!until)
		until = now_wall() + a->body.seconds * NS_PER_S;
	return json_pack("{s:s,s:s,s:I}", "name", a->body.name, "token", m->token,
			 "until_wall_ns", until);
}

static void answered(struct ask *a, const struct m_agent_done *m, json_t *rows)
{
	if (!m)
		ask_fail(a, 503, "the channel ended meanwhile", "ask again in a moment");
	else if (m->status != AGENT_OK)
		refused(a, m);
	else if (a->route->run == get_agents)
		ask_answer(a, 200, json_pack("{s:O}", "agents", rows));
	else if (a->route->run == post_agent)
		ask_answer(a, 201, invitation(a, m, rows));
	else
		ask_answer(a, a->route->run == post_rotate ? 202 : 200,
			   json_pack("{s:s}", "name", a->body.name));
}

void control_agents(struct control *c, uint64_t ticket, const struct m_agent_done *done,
		    json_t *rows)
{
	struct ask *a = ask_find(c, ticket);

	if (a) {
		answered(a, done, rows);
		ask_go_on(a);
	}
	json_decref(rows);
}
