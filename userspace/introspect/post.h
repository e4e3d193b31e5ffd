/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef WARDEN_POST_H
#define WARDEN_POST_H

#include "lib/messages.h"

/*
 * msg_post to the engine, which waits when too many descriptors are under way.
 * 0 or -errno: -EPIPE once the engine is gone.
 */
int engine_post(int sock, const struct msg_schema *schema, uint64_t id,
		const void *value, int fd);

#endif
