// SPDX-License-Identifier: GPL-2.0-or-later
/* One handshake message to either end, in each state: first byte chooses. */
#include "fuzz.h"

static void to_state(struct handshake *h, struct handshake *other, unsigned state)
{
	fixed_random_reset();
	handshake_agent(other, &fuzz_agent, &fuzz_hosts);
	handshake_host(h, &fuzz_host, fuzz_admit, NULL);
	if (state > 0)
		must(handshake_step(h, other->out, other->out_len) == HANDSHAKE_MORE);
	if (state > 1)
		must(handshake_step(other, h->out, h->out_len) == HANDSHAKE_MORE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct handshake host, agent;
	unsigned state = size ? data[0] % 4 : 0;
	struct handshake *h;

	if (!size)
		return 0;
	to_state(&host, &agent, state == 1 ? 1 : state == 2 ? 1 : state == 3 ? 2 : 0);
	h = state == 0 || state == 1 ? &host : &agent;
	handshake_step(h, data + 1, size - 1);
	must(h->out_len <= sizeof(h->out));
	return 0;
}
