/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A conversation with QEMU's machine monitor: greeting, capabilities, one
 * command after the other, each answered by its id; events in between are
 * passed over.  All of it within one deadline and one number of bytes.
 */
#ifndef WARDEN_QMP_H
#define WARDEN_QMP_H

#include <stdint.h>

#include "lib/messages.h"
#include "qmp/stream.h"

#define QMP_MAX_BYTES (8u << 20)	/* that a monitor may send in all */

struct qmp {
	int fd;
	uint64_t deadline_ns;		/* CLOCK_MONOTONIC */
	uint64_t last_id, received;
	struct stream stream;
	char why[TEXT_WHY];		/* of the last failure, printable */
};

enum qmp_result {
	QMP_OK,
	QMP_REFUSED,			/* the VMM says no, and why */
	QMP_SILENT,			/* not a byte in time: another client has it */
	QMP_BROKEN,			/* time, bytes or form: the conversation is over */
};

uint64_t qmp_now_ns(void);

/*
 * Greeting and capabilities.  The greeting has its own, earlier deadline: a
 * monitor that serves another client keeps this one waiting for ever.
 */
enum qmp_result qmp_open(struct qmp *q, int fd, uint64_t greeting_ns, uint64_t deadline_ns);
void qmp_close(struct qmp *q);

/* arguments (may be NULL) is taken; *ret_value (may be NULL) is the caller's. */
enum qmp_result qmp_execute(struct qmp *q, const char *command, json_t *arguments,
			    json_t **ret_value);

#endif
