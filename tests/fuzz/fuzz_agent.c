// SPDX-License-Identifier: GPL-2.0-or-later
/* The agent's end takes what any host may send. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct link l;
	enum link_event event;

	fixed_random_reset();
	link_agent(&l, &fuzz_agent, &fuzz_hosts);
	fixed_random_draw = 4;		/* the host's draws come between */
	while ((event = link_input(&l, &data, &size)) != LINK_MORE && event != LINK_FAILED) {
		must(l.out_len <= LINK_OUT);
		must(event != LINK_UP || !memcmp(l.handshake.peer, fuzz_host.public, WIRE_KEY));
		l.out_len = 0;
	}
	return 0;
}
