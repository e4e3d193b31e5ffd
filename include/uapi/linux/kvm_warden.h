/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The interface between kvm_warden.ko and its users.
 *
 * The device
 * ----------
 * /dev/kvm_warden (root only) is the control device.  Its fd answers:
 *
 *   KVM_WARDEN_GET_INFO    what this module can do
 *   KVM_WARDEN_NEXT_GUEST  the guest with the smallest id above the one given
 *   KVM_WARDEN_OPEN_GUEST  a new guest fd (close-on-exec)
 *   KVM_WARDEN_CONTAIN     stop every vCPU of a guest until it is released
 *   KVM_WARDEN_RELEASE     end that
 *   KVM_WARDEN_TELL        what became of a guest's events, for others to see
 *
 * A guest is a file descriptor.  A holder of a guest fd can read that guest's
 * registers and memory, freeze it and watch its writes, and nothing else: it
 * has no ptrace right over the VMM, and no way to another guest.  The fd may be
 * passed to an unprivileged process.  A guest fd answers:
 *
 *   KVM_WARDEN_GUEST_INFO  identity and state
 *   KVM_WARDEN_REGS        one vCPU's registers as of its last sampled exit
 *   KVM_WARDEN_MEMSLOTS    the guest-physical ranges that are RAM
 *   KVM_WARDEN_READ        vectored reads of guest-physical memory
 *   KVM_WARDEN_MAP         a new memory fd (close-on-exec): a range to mmap
 *   KVM_WARDEN_FREEZE      stop every vCPU for a moment, to look
 *   KVM_WARDEN_THAW        end that
 *   KVM_WARDEN_WATCH       report writes to a few bytes of guest-physical memory
 *   KVM_WARDEN_UNWATCH     end that
 *   read()                 what was written there
 *   poll()                 POLLIN when there is something to read, POLLHUP once
 *			    the guest is gone
 *
 * Rules for every ioctl
 * ---------------------
 * Reserved fields must be zero, else -EINVAL.  An unknown command is -ENOTTY.
 * A moment after the VM was destroyed every ioctl on its fd is -ENODEV (the module
 * looks four times a second); the fd never refers to another VM.  While hooks are switched off
 * (/sys/kernel/kvm_warden/enabled = 0) KVM_WARDEN_REGS answers from the last
 * sample, whose age tells.
 *
 * Memory: read or mapped
 * ----------------------
 * What a memslot shows lies in the VMM's address space.  KVM_WARDEN_READ copies
 * it, whatever backs it.  Where the VMM has mapped a file there, shared, as a
 * memfd or a file of memory-backend-file is, it can be mapped as well.
 *
 * Neither changes the VMM or the guest: a page that is not resident stays away.
 * A hole of a shared file must not be filled, least of all while a postcopy
 * migration brings the guest's pages in: the guest would see zeros.  So a read
 * reports such a page, and an access to a mapping of it is SIGBUS.  Only
 * KVM_WARDEN_READ_FAULT brings pages in, by way of the VMM's own address space,
 * userfaultfd included, and within a budget.
 *
 * A guest that stands still
 * -------------------------
 * CONTAIN and FREEZE may hold at once; the guest runs while neither does.  When
 * such a request returns 0, no vCPU of the guest executes an instruction, nor
 * will one that is added later:
 *
 *   - A vCPU is parked inside KVM_RUN, never elsewhere: the VMM may hold its
 *     locks there.  One that is outside is parked at its next KVM_RUN, one that
 *     is halted when it is woken, each before its first instruction.
 *   - Parking leaves the VMM's own rules alone: a signal ends KVM_RUN with
 *     -EINTR as always, and the next one parks again.  So a VMM's pause, query,
 *     dump and quit work as they do with a guest that runs.
 *   - An instruction whose I/O the VMM is carrying out ends; one with a repeat
 *     prefix goes on for 1,024 rounds at most.  An interrupt that is due may
 *     be put on the guest's stack, its handler does not run.
 *   - The VMM's devices and the guest's clocks go on: DMA under way still
 *     reaches memory, and the guest sees time leap when it runs again.
 *
 * rmmod is refused (-EBUSY) while a guest is contained, or a guest fd is open.
 * With hooks switched off both requests are refused (-ESHUTDOWN); containments
 * that hold stay, and so does the one hook they need, until they end.
 *
 * Levels
 * ------
 * Each guest has a level, which root sets in sysfs
 * (/sys/kernel/kvm_warden/guests/ID/level; default_level for guests to come):
 *
 *   content   everything below
 *   metadata  the same for this module, which cannot tell a process list in
 *             guest memory from a document: reads are needed to walk the lists
 *             of the guest's kernel.  That nobody scans or keeps content is for
 *             the daemon to hold to
 *   off       exits are counted, and what KVM tells of (faults, accesses to MSRs and
 *             CRs) while someone asks; nothing is looked at: no event but guest_up,
 *             guest_down and vcpu_up, and those without registers;
 *             KVM_WARDEN_REGS, MEMSLOTS, READ, MAP, FREEZE and
 *             WATCH are -EACCES, and so is a new mapping of a memory fd; watches
 *             end, mappings that are there stay.  CONTAIN and RELEASE work: they
 *             look at nothing
 *
 * Trace events
 * ------------
 * Group "kvm_warden"; each carries one struct kvm_warden_event:
 *
 *   kvm_warden_guest_up       a VM was seen at its first exit
 *   kvm_warden_guest_down     a VM is gone
 *   kvm_warden_vcpu_up        a further vCPU of it was seen, at its first exit, or stopped
 *                             before that (exit_reason: all ones)
 *   kvm_warden_address_space  CR3 holds a value not seen for a second (of more than about
 *                             60 that take turns some are told more often)
 *   kvm_warden_entry_point    LSTAR (system-call entry) changed: cr3, value
 *   kvm_warden_idt            IDTR base changed: cr3, value
 *
 * For these but the last a further hook is attached to KVM, soon after the first
 * consumer of the event has come (tracefs, perf, BPF), until the last one goes:
 *
 *   kvm_warden_exec_fault     the guest fetched an instruction from a page that
 *                             KVM had to map or refuses
 *   kvm_warden_page_fault     the same for loads and stores, MMIO among them
 *   kvm_warden_msr_write      a write to an MSR that KVM intercepts
 *   kvm_warden_msr_first      the same, for the first write of a kind that the guest
 *                             makes since somebody first asked.  A kind is the MSR and whether
 *                             KVM refused the write; of EFER also the bits it sets.
 *                             About two hundred kinds are remembered: a guest that
 *                             makes more sees old ones told anew
 *   kvm_warden_cr_write       a write to a control register that KVM intercepts
 *
 *   kvm_warden_write          a write to bytes that a guest fd watches
 *                             (KVM_WARDEN_WATCH), after it happened; no hook
 *
 * A busy guest makes thousands of these a second, but of kvm_warden_msr_first, which
 * costs its other writes a look into a table.  They count in its sequence
 * numbers as all events do: a consumer of other events finds them missing.
 *
 * tracefs, perf and bpftrace show these members of it as fields, by their names:
 *
 *   seq guest cr3 value rip vcpu vmm_pid exit_reason data len flags
 *
 * The type is the event's name there, the time the tracer's own.  The line that
 * tracefs prints calls vmm_pid "vmm" and exit_reason "exit".
 *
 * BPF programs attach as raw tracepoints; argument 0 is a kernel pointer to
 * the struct.  The sequence number counts the events of that guest from 1
 * without gaps, so a consumer that sees a gap knows what it missed.  Events of
 * two CPUs may arrive out of order, those of another vCPU before guest_up;
 * guest_down is always the last.
 */
