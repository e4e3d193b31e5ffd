/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What doctor looks at.  Each look adds lines; none needs another's. */
#ifndef WARDEN_CLI_DOCTOR_H
#define WARDEN_CLI_DOCTOR_H

#include "cli/cli.h"
#include "lib/config.h"

enum health { OK, WARN, FAIL };

struct doctor {
	struct cli *cli;
	struct config config;
	bool has_config;
	json_t *status;			/* the daemon's, or NULL: it does not answer */
	char why[512];			/* then */
	json_t *checks;			/* what --json shows */
	bool failed;
};

/* mend: what to do, "" if nothing. */
void report(struct doctor *d, enum health health, const char *check, const char *mend,
	    const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* ---- host.c: the kernel's side; no daemon needed ---- */
void check_kernel(struct doctor *d);
void check_kvm(struct doctor *d);
void check_module(struct doctor *d);
void check_device(struct doctor *d);
void check_btf(struct doctor *d);

/* ---- setup.c: files, users ---- */
void check_group(struct doctor *d);
void check_database(struct doctor *d);
void check_host_key(struct doctor *d);
void check_policy(struct doctor *d);
void check_space(struct doctor *d);

/* ---- live.c: by the daemon's word ---- */
void check_daemon(struct doctor *d);
void check_events(struct doctor *d);
void check_cids(struct doctor *d);
void check_guard(struct doctor *d);
void check_integrity(struct doctor *d);
void check_roles(struct doctor *d);
void check_journal(struct doctor *d);
void check_guests(struct doctor *d);

#endif
