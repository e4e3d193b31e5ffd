/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was counted of guests outlives a daemon: BPF's maps stay in
 * /sys/fs/bpf/kvm_warden, where the next daemon finds them.
 */
#ifndef WARDEN_LEDGER_H
#define WARDEN_LEDGER_H

#include <stdint.h>

/*
 * Fills the maps of BPF programs that are not attached yet with what the last
 * daemon left, and leaves them in its place.  What was in its ring went with
 * it: those events were submitted and are no longer, so that they are missed.
 *
 * owner: user id of the folder, one that no process has: a VMM that runs as root
 * without capabilities would pass for its owner.  What another user's folder
 * holds is not believed.
 */
void ledger_take_over(int counts_fd, int delivered_fd, uint32_t owner);

#endif