#ifndef _UAPI_LINUX_KVM_WARDEN_H
#define _UAPI_LINUX_KVM_WARDEN_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define KVM_WARDEN_ABI_VERSION	3

/* struct kvm_warden_event.type */
enum kvm_warden_event_type {
	KVM_WARDEN_EVENT_GUEST_UP	= 1,
	KVM_WARDEN_EVENT_GUEST_DOWN	= 2,
	KVM_WARDEN_EVENT_ADDRESS_SPACE	= 3,
	KVM_WARDEN_EVENT_ENTRY_POINT	= 4,
	KVM_WARDEN_EVENT_IDT		= 5,
	KVM_WARDEN_EVENT_EXEC_FAULT	= 6,
	KVM_WARDEN_EVENT_PAGE_FAULT	= 7,
	KVM_WARDEN_EVENT_MSR_WRITE	= 8,
	KVM_WARDEN_EVENT_CR_WRITE	= 9,
	KVM_WARDEN_EVENT_WRITE		= 10,
	KVM_WARDEN_EVENT_VCPU_UP	= 11,
};

/* struct kvm_warden_event.flags */
#define KVM_WARDEN_EVENT_REFUSED	(1U << 0)	/* MSR_WRITE: KVM refused it (#GP) */

/**
 * struct kvm_warden_event - what a trace event carries (80 bytes)
 * @seq:	number of this event within its guest, from 1
 * @guest:	guest id, never reused while the module is loaded
 * @time_ns:	CLOCK_MONOTONIC at the exit, ns
 * @cr3:	guest CR3 at the exit, as the hardware holds it (PCID and KPTI
 *		bits included); 0: withheld, as @rip
 * @value:	by type, see below
 * @type:	enum kvm_warden_event_type
 * @vcpu:	vCPU index
 * @vmm_pid:	process id of the VMM, in the initial namespace
 * @exit_reason: hardware's exit code (AMD: VMCB EXITCODE, low 32 bits; Intel:
 *		the VMCS's exit reason; all ones if it cannot be read, or there was none)
 * @rip:	guest RIP at the exit; 0: withheld (an encrypted or nested guest; a
 *		vCPU that was stopped before its first exit)
 * @data, @len, @flags: by type, see below
 *
 * What the types say (0 where nothing is said):
 *
 *   ADDRESS_SPACE, ENTRY_POINT, IDT
 *		@value: the new CR3, LSTAR or IDTR base
 *   EXEC_FAULT, PAGE_FAULT
 *		@value: guest-physical address (a guest-virtual one where KVM runs
 *		without nested paging); @data: hardware's error (AMD: EXITINFO1,
 *		the page-fault error code; Intel: exit qualification)
 *   MSR_WRITE	@value: the MSR; @data: what was written; @flags: REFUSED
 *   CR_WRITE	@value: the register's number (0, 3, 4, 8); @data: what was written
 *   WRITE	@value: guest-physical address of the first byte; @len: bytes
 *		written; @data: the first 8 of them, the first one lowest
 */
