// SPDX-License-Identifier: GPL-2.0-or-later
/* What a VMM may say at its monitor, whatever is asked of it: first byte chooses the act. */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "lib/util.h"
#include "qmp/acts.h"

#define PATIENCE_NS 2000000000ull

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint64_t until = qmp_now_ns() + PATIENCE_NS;
	static struct qmp q;
	struct m_acted acted;
	int pair[2];

	signal(SIGPIPE, SIG_IGN);
	if (!size || size > 60000)
		return 0;
	json_object_seed(1);
	must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	must(write(pair[1], data + 1, size - 1) == (ssize_t)(size - 1));
	/* It has said all it will: what waits for more ends at once. */
	shutdown(pair[1], SHUT_WR);
	if (!qmp_open(&q, pair[0], until, until)) {
		act_run(&q, HOST_PAUSE + data[0] % (HOST_POWER_OFF - HOST_PAUSE + 1), &acted);
		must(acted.status == ACT_DONE || acted.status == ACT_FAILED);
		must(text_is_printable(acted.detail));
	} else {
		must(q.why[0] && text_is_printable(q.why));
	}
	qmp_close(&q);
	close(pair[0]);
	close(pair[1]);
	return 0;
}
