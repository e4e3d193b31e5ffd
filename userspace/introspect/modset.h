/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The modules of a guest's kernel, and who else owns its executable memory. */
#ifndef WARDEN_MODSET_H
#define WARDEN_MODSET_H

#include "introspect/kernel.h"

#define MODULE_SET_MAX 4096u
#define MODULE_TEXTS 2			/* core and init */
#define MODULE_NAME 57

enum module_view { VIEW_LIST, VIEW_LATCH_TREE, VIEW_SYSFS, MODULE_VIEWS };

struct module {
	uint64_t va;
	uint32_t views;			/* bit n: enum module_view */
	enum { LIVE, COMING, GOING, UNFORMED } state;	/* as enum module_state; so it says */
	char name[MODULE_NAME];
	struct memory_range text[MODULE_TEXTS];	/* virtual; size 0: none */
};

struct module_set {
	struct module *m;		/* MODULE_SET_MAX */
	uint32_t n;
	struct {
		int error;
		uint32_t n;
	} view[MODULE_VIEWS];
};

int module_set_init(struct module_set *set);
void module_set_free(struct module_set *set);
const char *module_view_name(int view);

/* The name of the one whose code that is; "" if it is none's. */
const char *module_set_at(const struct module_set *set, uint64_t va);

/* Reads all views anew.  0, or -ETIME, -ENODEV. */
int module_set_read(const struct kernel *k, struct module_set *set);

/* ---- owners.c ---- */

#define MAX_OWNED 16384u

/*
 * A page of ftrace's that says whose trampoline it is, and whose owner says the
 * same, but that is in no list any more.  The kernel's own tracers keep theirs for
 * ever; what a module or BPF had made waits until no task can be in it.
 */
enum trampoline { NO_TRAMPOLINE, TRAMPOLINE_KEPT, TRAMPOLINE_LEFT };

/* Executable memory that is somebody's: ranges of virtual addresses. */
struct owners {
	struct memory_range *range;	/* MAX_OWNED, sorted by address, none touches another */
	struct memory_range *module;	/* MAX_OWNED, the same of modules alone */
	uint32_t n, nmodules;
	uint32_t doubtful;		/* that claim what is not executable, or another module's */
	int error;			/* of the first who could not be asked */
	const char *who;
	uint64_t page;			/* the last that was asked of, and what it is */
	enum trampoline is;
	uint64_t tracer;		/* if it is one: its ftrace_ops */
};

int owners_init(struct owners *o);
void owners_free(struct owners *o);
/*
 * Modules on their list, BPF, ftrace, kprobes, kexec, the real-mode trampoline.
 * 0, or -ETIME, -ENODEV; what else failed is in error and who.
 */
int owners_read(const struct kernel *k, const struct module_set *modules, struct owners *o);
bool owners_have(const struct owners *o, uint64_t va);
/* Where the owned memory that va lies in ends; 0 if it lies in none. */
uint64_t owners_end(const struct owners *o, uint64_t va);
/* The same of generated code alone: no module's. */
bool owners_generated(const struct owners *o, uint64_t va);
/* The one that begins there, with its page, as it is since owners_read; it sets o->tracer. */
enum trampoline owners_trampoline(const struct kernel *k, struct owners *o, uint64_t va);

#endif
