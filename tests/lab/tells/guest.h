/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest that runs in QEMU without KVM, its RAM a file that we may write: what
 * its rootkit would do to its kernel's structures is done from here.
 */
#ifndef TELLS_GUEST_H
#define TELLS_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "introspect/check.h"
#include "introspect/lists.h"

struct testee {
	struct guest_memory mem;
	struct introspector in;
	uint8_t *ram;
	uint64_t size;
	int monitor;
	struct undo { uint64_t pa, old; } undo[4096];
	unsigned nundo;
};

/* A file of RAM with these registers of its one vCPU.  0 or -errno. */
int testee_memory(struct guest_memory *mem, const char *ram, const struct kvm_warden_regs *regs);

/* RAM file and the monitor's socket.  Ends the program if there is no kernel in time. */
void testee_open(struct testee *t, const char *ram, const char *monitor);

/* The monitor alone, of a guest that need not have a kernel: it is attached to, not written. */
void testee_connect(struct testee *t, const char *monitor);

/* Anew, with the registers of just now.  True if its kernel was found at once. */
bool testee_attach(struct testee *t, const char *ram);
/* As before each look of the daemon's: is it still that kernel?  It is discovered anew if not. */
bool testee_ready(struct testee *t);
void testee_detach(struct testee *t);

/* The same introspector, with the registers of just now, as the module gives them. */
bool testee_again(struct testee *t, bool *ret_changed);

/* What stands still is checked as a dump is: all that differs is said. */
void testee_stop(struct testee *t);
void testee_run(struct testee *t);

/* As its machine's button does: it boots anew, and its memory is left as it is. */
void testee_reset(struct testee *t);

/*
 * Makes these checks (CHECK_*) so many times, while it runs: nothing may be found,
 * and nothing may be left open but what is under way in it.
 */
void testee_stays_clean(struct testee *t, uint32_t checks, unsigned times);

/* A sweep, of which only its signs (in.on_sign) and its end are of use. */
void testee_sweep(struct testee *t, struct m_done *ret_done);

/* Eight bytes, remembered for testee_restore. */
void testee_write(struct testee *t, uint64_t va, uint64_t value);
void testee_restore(struct testee *t);
uint64_t testee_read(struct testee *t, uint64_t va);

/* Out of its list; an hlist node has the address of the pointer to it. */
void testee_unlink(struct testee *t, uint64_t node);
void testee_unlink_hlist(struct testee *t, uint64_t node);

/* The n-th process of that name (0: first). */
bool testee_find(struct testee *t, const char *comm, unsigned n, struct task *ret_task);

/* TAP. */
void ok(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ok_done(void);

#endif
