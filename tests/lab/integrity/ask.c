// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * ask WARDEN-INTEGRITY modules|PID: runs the role as wardend does, and prints what
 * it reports, a line each.  Status 0: all is clean; 1: it is not; 2: unavailable.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/messages.h"
#include "lib/util.h"

static int worst;

static void show_difference(const struct msg *m)
{
	struct m_integrity_difference d;

	if (!msg_decode(m, &msg_integrity_difference, &d))
		exit(3);
	printf("difference %s %s+0x%" PRIx64 " (%s) length %" PRIu64 " expected %s found %s\n", d.what,
	       d.section, d.offset, d.symbol, d.length, d.expected, d.found);
}

static void show_done(const struct msg *m)
{
	struct m_integrity_done d;

	if (!msg_decode(m, &msg_integrity_done, &d))
		exit(3);
	printf("%s: %s; sections %" PRIu64 " bytes %" PRIu64 " sites %" PRIu64 " patched %" PRIu64
	       " kprobes %" PRIu64 " traced %" PRIu64 " anonymous %" PRIu64 " differences %" PRIu64 " us %" PRIu64 "%s%s\n",
	       d.what, integrity_status_name(d.status), d.sections, d.bytes, d.sites, d.patched,
	       d.kprobes, d.traced, d.anonymous, d.differences, d.elapsed_us, d.why[0] ? ": " : "", d.why);
	worst = MAX(worst, (int)d.status - 1);
}

int main(int argc, char **argv)
{
	char path[64] = "/proc/kcore";
	int pair[2], memory;
	struct msg m;
	unsigned n = 0;

	if (argc != 3 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		return 3;
	if (strcmp(argv[2], "modules"))
		snprintf(path, sizeof(path), "/proc/%.20s/mem", argv[2]);
	memory = open(path, O_RDONLY);
	if (!fork()) {
		int sock = fcntl(pair[1], F_DUPFD, 20), core = fcntl(memory, F_DUPFD, 20);

		dup2(sock, ROLE_FD);
		if (core >= 0)
			dup2(core, ROLE_FD + 1);
		close_range(ROLE_FD + 2, ~0u, 0);
		execl(argv[1], argv[1], "--config", "/etc/kvm-warden/wardend.conf", argv[2], NULL);
		_exit(127);
	}
	close(pair[1]);
	for (; msg_recv(pair[0], &m, 0) == 1; n++)
		m.type == M_INTEGRITY_DONE ? show_done(&m) : show_difference(&m);
	wait(NULL);
	return n ? worst : 3;
}
