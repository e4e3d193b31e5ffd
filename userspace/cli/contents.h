/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files and bytes of a guest, one that runs or a file of its memory: what both verbs share. */
#ifndef WARDEN_CLI_CONTENTS_H
#define WARDEN_CLI_CONTENTS_H

#include "cli/cli.h"

#define WHICH_FILE "which file: PID and its PATH, PID and --exe, PATH as files tells it, or --inode DEV:INODE"
#define NO_PLACE "the bytes are for --out, or for a pipe: not among JSON, nor for a terminal"

/* dev and ino, decimal (""); or pid (NULL: at rest) and path (NULL: what the process runs). */
struct file_words {
	const char *pid, *path;
	char dev[32], ino[32];
};

struct range_words {
	const char *pid;		/* "0": the kernel */
	char address[32], length[32];	/* decimal */
};

bool is_pid(const char *text);
/* PID PATH | PID --exe | PATH | --inode DEV:INODE.  False: none of them. */
bool take_file(char *const *words, int n, bool exe, const char *inode, struct file_words *ret);
/* PID|kernel ADDRESS LENGTH.  NULL, or what is wrong. */
const char *take_range(char *const *words, struct range_words *ret);

/*
 * fill's exit code; what is there already stays: nobody's file is overwritten by a guest's
 * bytes.  The file stays if fill says yes, or undecided.
 */
int into_new_file(struct cli *cli, const char *path, int (*fill)(struct cli *cli, int out, void *ctx),
		  void *ctx);

void print_nothing(const json_t *answer);
void print_file(const json_t *answer);
void print_files(const json_t *answer);
/* Says on standard error what is not there; the exit code. */
int tell_incomplete(const struct cli *cli, const json_t *answer);

#endif
