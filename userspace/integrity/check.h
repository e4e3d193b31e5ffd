/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two jobs of warden-integrity, each with its reports. */
#ifndef WARDEN_INTEGRITY_CHECK_H
#define WARDEN_INTEGRITY_CHECK_H

#include "integrity/live.h"
#include "integrity/module.h"
#include "integrity/vmm.h"

/* Descriptors, opened with root's rights. */
struct kernel {
	struct live live;
	int kallsyms, modules, online;
	int kprobes;			/* -1: no list, so no probe is known */
	const char *why;		/* nothing can be checked */
};

/* May be called again: what is seen may have been in the making. */
void check_module(struct kernel *kernel, struct module *module);
void check_vmm(struct vmm_text *text);

#endif
