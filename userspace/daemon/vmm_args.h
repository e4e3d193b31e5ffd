/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMM's command line.  It lies in the VMM's own memory, and who reads it waits for the
 * lock of the VMM's mappings, which a VMM can hold for as long as it likes: so a child of
 * ours reads it, nobody waits for that one, and one that is late is given up.
 */
#ifndef WARDEN_VMM_ARGS_H
#define WARDEN_VMM_ARGS_H

#include <stddef.h>
#include <stdint.h>

#define VMM_ARGS 65536		/* bytes, with the NUL behind them; what is longer is cut off */

struct vmm_args;

/*
 * NULL: so many are asked, or hang (hung.h), that no further one is; or there is no
 * process for it.
 */
struct vmm_args *vmm_args_ask(uint32_t pid);

enum vmm_answer {
	VMM_ASKED,
	VMM_ANSWERED,
	VMM_SILENT,		/* for ten seconds, which is logged; or it was never asked */
};

/*
 * ANSWERED: the arguments, each ended by NUL, and one more behind them; *ret_len bytes, 0 if
 * the process is gone.  They are the question's, until its end.
 */
enum vmm_answer vmm_args_look(struct vmm_args *question, const char **ret_args, size_t *ret_len);
void vmm_args_end(struct vmm_args *question);

/* The same by ourselves, for whom it is no matter if he hangs.  How many bytes. */
size_t vmm_args_read(uint32_t pid, char args[VMM_ARGS]);

#endif
