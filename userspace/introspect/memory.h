/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's physical memory and registers: one small interface with two back
 * ends, the module's guest descriptor and a file (RAM of a VM, or a dump).
 *
 * Where the bytes can be mapped (window.h) a read is a copy out of the mapping:
 * no system call, always as the guest has it now.  Elsewhere small reads go
 * through a cache of whole frames, so that following a structure costs one
 * system call a frame and not one a field.  What the cache holds ages:
 * memory_refresh() forgets it all, and every look starts with that.
 *
 * Every read draws on a budget of time.  Once it is spent all reads fail with
 * -ETIME, which ends every walk over the guest's structures, however long the
 * guest made them.
 */
#ifndef WARDEN_MEMORY_H
#define WARDEN_MEMORY_H

#include <linux/kvm_warden.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "introspect/window.h"

#define FRAME_SIZE 4096u
#define FRAME_MASK (FRAME_SIZE - 1u)
#define NO_FRAME UINT64_MAX

struct guest_memory;

struct guest_memory_ops {
	/* Fills done and error of every segment.  0 or -errno for all of them. */
	int (*read)(struct guest_memory *mem, struct kvm_warden_segment *segments, uint32_t n);
	/* In: ret_regs->flags, 0 or KVM_WARDEN_REGS_FRESH. */
	int (*registers)(struct guest_memory *mem, uint32_t vcpu, struct kvm_warden_regs *ret_regs);
	void (*close)(struct guest_memory *mem);
};

struct memory_range {
	uint64_t gpa, size;
};

/* Where a range's bytes are. */
struct memory_place {
	uint64_t offset;		/* of the first in the window, and in the file */
	struct window *window;		/* NULL: not mapped */
};

struct frame_cache;

struct guest_memory {
	const struct guest_memory_ops *ops;
	struct memory_range ranges[KVM_WARDEN_MAX_SLOTS];
	struct memory_place places[KVM_WARDEN_MAX_SLOTS];
	uint32_t nranges;
	uint32_t last;			/* the range that was read last */
	struct frame_cache *cache;
	uint32_t generation;		/* of the cache; also of translations */
	uint64_t id;			/* of this opening, unlike any other's in the process */
	uint64_t deadline_ns;		/* CLOCK_MONOTONIC; 0: none */
	uint32_t ticks;
	bool expired;
	uint64_t calls, bytes;		/* what the back end was asked for */
	uint64_t touched;		/* bytes copied out of windows */
	/* the back ends' own */
	int fd;
	struct kvm_warden_regs *fixed;	/* of each vCPU, as a dump has them */
	uint32_t nfixed;
	bool still;			/* a dump: nothing in it ever changes */
	bool live;			/* the module's: registers are all there */
};

/* Takes the descriptor over on success.  0 or -errno. */
int memory_open_guest(struct guest_memory *mem, int fd);

/*
 * A file: the ranges that are RAM, ordered, and where in it each begins.  What
 * lies behind its end is not there.  Takes the descriptor over on success.
 */
int memory_open_file(struct guest_memory *mem, int fd, const struct memory_range *ranges,
		     const uint64_t *offsets, uint32_t n);

/* The vCPUs' registers, where the back end has none; copied.  0 or -ENOMEM. */
int memory_set_registers(struct guest_memory *mem, const struct kvm_warden_regs *regs, uint32_t n);

/* A back end of the caller's own (tests). */
int memory_open_ops(struct guest_memory *mem, const struct guest_memory_ops *ops);

void memory_close(struct guest_memory *mem);

/* Asks the module for its ranges again: memory can be plugged. */
int memory_update_ranges(struct guest_memory *mem);

void memory_refresh(struct guest_memory *mem);
void memory_set_budget(struct guest_memory *mem, uint64_t milliseconds);

/* -ENXIO no such vCPU or no registers known, -EPERM encrypted, -ENODEV gone. */
int memory_registers(struct guest_memory *mem, uint32_t vcpu, struct kvm_warden_regs *ret_regs);
/* The same as they are now, for which the vCPU is interrupted. */
int memory_registers_fresh(struct guest_memory *mem, uint32_t vcpu, struct kvm_warden_regs *ret_regs);

/*
 * All len bytes or nothing.  -ENXIO no RAM there, -ENODATA not resident in the
 * VMM, -ETIME the budget is spent, -ENODEV the guest is gone.
 */
int memory_read(struct guest_memory *mem, uint64_t gpa, void *buf, size_t len);

/*
 * Whole frames, past the cache: gpas[i] (NO_FRAME: none) to buf + i *
 * FRAME_SIZE.  A frame that cannot be read is zeroed and its present[i] false.
 */
int memory_read_frames(struct guest_memory *mem, const uint64_t *gpas, size_t n,
		       uint8_t *buf, bool *present);

/* A long stretch, past the cache; what cannot be read is zeroed and counted. */
int memory_read_stretch(struct guest_memory *mem, uint64_t gpa, uint8_t *buf,
			size_t len, uint64_t *missing);

/*
 * len bytes where they lie, or NULL: not mapped.  They may change while they
 * are looked at, and turn into zeros if the VMM takes them away: ask
 * memory_holds() afterwards, before what was seen counts.
 */
const uint8_t *memory_at(struct guest_memory *mem, uint64_t gpa, size_t len);

/* These bytes will be looked at soon.  Where they are not mapped nothing is done. */
void memory_prefetch(struct guest_memory *mem, uint64_t gpa, size_t len);
bool memory_holds(struct guest_memory *mem, uint64_t gpa);

/*
 * Within a range, the offset of the first frame from at (a frame's) on that was
 * ever written, as far as that can be told; the range's size if there is none.
 */
uint64_t memory_next(const struct guest_memory *mem, uint32_t range, uint64_t at);

/* First address above all RAM. */
uint64_t memory_end(const struct guest_memory *mem);

uint64_t clock_now_ns(void);

#endif
