/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the role does: look at the process behind a CR3, sweep all of them, say
 * whether one still lives.  What a look finds goes to a sink: for each process
 * its executable if that was not sent before, the task (which carries the
 * executable's hash), then each other code object not sent before, and each
 * use after its object.
 */
#ifndef WARDEN_LOOK_H
#define WARDEN_LOOK_H

#include "introspect/firstsight.h"
#include "introspect/objects.h"
#include "introspect/passing.h"
#include "introspect/tasks.h"

#define LOOK_BUDGET_MS 15000u
#define SWEEP_BUDGET_MS 60000u

/* A callback that returns nonzero ends the look. */
struct look_sink {
	int (*task)(void *ctx, const struct m_task *task);
	int (*object)(void *ctx, const struct m_object *object, int fd);
	int (*uses)(void *ctx, const struct m_uses *uses);
	void *ctx;
};

struct kernel_files;
struct watches;

/* A boot of a guest's kernel, as far as the guest says so. */
struct boot {
	uint64_t text_base, text_end, rodata, rodata_end;
	uint8_t id[16];			/* /proc/sys/kernel/random/boot_id; 0: nobody has asked for it yet */
	uint64_t found_ns;		/* when it was first found */
};

struct introspector {
	struct guest_memory *mem;
	struct kernel kernel;
	struct object_table objects;
	uint32_t sweep_from;		/* in the list of tasks: where the last one's time was up */
	/* Told what looks and sweeps see of suspicious code; NULL: nobody. */
	int (*on_sign)(void *ctx, const struct m_sign *sign);
	void *sign_ctx;
	const struct kernel_files *kernel_files;	/* NULL: none */
	const struct watches *watches;		/* NULL: none are wanted */
	struct kernel_seen *kernel_seen;	/* NULL: not checked yet */
	bool seen_anew;			/* and what was measured before is not known any more */
	struct passing passing, passing_tasks;
	struct boot boot;
	bool lost;			/* it is not known yet whether this is still that boot */
	struct m_kernel state;
	uint64_t retry_ns;		/* not before: discovery is tried again */
	uint64_t failing_since_ns;
	bool gone;			/* the guest is no more */
};

int introspector_init(struct introspector *in, struct guest_memory *mem);
void introspector_free(struct introspector *in);

/*
 * Discovers the kernel, or checks that it is still the one.  True if it can be
 * walked.  in->state says what is known; *ret_changed that it is news.
 */
bool introspector_ready(struct introspector *in, bool *ret_changed);

/* These need introspector_ready.  0, or what a callback returned. */
int look_at_cr3(struct introspector *in, uint64_t cr3, const struct look_sink *sink,
		struct m_done *ret_done);
int look_at_all(struct introspector *in, bool resend, const struct look_sink *sink,
		struct m_done *ret_done);
/* start_ns 0: whatever process has that pid. */
int look_at_pid(struct introspector *in, uint32_t pid, uint64_t start_ns, bool resend,
		const struct look_sink *sink, struct m_done *ret_done);
/* Identities alone: no code is read, no executable hashed.  Calls task alone. */
int look_list(struct introspector *in, const struct look_sink *sink, struct m_done *ret_done);
/*
 * Suspicious code of one process, or (pid 0) of each, told by on_sign alone: nothing
 * is hashed.
 */
int look_suspicious(struct introspector *in, uint32_t pid, struct m_done *ret_done);

void probe_task(struct introspector *in, uint32_t pid, uint64_t start_ns,
		struct m_probed *ret_probed);

#endif