struct kvm_warden_event {
	__u64 seq;
	__u64 guest;
	__u64 time_ns;
	__u64 cr3;
	__u64 value;
	__u32 type;
	__u32 vcpu;
	__u32 vmm_pid;
	__u32 exit_reason;
	__u64 rip;
	__u64 data;
	__u32 len;
	__u32 flags;
};

/* struct kvm_warden_info.features; while attached, one of the first two */
#define KVM_WARDEN_FEATURE_SVM		(1ULL << 0)	/* AMD backend */
#define KVM_WARDEN_FEATURE_VMX		(1ULL << 1)	/* Intel backend */
#define KVM_WARDEN_FEATURE_MMAP		(1ULL << 2)	/* KVM_WARDEN_MAP */
#define KVM_WARDEN_FEATURE_WATCH	(1ULL << 3)	/* KVM_WARDEN_WATCH: allowed by the parameter watch */
#define KVM_WARDEN_FEATURE_READ_FAULT	(1ULL << 4)	/* KVM_WARDEN_READ_FAULT */

/**
 * struct kvm_warden_info - answer of KVM_WARDEN_GET_INFO
 * @abi:	KVM_WARDEN_ABI_VERSION
 * @attached:	1 while the exit hook is attached to kvm.ko
 * @features:	KVM_WARDEN_FEATURE_*
 * @guests:	guests tracked now
 */
struct kvm_warden_info {
	__u32 abi;
	__u32 attached;
	__u64 features;
	__u64 guests;
	__u64 reserved[5];
};

/* struct kvm_warden_guest_info.flags: why a guest cannot be observed */
/*
 * ENCRYPTED: its state or memory is not the host's to read: SEV, SEV-ES, SEV-SNP,
 * TDX, memory of its own (guest_memfd, a plain VM's too), or a VMCS that VMREAD does not read
 * (enlightened, below Hyper-V).  Its exits are counted; registers, memory and write
 * watches are -EPERM, and no change is announced.  What it has KVM do (a fault, a write
 * to an MSR) is told to who asks, with cr3 and rip withheld.  Freezes, containments and
 * the list of its memslots are as ever.  A VM that becomes so after it ran, as the
 * destination of one that moves, is noticed at its first exit in a new quarter of a
 * second at the latest: its sample is forgotten and its watches end, mappings stay.
 * NESTED: it runs guests itself.  While it does, its registers are withheld and no
 * change is announced: they would be those of its guest.  An LSTAR that it loads for
 * its guest beforehand is announced, as any other.
 */
