// SPDX-License-Identifier: GPL-2.0-or-later
/* The host's end takes what any guest may send: handshake, then records. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct link l;
	enum link_event event;

	fixed_random_reset();
	fixed_random_draw = 2;		/* the agent's draws come before */
	link_host(&l, &fuzz_host, fuzz_admit, NULL);
	while ((event = link_input(&l, &data, &size)) != LINK_MORE && event != LINK_FAILED) {
		must(l.out_len <= LINK_OUT);
		/* nobody but who has the key is ever in */
		must(event != LINK_UP || !memcmp(l.handshake.peer, fuzz_agent.public, WIRE_KEY));
		fixed_random_draw++;
		l.out_len = 0;
	}
	return 0;
}
