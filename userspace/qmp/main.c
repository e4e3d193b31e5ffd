// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-qmp: carries out one act through a VMM's monitor and ends.  The parent
 * is on ROLE_FD and gets one M_ACTED; connected monitors follow, up to the
 * first descriptor that is none.  What a monitor sends is a guest's that has
 * taken its VMM over.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/config.h"
#include "lib/crypto.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/util.h"
#include "qmp/acts.h"
#include "qmp/jail.h"

#define GREETING_NS 1500000000ull
#define LIMIT_NS 6000000000ull		/* below the parent's patience */
#define MAX_MONITORS 4

static void give_up(const struct qmp *q, enum qmp_result result, struct m_acted *acted)
{
	acted->status = result == QMP_SILENT ? ACT_UNAVAILABLE : ACT_FAILED;
	snprintf(acted->detail, sizeof(acted->detail), "%s", q->why);
}

/* The first monitor that talks; one that another client holds is passed over. */
static void run(uint32_t verb, struct m_acted *ret_acted)
{
	const uint64_t deadline = qmp_now_ns() + LIMIT_NS;
	enum qmp_result result = QMP_SILENT;
	static struct qmp q;

	for (int fd = ROLE_FD + 1; result && fd <= ROLE_FD + MAX_MONITORS; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			break;
		result = qmp_open(&q, fd, MIN(qmp_now_ns() + GREETING_NS, deadline), deadline);
		if (result)
			give_up(&q, result, ret_acted);
		else
			act_run(&q, verb, ret_acted);
		qmp_close(&q);
	}
}

static uint32_t verb_named(const char *name)
{
	for (uint32_t verb = 0; verb <= HOST_POWER_OFF; verb++)
		if (act_is_known(verb) && !strcmp(name, host_verb_name(verb)))
			return verb;
	fatal("%s: no such act", name);
}

int main(int argc, char **argv)
{
	struct m_acted acted = { .status = ACT_FAILED };
	struct config config;
	uint32_t verb;

	log_open("warden-qmp", false);
	if (argc != 4 || strcmp(argv[1], "--config"))
		fatal("usage: warden-qmp --config PATH ACT; started by wardend alone");
	verb = verb_named(argv[3]);
	if (config_load(argv[2], &config))
		return 1;
	log_open("warden-qmp", config.debug);
	signal(SIGPIPE, SIG_IGN);
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	json_object_seed(randombytes_random() | 1);
	if (jail_qmp(config.uid_base + ROLE_UID_QMP))
		return 1;
	run(verb, &acted);
	return msg_post(ROLE_FD, &msg_acted, 0, &acted, -1) ? 1 : 0;
}
