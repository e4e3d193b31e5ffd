// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The host behind the seal: an agent that was taken over sends whatever records
 * it likes, while the engine gives orders and time passes.  Each order of the
 * engine's has one answer, whatever comes.
 */
#include "../../userspace/channel/conns.c"
#include "../../userspace/channel/orders.c"
#include "fuzz.h"

#include "lib/msg.h"

#define CID 7
#define ORDERS_A_RUN 32

static struct channel ch;
static int engine;			/* the other end of ch.engine */
static struct link up;			/* as it is after a handshake */
static unsigned given, answered[ORDERS_A_RUN];
static uint64_t now;

/* All but the connections, which are new in each run. */
static void prepare(void)
{
	static struct link agent;
	int pair[2];

	must(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair));
	ch = (struct channel){
		.engine = pair[0], .self = fuzz_host, .next = fuzz_agent, .has_next = true,
		.order_ms = 5000, .pins.dir = -1,
		.refusals = { .burst = 5, .interval_ms = 30000 },
		.enrols = { .burst = 5, .interval_ms = 60000 },
	};
	engine = pair[1];
	ch.pins.pin = calloc(PINS_MAX, sizeof(*ch.pins.pin));
	ch.pins.invite = calloc(INVITES_MAX, sizeof(*ch.pins.invite));
	ch.pins.revoked = calloc(REVOKED_MAX, sizeof(*ch.pins.revoked));
	conns_init(&ch);
	orders_init(&ch);
	fixed_random_reset();
	link_agent(&agent, &fuzz_agent, &fuzz_hosts);
	link_host(&up, &fuzz_host, fuzz_admit, NULL);
	for (int i = 0; i < 2; i++) {
		struct link *to[] = { &up, &agent }, *from[] = { &agent, &up };

		for (int k = 0; k < 2; k++) {
			const uint8_t *data = from[k]->out;
			size_t n = from[k]->out_len;

			while (n && link_input(to[k], &data, &n) == LINK_UP)
				;
			from[k]->out_len = 0;
		}
	}
	must(up.up);
}

static void reset(void)
{
	for (size_t i = 0; i < ch.nconns; i++) {
		close(ch.conns[i]->fd);
		free(ch.conns[i]);
	}
	ch.nconns = 0;
	memset(ch.orders, 0, ORDERS_MAX * sizeof(*ch.orders));
	memset(ch.pins.pin, 0, PINS_MAX * sizeof(*ch.pins.pin));
	ch.pins.pin[0].used = true;
	strcpy(ch.pins.pin[0].name, "web");
	memcpy(ch.pins.pin[0].key, fuzz_agent.public, WIRE_KEY);
	ch.pins.ninvites = ch.pins.nrevoked = 0;
	memset(ch.refusals.cids, 0, sizeof(ch.refusals.cids));
	memset(ch.enrols.cids, 0, sizeof(ch.enrols.cids));
	memset(answered, 0, sizeof(answered));
	given = 0;
	now = 1000000;
	fixed_random_draw = 100;
}

/* What the engine hears is well formed, and an order's answer comes once. */
static void hear(void)
{
	static struct msg m;
	struct m_result result;

	while (msg_recv(engine, &m, MSG_DONTWAIT) == 1) {
		if (m.type != M_RESULT)
			continue;
		must(msg_decode(&m, &msg_result, &result) && m.id < given);
		must(!answered[m.id]++);
	}
}

static struct conn *newest(void)
{
	return ch.nconns ? ch.conns[ch.nconns - 1] : NULL;
}

/* After its handshake: what is next is LOGIN or ENROL. */
static void arrive(void)
{
	struct conn *c = calloc(1, sizeof(*c));
	int pair[2];

	if (!c || ch.nconns >= 4) {
		free(c);
		return;
	}
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	close(pair[1]);
	*c = (struct conn){ .fd = pair[0], .cid = CID + ch.nconns / 2, .state = CONN_HALF_OPEN,
			    .since_ms = now };
	c->link = up;
	ch.conns[ch.nconns++] = c;
}

static void say(const uint8_t *record, size_t n)
{
	struct conn *c = newest();

	if (!c || c->state == CONN_DEAD || !n)
		return;
	memcpy(c->link.record, record, n);
	c->link.record_len = n;
	on_record(&ch, c, now);
}

static void say_login(uint8_t capabilities)
{
	struct record_login login = { .capabilities = capabilities, .version = "f" };
	uint8_t record[RECORD_MAX];

	say(record, record_put_login(record, &login));
}

static void say_result(uint8_t which)
{
	const struct order *o = &ch.orders[which % 16];
	struct record_result result = { .status = which % 8, .order = o->id, .detail = "f" };
	uint8_t record[RECORD_MAX];

	memcpy(result.nonce, o->record.nonce, WIRE_NONCE);
	say(record, record_put_result(record, &result));
}

static void say_pong(void)
{
	const struct conn *c = newest();
	uint8_t record[RECORD_MAX];

	if (c)
		say(record, record_put_ping(record, WIRE_PONG, c->ping_value));
}

static void give_order(uint8_t what)
{
	struct m_order order = { .cid = CID + what / 128, .verb = what % 4, .pid = 9,
				 .deadline_ms = what * 10, .path = "/bin/x" };

	if (given < ORDERS_A_RUN)
		orders_take(&ch, given++, &order, now);
}

static void bind_session(bool bound)
{
	struct m_bound m = { .cid = CID, .bound = bound, .why = "f" };
	const struct conn *c = conns_find(&ch, CID);

	if (c)
		memcpy(m.nonce, c->login.nonce, sizeof(m.nonce));
	conns_bound(&ch, &m, now);
}

static void act(uint8_t verb)
{
	struct m_agent_act m = { .verb = verb % 6, .name = "web" };

	agents_act(&ch, 1000, &m, now);
}

static void pass(uint64_t ms)
{
	now += ms;
	orders_tend(&ch, now);
	conns_tend(&ch, now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;

	if (!ch.orders)
		prepare();
	reset();
	while (end - data >= 2) {
		uint8_t what = *data++ % 9, how = *data++;
		size_t n = what == 0 ? MIN((size_t)how, (size_t)(end - data)) : 0;

		switch (what) {
		case 0: say(data, n); break;
		case 1: say_result(how); break;
		case 2: say_pong(); break;
		case 3: give_order(how); break;
		case 4: bind_session(how % 4); break;
		case 5: act(how); break;
		case 6: pass(how * 50); break;
		case 7: say_login(how); break;
		case 8: arrive(); break;
		}
		data += n;
		hear();
	}
	pass(3600 * 1000);
	pass(3600 * 1000);
	hear();
	for (unsigned i = 0; i < given; i++)
		must(answered[i] == 1);
	return 0;
}
