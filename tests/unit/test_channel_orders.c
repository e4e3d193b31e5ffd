// SPDX-License-Identifier: GPL-2.0-or-later
/* The table of orders, when agents do not answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channel/conns.h"
#include "channel/orders.h"

#define AGENTS (ORDERS_MAX / WIRE_ORDERS_OPEN)

static struct channel ch;
static int engine;

/* Agents that are up and read nothing; the last one is not silent yet. */
static int setup(void **state)
{
	const int room = 1 << 20;
	int pair[2];

	/* All answers of one turn wait in it. */
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) ||
	    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)))
		return -1;
	alarm(30);
	ch.engine = pair[0];
	engine = pair[1];
	conns_init(&ch);
	orders_init(&ch);
	for (uint32_t i = 0; i <= AGENTS; i++) {
		struct conn *c = calloc(1, sizeof(*c));

		c->fd = -1;
		c->cid = i + 3;
		c->state = CONN_UP;
		c->link.up = true;
		c->login.capabilities = 1 << VERB_KILL;
		c->bound = true;
		ch.conns[ch.nconns++] = c;
	}
	return 0;
}

static uint32_t answer(void)
{
	static struct msg m;
	struct m_result result;

	if (msg_recv(engine, &m, MSG_DONTWAIT) != 1)
		return 0;
	assert_true(msg_decode(&m, &msg_result, &result));
	return result.status;
}

static uint32_t give(uint32_t cid, uint64_t now_ms)
{
	static uint64_t id;
	const struct m_order o = { .cid = cid, .verb = VERB_KILL, .deadline_ms = 100, .pid = 9 };

	orders_take(&ch, ++id, &o, now_ms);
	return answer();
}

/* As many agents as fill the table keep silent: others' orders go out still. */
static void test_late_orders_take_no_place(void **state)
{
	for (uint32_t i = 0; i < AGENTS * WIRE_ORDERS_OPEN; i++)
		assert_int_equal(give(3 + i / WIRE_ORDERS_OPEN, 1000), 0);
	/* All of them awaited: that is the bound. */
	assert_int_equal(give(3 + AGENTS, 1000), ORDER_UNDELIVERABLE);
	orders_tend(&ch, 2000);
	for (uint32_t i = 0; i < AGENTS * WIRE_ORDERS_OPEN; i++)
		assert_int_equal(answer(), ORDER_EXPIRED);
	assert_int_equal(give(3 + AGENTS, 2000), 0);
	/* The silent ones stay at their own bound. */
	assert_int_equal(give(3, 2000), ORDER_UNDELIVERABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_late_orders_take_no_place),
	};

	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, setup, NULL);
}
