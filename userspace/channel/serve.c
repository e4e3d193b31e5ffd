// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "channel/agents.h"
#include "channel/clock.h"
#include "channel/conns.h"
#include "channel/orders.h"
#include "lib/log.h"
#include "lib/util.h"

/* False: not one of the messages that the engine may send. */
static bool dispatch(struct channel *ch, const struct msg *m, uint64_t now_ms)
{
	static struct m_order order;
	static struct m_bound bound;
	static struct m_agent_act act;

	if (msg_decode(m, &msg_order, &order))
		orders_take(ch, m->id, &order, now_ms);
	else if (msg_decode(m, &msg_bound, &bound))
		conns_bound(ch, &bound, now_ms);
	else if (msg_decode(m, &msg_agent_act, &act))
		agents_act(ch, m->id, &act, now_ms);
	else
		return false;
	return true;
}

/* False once the engine has closed its socket. */
static bool hear_engine(struct channel *ch)
{
	static struct msg m;
	int r;

	while ((r = msg_recv(ch->engine, &m, MSG_DONTWAIT)) == 1) {
		msg_release(&m);
		if (!dispatch(ch, &m, clock_ms()))
			fatal("the engine sent a message that is none");
	}
	if (r == -ECONNRESET)	/* it left our answers unread */
		return false;
	if (r < 0 && r != -EAGAIN)
		fatal("the engine's socket: %s", strerror(-r));
	return r != 0;
}

static int time_left(const struct channel *ch)
{
	uint64_t next = MIN(conns_deadline(ch), orders_deadline(ch)), now = clock_ms();

	if (next == UINT64_MAX)
		return -1;
	return next > now ? (int)MIN(next - now, 60000u) : 0;
}

/* Connections that come in this turn are served from the next one on. */
static bool turn(struct channel *ch, struct pollfd *fds)
{
	size_t n = ch->nconns;
	bool go_on = true;
	uint64_t now;

	fds[0] = (struct pollfd){ ch->engine, POLLIN, 0 };
	fds[1] = (struct pollfd){ ch->listener.fd, POLLIN, 0 };
	for (size_t i = 0; i < n; i++)
		fds[2 + i] = (struct pollfd){ ch->conns[i]->fd,
			POLLIN | (ch->conns[i]->link.out_len ? POLLOUT : 0), 0 };
	if (poll(fds, 2 + n, time_left(ch)) < 0 && errno != EINTR)
		fatal("poll: %s", strerror(errno));
	now = clock_ms();
	for (size_t i = 0; i < n; i++)
		if ((fds[2 + i].revents & ~POLLOUT) && ch->conns[i]->state != CONN_DEAD)
			conn_receive(ch, ch->conns[i], now);
	if (fds[0].revents)
		go_on = hear_engine(ch);
	if (fds[1].revents)
		conns_accept(ch, now);
	orders_tend(ch, now);
	conns_tend(ch, now);
	return go_on;
}

void channel_serve(struct channel *ch)
{
	autofree struct pollfd *fds = calloc(2 + CONNS_MAX, sizeof(*fds));

	if (!fds)
		fatal("out of memory");
	while (turn(ch, fds))
		;
}
