// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/agents.h"

#include <string.h>

#include "engine/control.h"
#include "engine/views.h"

#define AGENTS_SHOWN 4096

static struct agent_ask *find(struct engine *e, uint64_t id)
{
	for (unsigned i = 0; i < AGENT_ASKS; i++)
		if (e->agent_asks[i].id == id)
			return &e->agent_asks[i];
	return NULL;
}

uint64_t agents_ask(struct engine *e, const struct m_agent_act *m)
{
	struct agent_ask *ask = find(e, 0);

	if (!ask || e->channel.fd < 0)
		return 0;
	*ask = (struct agent_ask){ .id = e->next_id++, .rows = json_array() };
	if (!peer_post(&e->channel, &msg_agent_act, ask->id, m, -1))
		return ask->id;
	json_decref(ask->rows);
	ask->id = 0;
	return 0;
}

static bool in_session(const struct engine *e, const char *name)
{
	for (unsigned i = 0; i < e->nsessions; i++)
		if (e->sessions[i].state == SESSION_BOUND && !strcmp(e->sessions[i].m.agent, name))
			return true;
	return false;
}

static int on_info(struct engine *e, struct msg *raw)
{
	static const char *const states[] = {
		[AGENT_PINNED] = "pinned", [AGENT_INVITED] = "invited", [AGENT_REVOKED] = "revoked",
	};
	struct agent_ask *ask = raw->id ? find(e, raw->id) : NULL;
	struct m_agent_info m;

	if (!ask || !msg_decode(raw, &msg_agent_info, &m) || !m.state || m.state > AGENT_REVOKED)
		return -1;
	if (json_array_size(ask->rows) < AGENTS_SHOWN)
		json_array_append_new(ask->rows, json_pack("{s:s,s:s,s:s,s:I,s:I,s:b}",
			"name", m.name, "state", states[m.state], "key", m.key,
			"since_wall_ns", I(m.since_wall), "until_wall_ns", I(m.until_wall),
			"session", in_session(e, m.name)));
	return 0;
}

static int on_done(struct engine *e, struct msg *raw)
{
	struct agent_ask *ask = raw->id ? find(e, raw->id) : NULL;
	struct m_agent_done m;
	json_t *rows;

	if (!ask || !msg_decode(raw, &msg_agent_done, &m) || !m.status || m.status > AGENT_ERROR)
		return -1;
	rows = ask->rows;
	ask->id = 0;
	control_agents(e->control, raw->id, &m, rows);
	return 0;
}

int agents_message(struct engine *e, struct msg *m)
{
	return m->type == M_AGENT_INFO ? on_info(e, m) : on_done(e, m);
}

void agents_lost(struct engine *e)
{
	for (unsigned i = 0; i < AGENT_ASKS; i++) {
		struct agent_ask *ask = &e->agent_asks[i];
		uint64_t id = ask->id;

		ask->id = 0;
		if (id)
			control_agents(e->control, id, NULL, ask->rows);
	}
}
