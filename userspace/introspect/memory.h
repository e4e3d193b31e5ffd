/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest's physical memory and registers: one small interface with two back
 * ends, the module's guest descriptor and a file that holds the RAM of a VM.
 *
 * Small reads go through a cache of whole frames, so that following a
 * structure costs one system call a frame and not one a field.  What the cache
 * holds ages: memory_refresh() forgets it all, and every look starts with that.
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

#define FRAME_SIZE 4096u
#define FRAME_MASK (FRAME_SIZE - 1u)
#define NO_FRAME UINT64_MAX

struct guest_memory;

struct guest_memory_ops {
	/* Fills done and error of every segment.  0 or -errno for all of them. */
	int (*read)(struct guest_memory *mem, struct kvm_warden_segment *segments, uint32_t n);
	int (*registers)(struct guest_memory *mem, uint32_t vcpu, struct kvm_warden_regs *ret_regs);
	void (*close)(struct guest_memory *mem);
};

struct memory_range {
	uint64_t gpa, size;
};

struct frame_cache;

struct guest_memory {
	const struct guest_memory_ops *ops;
	struct memory_range ranges[KVM_WARDEN_MAX_SLOTS];
	uint32_t nranges;
	struct frame_cache *cache;
	uint32_t generation;		/* of the cache; also of translations */
	uint64_t deadline_ns;		/* CLOCK_MONOTONIC; 0: none */
	uint32_t ticks;
	bool expired;
	uint64_t calls, bytes;		/* what the back end was asked for */
	/* the back ends' own */
	int fd;
	uint8_t *map;
	uint64_t map_size, hole_start, hole_end;
	struct kvm_warden_regs fixed;
	bool have_fixed;
};

/* Takes the descriptor over on success.  0 or -errno. */
int memory_open_guest(struct guest_memory *mem, int fd);

/*
 * A file of guest RAM.  Where hole_end is not 0, RAM below hole_start lies at
 * its own address and the rest from hole_end on (q35: 2 GiB and 4 GiB).  regs
 * may be NULL.
 */
int memory_open_file(struct guest_memory *mem, const char *path, uint64_t hole_start,
		     uint64_t hole_end, const struct kvm_warden_regs *regs);

/* A back end of the caller's own (tests). */
int memory_open_ops(struct guest_memory *mem, const struct guest_memory_ops *ops);

void memory_close(struct guest_memory *mem);

/* Asks the module for its ranges again: memory can be plugged. */
int memory_update_ranges(struct guest_memory *mem);

void memory_refresh(struct guest_memory *mem);
void memory_set_budget(struct guest_memory *mem, uint64_t milliseconds);

/* -ENXIO no such vCPU or no registers known, -EPERM encrypted, -ENODEV gone. */
int memory_registers(struct guest_memory *mem, uint32_t vcpu, struct kvm_warden_regs *ret_regs);

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

/* First address above all RAM. */
uint64_t memory_end(const struct guest_memory *mem);

uint64_t clock_now_ns(void);

#endif