#define KVM_WARDEN_GUEST_ENCRYPTED	(1U << 0)
#define KVM_WARDEN_GUEST_NESTED		(1U << 1)
#define KVM_WARDEN_GUEST_HIDDEN		(1U << 2)	/* it runs, and its VMM has closed, or buried, every file of it */
/* ... and why it does not run */
#define KVM_WARDEN_GUEST_CONTAINED	(1U << 3)	/* KVM_WARDEN_CONTAIN */
#define KVM_WARDEN_GUEST_FROZEN		(1U << 4)	/* KVM_WARDEN_FREEZE */

/* struct kvm_warden_guest_info.level */
#define KVM_WARDEN_LEVEL_OFF		0
#define KVM_WARDEN_LEVEL_METADATA	1
#define KVM_WARDEN_LEVEL_CONTENT	2

/**
 * struct kvm_warden_guest_info - a guest
 * @guest:	in, KVM_WARDEN_NEXT_GUEST: an id, 0 for the first guest.
 *		out: the id.
 * @vmm_pid:	process id of the VMM, in the initial namespace; 0: it has ended, or
 *		executed another program (the guest is about to end, or is in the
 *		hands of another process)
 * @vcpus:	vCPUs seen so far, at an exit or stopped before their first one.  It
 *		never falls: KVM removes no vCPU before the VM ends
 * @flags:	KVM_WARDEN_GUEST_*
 * @level:	KVM_WARDEN_LEVEL_*
 * @exits:	exits counted
 * @emitted:	events emitted
 * @seen_again:	address spaces seen again within a second: not emitted, and no part
 *		of @emitted
 * @address_spaces: distinct page-table roots (CR3 without its low 12 bits) that
 *		it ran on at an exit; two that hash alike count as one (of a
 *		thousand, about thirty), 16384 at most
 * @delivered, @dropped, @suppressed, @missed: what became of the emitted, as
 *		KVM_WARDEN_TELL told last
 *
 * Errors of KVM_WARDEN_NEXT_GUEST: -ENOENT when no guest has a larger id.
 */
struct kvm_warden_guest_info {
	__u64 guest;
	__u32 vmm_pid;
	__u32 vcpus;
	__u32 flags;
	__u32 level;
	__u64 exits;
	__u64 emitted;
	__u64 seen_again;
	__u64 address_spaces;
	__u64 delivered;
	__u64 dropped;
	__u64 suppressed;
	__u64 missed;
	__u64 reserved;
};

/**
 * struct kvm_warden_open - argument of KVM_WARDEN_OPEN_GUEST
 * @guest:	guest id
 * @flags:	must be 0
 *
 * Returns a file descriptor.  Errors: -ENOENT no such guest.
 */
