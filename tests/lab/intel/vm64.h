/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VM of the test's own, in long mode, that both vendors can run.  Its guest goes
 * round for ever: two address spaces, a CPUID in each, a word to the VMM.
 */
#ifndef VM64_H
#define VM64_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define VM64_RAM	0x200000
#define VM64_CODE	0x1000
#define VM64_CODE_END	0x1fff
#define VM64_CR3_A	0x2000		/* two roots of the same tables */
#define VM64_CR3_B	0x6000
#define VM64_CR3_NESTED	0x7000		/* another, of the nested guest */
#define VM64_TABLE	0x4000		/* the last before the pages */
#define VM64_ACCESSED	0x20
#define VM64_MAILBOX	0x9000
#define VM64_BEGIN	0x9018
#define VM64_STACK	0xf000

/* What the guest begins with. */
#define VM64_CR0	0x80050033
#define VM64_CR4	0x20		/* PAE */
#define VM64_CR4_PSE	0x10		/* means nothing in long mode */
#define VM64_EFER	0xd01		/* SCE, LME, LMA, NXE */
#define VM64_LSTAR	0xffffffff81abcde0ull
#define VM64_IDTR	0xfffffe0000001000ull
#define VM64_IDTR_NESTED	0xfffffe0000777000ull
#define VM64_GS_BASE	0xffff888012345000ull
#define VM64_KERNEL_GS	0x00007f1234567000ull

/* In the guest's RAM, which the test shares. */
struct vm64_mailbox {
	uint64_t rounds;		/* each has two CPUIDs and one OUT */
	uint64_t set_lstar;		/* the test says 1: the guest writes it, turns CR4's PSE, and says 0 */
	uint64_t lstar;
	uint64_t begin;			/* nested: the guest goes round itself until this is set */
};

struct vm64 {
	pid_t pid;			/* the VMM */
	uint8_t *ram;
	volatile struct vm64_mailbox *mailbox;
};

/* nested: the guest runs a guest of its own (nested.h), and that one goes round. */
struct vm64 vm64_start(bool nested);
/* The VMM calls that first. */
struct vm64 vm64_start_after(void (*first)(void), bool nested);
void vm64_end(struct vm64 *vm);

/* In this process, without end. */
void vm64_run(uint8_t *ram, bool nested) __attribute__((noreturn));

uint8_t *vm64_ram(void);

/* For who makes a VM. */
void vm64_put64(uint8_t *ram, uint64_t gpa, uint64_t value);
void vm64_put32(uint8_t *ram, uint64_t gpa, uint32_t value);
void vm64_set_msr(int vcpu, uint32_t index, uint64_t value);

#endif
