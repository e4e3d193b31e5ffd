// SPDX-License-Identifier: GPL-2.0-or-later
#include "scan/worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/util.h"
#include "scan/content.h"

static void scan_fd(const struct scanner *scanner, uint32_t profile, int fd,
		    struct m_verdict *ret_verdict)
{
	struct stat st;
	void *data = NULL;

	if (!fstat(fd, &st) && st.st_size > 0)
		data = content_map(fd, st.st_size);
	if (!data) {
		ret_verdict->verdict = VERDICT_NOT_SCANNED;
		snprintf(ret_verdict->name, sizeof(ret_verdict->name),
			 "no copy for the worker: %s", strerror(errno));
		return;
	}
	scanner_scan(scanner, profile, data, st.st_size, ret_verdict);
	munmap(data, st.st_size);
}

/* The pool trusts no answer further than its form: a lie costs one content. */
noreturn void worker_serve(int sock, const struct scanner *scanner)
{
	struct msg m;

	while (msg_recv(sock, &m, 0) > 0) {
		struct m_verdict verdict = { 0 };
		struct m_scan scan;
		autofd int fd = msg_take_fd(&m);

		if (!msg_decode(&m, &msg_scan, &scan) || fd < 0)
			_exit(2);
		scan_fd(scanner, scan.profile, fd, &verdict);
		if (msg_post(sock, &msg_verdict, m.id, &verdict, -1))
			_exit(3);
	}
	_exit(0);
}
