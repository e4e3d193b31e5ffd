/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A module that does to its own kernel what rootkits do, each trick alone, by name,
 * and undone again.  It is for the guests of the truth tests and for nothing else.
 */
#ifndef TELLS_ROOTKIT_H
#define TELLS_ROOTKIT_H

#include <linux/types.h>

struct trick {
	const char *name;
	int (*play)(void);
	void (*undo)(void);
	bool played;
};

extern struct trick hide_tricks[], hook_tricks[], other_tricks[];	/* each ends with no name */

/* The process that the tricks of tasks hide; NULL: none was chosen. */
int hide_choose(pid_t pid);
void hide_forget(void);
struct task_struct *hide_chosen(void);

int hide_init(void);
int hook_init(void);
int other_init(void);

/* Bytes of the kernel's code or read-only data, by a mapping that may be written. */
int rootkit_write(void *at, const void *bytes, size_t size);

/*
 * A symbol that the kernel does not export, or NULL and a word in the log.  No part of
 * the product does this: rootkits do, and this plays one.
 */
void *rootkit_symbol(const char *name);

#endif
