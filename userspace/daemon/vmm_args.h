/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A VMM's command line.  It lies in the VMM's own memory, which it can put under a
 * pager that never answers: so it is read by a child of ours, who is given up then.
 */
#ifndef WARDEN_VMM_ARGS_H
#define WARDEN_VMM_ARGS_H

#include <stddef.h>
#include <stdint.h>

#define VMM_ARGS 65536		/* bytes, with the NUL behind them; what is longer is cut off */

/*
 * How many bytes there are, always followed by a NUL.  0: the process is gone, or does not
 * answer within two seconds, which is logged; it is not asked again while the child hangs.
 */
size_t vmm_args(uint32_t pid, char args[VMM_ARGS]);

#endif