struct kvm_warden_open {
	__u64 guest;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct kvm_warden_contain - argument of KVM_WARDEN_CONTAIN and KVM_WARDEN_RELEASE
 * @guest:	guest id
 * @expiry_ms:	KVM_WARDEN_CONTAIN: released by itself after that time; 0: never
 * @flags:	must be 0
 *
 * A containment is an answer to malware: it outlives every fd and the daemon,
 * and ends at KVM_WARDEN_RELEASE, its expiry, or the VM's end.  A guest that is
 * contained already gets the new expiry.  Errors: -ENOENT no such guest, or
 * (RELEASE) it is not contained; -ESHUTDOWN (CONTAIN) hooks are switched off.
 */
struct kvm_warden_contain {
	__u64 guest;
	__u64 expiry_ms;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct kvm_warden_counts - argument of KVM_WARDEN_TELL
 * @guest:	guest id
 * @delivered:	events that the one who tells has taken
 * @dropped:	found no room in its ring
 * @suppressed:	were beyond the guest's budget
 * @missed:	came while nothing of it was attached
 *
 * The module counts what it emits; what becomes of it only a consumer knows.  The
 * daemon tells that once a second, and sysfs shows it beside the module's own.  Once
 * a guest is quiet, emitted is the sum of the four.  Error: -ENOENT no such guest.
 */
struct kvm_warden_counts {
	__u64 guest;
	__u64 delivered;
	__u64 dropped;
	__u64 suppressed;
	__u64 missed;
	__u64 reserved[3];
};

/**
 * struct kvm_warden_freeze - argument of KVM_WARDEN_FREEZE
 * @timeout_ms:	in: ends by itself after that time, at most
 *		KVM_WARDEN_FREEZE_MAX_MS; 0: KVM_WARDEN_FREEZE_DEFAULT_MS
 * @flags:	in: must be 0
 * @vcpus:	out: vCPUs of the guest
 * @parked:	out: of these, parked inside KVM_RUN or halted
 * @outside:	out: of these, in the VMM's own code (serving a device, paused)
 * @reserved0:	must be 0
 * @took_ns:	out: from the request until the last of them stood still
 * @wait_ns:	out: with -EBUSY: how long until this request would be granted
 *
 * An observation: it belongs to the fd, and ends at KVM_WARDEN_THAW, at its
 * time-out, or at the fd's last close.  One at a time for a guest.
 *
 * An observer must not be able to hold a guest for ever, so that each guest has
 * a budget for being observed.  It is KVM_WARDEN_FREEZE_MAX_MS at first and at
 * most, and grows by one part in KVM_WARDEN_FREEZE_SHARE of the time in which
 * the guest is not frozen.  A freeze takes its whole timeout_ms from it and
 * gives back what it did not use, less 1 ms at least.
 *
 * A vCPU that is neither parked nor outside after a quarter of the time-out is
 * still on its way inside the kernel; it executes no instruction either.
 *
 * Errors of KVM_WARDEN_FREEZE: -EBUSY the budget does not hold timeout_ms;
 * -EALREADY the guest is frozen, by this fd or another; -EINVAL; -EINTR a signal;
 * -ESHUTDOWN hooks are switched off.  Of KVM_WARDEN_THAW (no argument): -ENOENT
 * this fd's freeze is over, so that what was read may be of a guest that ran.
 */
struct kvm_warden_freeze {
	__u32 timeout_ms;
	__u32 flags;
	__u32 vcpus;
	__u32 parked;
	__u32 outside;
	__u32 reserved0;
	__u64 took_ns;
	__u64 wait_ns;
	__u64 reserved[2];
};

#define KVM_WARDEN_FREEZE_DEFAULT_MS	100
#define KVM_WARDEN_FREEZE_MAX_MS	1000
#define KVM_WARDEN_FREEZE_SHARE		10

/* struct kvm_warden_regs.flags */
#define KVM_WARDEN_REGS_GUEST_MODE	(1U << 0)	/* the vCPU ran a nested guest: registers withheld */
#define KVM_WARDEN_REGS_FRESH		(1U << 1)	/* in: interrupt the vCPU; out: sampled since this request */
#define KVM_WARDEN_REGS_HALTED		(1U << 2)	/* it waits for an interrupt */
#define KVM_WARDEN_REGS_OUTSIDE		(1U << 3)	/* it is not in KVM_RUN: in the VMM's code, or paused */

/**
 * struct kvm_warden_regs - a vCPU's registers at its last sampled exit
 * @vcpu:	in: vCPU index
 * @flags:	in: 0 or KVM_WARDEN_REGS_FRESH, bits of an answer do no harm;
 *		out: KVM_WARDEN_REGS_*
 * @age_ns:	out: time since the sample was taken
 * @rip, @rsp, @cr0, @cr2, @cr3, @cr4, @efer, @lstar, @idtr, @gs_base,
 * @kernel_gs_base: out.  @idtr is the base alone.
 * @exit_code, @exit_info1, @exit_info2: out: hardware's exit code and details:
 *		EXITCODE, EXITINFO1 and EXITINFO2 (AMD); exit reason, exit
 *		qualification and, for EPT violations, the GPA (Intel)
 * @cpl:	out: privilege level
 *
 * A full sample is taken at the first exit after a request, at the latest
 * 10 ms after it; a vCPU that does not exit answers with its older sample.
 *
 * A vCPU that computes may not exit for long.  With FRESH it is interrupted (once
 * a millisecond at most), so that it does at once.  One that is halted or outside is
 * not waited for: its sample, of the exit that brought it there, is the newest there
 * can be (a VMM may have changed registers since, as on a reset).  Without FRESH in
 * the answer the sample is older than the request; its age tells how much.
 *
 * Errors: -ENXIO no such vCPU or it never exited; -EPERM encrypted guest.
 */
struct kvm_warden_regs {
	__u32 vcpu;
	__u32 flags;
	__u64 age_ns;
	__u64 rip, rsp, cr0, cr2, cr3, cr4, efer;
	__u64 lstar, idtr, gs_base, kernel_gs_base;
	__u64 exit_code, exit_info1, exit_info2;
	__u32 cpl;
	__u32 reserved0;
	__u64 reserved[4];
};

/* struct kvm_warden_memslot.flags */
#define KVM_WARDEN_SLOT_READONLY	(1U << 0)	/* for the guest */
#define KVM_WARDEN_SLOT_MAPPABLE	(1U << 1)	/* KVM_WARDEN_MAP takes the whole of it */

/**
 * struct kvm_warden_memslot - one guest-physical range
 * @gpa:	first byte
 * @size:	bytes
 * @flags:	KVM_WARDEN_SLOT_*
 */
struct kvm_warden_memslot {
	__u64 gpa;
	__u64 size;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct kvm_warden_memslots - argument of KVM_WARDEN_MEMSLOTS
 * @slots:	user pointer to an array of struct kvm_warden_memslot
 * @count:	in: room in the array, at most KVM_WARDEN_MAX_SLOTS; out: slots
 *		the guest has, of which the lowest are filled in, ordered by gpa
 *
 * What KVM lets the guest access as memory: a device's memory that the VMM maps for the
 * guest (vfio) is among it.  Of that nothing is ever resident; do not watch it.
 */
struct kvm_warden_memslots {
	__u64 slots;
	__u32 count;
	__u32 reserved;
};

#define KVM_WARDEN_MAX_SLOTS	512

/**
 * struct kvm_warden_segment - one piece of a vectored read
 * @gpa:	guest-physical address, any alignment
 * @buf:	user pointer
 * @len:	bytes, at most KVM_WARDEN_MAX_SEGMENT
 * @done:	out: bytes read.  Short when the range meets a page that has no
 *		memslot or is not resident in the VMM.
 * @error:	out: 0, or why it is short: -ENXIO no memslot; -ENODATA not
 *		resident (never touched, swapped out, or not yet migrated), or
 *		it could not be brought in; -EDQUOT (KVM_WARDEN_READ_FAULT) the
 *		guest's budget of faults is spent
 * @reserved:	must be 0
 */
struct kvm_warden_segment {
	__u64 gpa;
	__u64 buf;
	__u32 len;
	__u32 done;
	__s32 error;
	__u32 reserved;
};

#define KVM_WARDEN_MAX_SEGMENTS	1024
#define KVM_WARDEN_MAX_SEGMENT	(4U << 20)

/* struct kvm_warden_read.flags */
#define KVM_WARDEN_READ_FAULT	(1U << 0)	/* bring in what is not resident */

/* What faulting reads may bring in, in pages of 4 KiB a second and guest. */
#define KVM_WARDEN_FAULT_PAGES	4096

/**
 * struct kvm_warden_read - argument of KVM_WARDEN_READ
 * @segments:	user pointer to an array of struct kvm_warden_segment
 * @count:	segments, at most KVM_WARDEN_MAX_SEGMENTS
 * @flags:	KVM_WARDEN_READ_*
 *
 * Without a flag reads take no fault in the VMM: a page that is not resident
 * is reported, never brought in.
 *
 * KVM_WARDEN_READ_FAULT: it is brought in as if the VMM had read it: from swap, from
 * its file, as a new page, or by whoever serves the VMM's userfaultfd, for which the
 * read waits until it is killed.  Anonymous memory and tmpfs are charged to the VMM,
 * the page cache of other files and huge pages to the reader.  A read that waits does
 * not delay a change of memslots.  A VMM that is killed meanwhile keeps its memory, and
 * with it a VM whose kvm_run pages it maps, until the read ends; so does one that is
 * killed while any read copies.  Each guest has a budget for this, of
 * KVM_WARDEN_FAULT_PAGES a second, which a huge page takes as a whole and
 * overdraws if need be; all its fds share it.
 *
 * Errors: -EPERM encrypted guest; -EACCES its level is off, also one that was set while
 * the read went on; -EFAULT a user pointer; -EINTR a fatal signal.  On an error the
 * results are undefined.
 */
struct kvm_warden_read {
	__u64 segments;
	__u32 count;
	__u32 flags;
};

/**
 * struct kvm_warden_map - argument of KVM_WARDEN_MAP
 * @gpa:	first byte, a multiple of the page size
 * @size:	bytes, a multiple of the page size, not 0
 * @flags:	must be 0
 *
 * Returns a memory fd, whose bytes 0 to @size - 1 are the guest's from @gpa on.
 * All it does is mmap(): MAP_SHARED, PROT_READ alone, now and by mprotect().  It
 * is an fd of its own because a mapping must not be made where the address
 * space of another process, the VMM, has to be looked into.
 *
 *   - Pages are the VMM's own, in use by the guest: they change under the
 *     reader's eyes.  One that is not in the page cache (never touched, swapped
 *     out, discarded by a balloon, not yet migrated), or is behind the end of a
 *     file that was truncated, is SIGBUS.
 *     Reads bring nothing in; madvise(MADV_WILLNEED), which no VMA can refuse,
 *     brings in what was swapped out of tmpfs or a memfd, MADV_PAGEOUT may push
 *     pages out: forbid both to readers.
 *   - The range is what it was when KVM_WARDEN_MAP returned.  A memslot removed
 *     or moved later, or memory that the VMM maps there later, is not followed:
 *     the fd and its mappings show the file.
 *   - The fd and each mapping keep the file, and so its memory, beyond the end
 *     of the VM: close and unmap them at POLLHUP.  No new mapping is made then.
 *     A mapping keeps the module as well.
 *
 * Errors: -ENXIO no memslot holds the whole range; -EOPNOTSUPP its memory is
 * not one shared mapping of a file that maps its page cache (anonymous memory,
 * hugetlbfs, DAX, a device, two mappings): read it; -EPERM encrypted guest;
 * -EINTR a fatal signal.  Of mmap(): -EINVAL behind the range, or not MAP_SHARED;
 * -EACCES PROT_WRITE or PROT_EXEC (which newer kernels answer with -EPERM), or the
 * guest's level is off; -ENODEV the guest is gone; -EPERM.
 */
struct kvm_warden_map {
	__u64 gpa;
	__u64 size;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct kvm_warden_watch - argument of KVM_WARDEN_WATCH and KVM_WARDEN_UNWATCH
 * @gpa:	first byte, any alignment
 * @len:	bytes, 1 at least
 * @flags:	must be 0
 *
 * Reports each write of the guest to these bytes after it happened, as an event
 * kvm_warden_write and as a struct kvm_warden_write to be read().  It detects and
 * cannot block.  UNWATCH ends the watch of the same @gpa and @len.  A watch belongs
 * to its fd and ends with it.  One fd of a guest can watch at a time: from its first
 * WATCH that succeeds until it is closed.
 *
 * KVM makes the pages read-only for the guest and carries out each instruction
 * that writes to them by its emulator.  Hence:
 *
 *   - At most KVM_WARDEN_WATCH_PAGES pages for a guest, counted for each watch.
 *     Writes beside the watched bytes are not reported, but as slow (some
 *     microseconds each).
 *   - A huge page that holds one is split and mapped as small pages meanwhile.
 *   - Writes of the host are not seen: devices of the VMM, vhost, DMA.
 *   - Never watch a page table: the CPU writes to it when it walks.  A page that
 *     it walks through is let go at the first such write (_PAGE_TABLE).
 *   - KVM's emulator lacks instructions: x87 and XSAVE stores, AVX ones before
 *     6.19.  Up to 6.11 KVM tries one that it cannot carry out for ever: after 64
 *     tries with no write the page is let go (_STUCK).  So a guest that knows of a
 *     watch can end it, and that is told.  From 6.12 on KVM raises #UD in the
 *     guest's user mode, and in its kernel ends the VM (KVM_EXIT_INTERNAL_ERROR;
 *     QEMU pauses it).  Nothing can be done about it from outside KVM: there the
 *     watch wants watch=2, and is for pages that none but plain stores write to,
 *     such as a kernel's tables of functions.
 *   - For a nested guest's write there is no second try: KVM would end the VM.  So
 *     the watch of a guest that begins to run guests ends (_NESTED), a quarter of a
 *     second later at most.  So does that of one that becomes encrypted (_ENCRYPTED).
 *   - A page whose memory slot is deleted or moved is let go (_SLOT).  So it is if
 *     KVM refuses the move in the end and the slot stays, as from 6.5 on it does
 *     each move while a guest is watched (no VMM is known to move one).  Slots
 *     that the guest's SMM alone has do not matter.
 *   - From 6.5 on KVM allocates two bytes for each page of the guest at its first
 *     watch, until the VM ends.
 *   - While a watch is there every guest's page faults cost some instructions
 *     more, and the VM's end may wait for the module's, milliseconds.
 *
 * Off unless the module is loaded with watch=1 (up to 6.11) or watch=2.  Errors of
 * KVM_WARDEN_WATCH: -ENODEV the guest is gone; -EOPNOTSUPP off, a kernel without page
 * tracking, or a guest that runs guests itself; -EPERM encrypted guest; -EBUSY another
 * fd watches; -EEXIST the same is watched; -ENOSPC too many pages; -ENXIO a page that
 * is no writable RAM; -EINVAL among others: a vCPU's page-table root; -ESHUTDOWN hooks
 * are switched off; -EINTR a signal came, and nothing was done: ask again.
 * Of KVM_WARDEN_UNWATCH: -ENOENT this fd watches no such bytes (any more); -EINTR killed
 * while it waited.
 */
struct kvm_warden_watch {
	__u64 gpa;
	__u64 len;
	__u32 flags;
	__u32 reserved;
};

#define KVM_WARDEN_WATCH_PAGES	16

/* struct kvm_warden_write.flags */
#define KVM_WARDEN_WRITE_ENDED		(1U << 0)	/* no write: @gpa's page is let go, because ... */
#define KVM_WARDEN_WRITE_SLOT		(1U << 1)	/* ... its memory slot is gone */
#define KVM_WARDEN_WRITE_STUCK		(1U << 2)	/* ... KVM cannot carry out a write to it */
#define KVM_WARDEN_WRITE_PAGE_TABLE	(1U << 3)	/* ... it is a page table */
#define KVM_WARDEN_WRITE_OFF		(1U << 4)	/* ... hooks or the guest were switched off */
#define KVM_WARDEN_WRITE_VM		(1U << 5)	/* ... the VMM goes, or gave its VM away */
#define KVM_WARDEN_WRITE_NESTED		(1U << 6)	/* ... the guest runs guests itself */
#define KVM_WARDEN_WRITE_ENCRYPTED	(1U << 7)	/* ... the guest is encrypted now */

/**
 * struct kvm_warden_write - what read() gives of a guest fd that watches (128 bytes)
 * @seq:	number of the event kvm_warden_write; 0: ENDED
 * @time_ns:	CLOCK_MONOTONIC
 * @gpa:	first byte written; ENDED: the page
 * @cr3, @rip:	of the writer (of a nested guest withheld: 0); @rip is the instruction's
 * @lost:	records lost so far, since the fd's first watch, for want of room
 * @vcpu:	the writer
 * @len:	bytes written, of which @data holds at most the first 64
 * @flags:	KVM_WARDEN_WRITE_*
 *
 * read() gives whole records, as many as there are and fit.  It waits for the
 * first (-EAGAIN with O_NONBLOCK); 0 is the end: the guest is gone.  -EINVAL: no
 * room for one, or the fd never watched.
 */
struct kvm_warden_write {
	__u64 seq;
	__u64 time_ns;
	__u64 gpa;
	__u64 cr3;
	__u64 rip;
	__u64 lost;
	__u32 vcpu;
	__u32 len;
	__u32 flags;
	__u32 reserved;
	__u8 data[64];
};

#define KVM_WARDEN_IOC		0xB7

#define KVM_WARDEN_GET_INFO	_IOR(KVM_WARDEN_IOC, 0x00, struct kvm_warden_info)
#define KVM_WARDEN_NEXT_GUEST	_IOWR(KVM_WARDEN_IOC, 0x01, struct kvm_warden_guest_info)
#define KVM_WARDEN_OPEN_GUEST	_IOW(KVM_WARDEN_IOC, 0x02, struct kvm_warden_open)
#define KVM_WARDEN_CONTAIN	_IOW(KVM_WARDEN_IOC, 0x03, struct kvm_warden_contain)
#define KVM_WARDEN_RELEASE	_IOW(KVM_WARDEN_IOC, 0x04, struct kvm_warden_contain)
#define KVM_WARDEN_TELL		_IOW(KVM_WARDEN_IOC, 0x05, struct kvm_warden_counts)

#define KVM_WARDEN_GUEST_INFO	_IOR(KVM_WARDEN_IOC, 0x10, struct kvm_warden_guest_info)
#define KVM_WARDEN_REGS		_IOWR(KVM_WARDEN_IOC, 0x11, struct kvm_warden_regs)
#define KVM_WARDEN_MEMSLOTS	_IOWR(KVM_WARDEN_IOC, 0x12, struct kvm_warden_memslots)
#define KVM_WARDEN_READ		_IOW(KVM_WARDEN_IOC, 0x13, struct kvm_warden_read)
#define KVM_WARDEN_FREEZE	_IOWR(KVM_WARDEN_IOC, 0x14, struct kvm_warden_freeze)
#define KVM_WARDEN_THAW		_IO(KVM_WARDEN_IOC, 0x15)
#define KVM_WARDEN_WATCH	_IOW(KVM_WARDEN_IOC, 0x16, struct kvm_warden_watch)
#define KVM_WARDEN_UNWATCH	_IOW(KVM_WARDEN_IOC, 0x17, struct kvm_warden_watch)
#define KVM_WARDEN_MAP		_IOW(KVM_WARDEN_IOC, 0x18, struct kvm_warden_map)

#endif
