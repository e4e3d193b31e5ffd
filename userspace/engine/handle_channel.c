// SPDX-License-Identifier: GPL-2.0-or-later
/* What the channel says: sessions, and the agents' answers. */
#include "engine/agents.h"
#include "engine/orders.h"
#include "engine/sessions.h"

static int on_result(struct engine *e, struct msg *m, uint64_t now)
{
	struct m_result result;

	if (!msg_decode(m, &msg_result, &result) || !result.status ||
	    result.status > ORDER_EXPIRED)
		return -1;
	return orders_result(e, m->id, &result, now);
}

int handle_channel(struct peer *peer, struct msg *m, uint64_t now)
{
	switch (m->type) {
	case M_SESSION:
		return sessions_message(peer->engine, m, now);
	case M_RESULT:
		return on_result(peer->engine, m, now);
	case M_AGENT_INFO:
	case M_AGENT_DONE:
		return agents_message(peer->engine, m);
	default:
		return -1;
	}
}
