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

extern struct trick hide_tricks[], hook_tricks[];	/* each ends with no name */

/* The process that the tricks of tasks hide. */
int hide_choose(pid_t pid);
void hide_forget(void);

int hide_init(void);
int hook_init(void);

/*
 * A symbol that the kernel does not export, or NULL and a word in the log.  No part of
 * the product does this: rootkits do, and this plays one.
 */
void *rootkit_symbol(const char *name);

#endif
