// SPDX-License-Identifier: GPL-2.0-only
#include "refusal.h"

#include <linux/kernel.h>
#include <linux/string.h>

bool kw_build_is_known(const char *name, const u8 *id, const u8 *expected, char *why, size_t size)
{
	if (id && !memcmp(id, expected, KW_BUILD_ID))
		return true;
	if (id)
		snprintf(why, size,
			 "refused: %s has build-id %*phN, this module was built for %*phN: rebuild it for the running kernel",
			 name, KW_BUILD_ID, id, KW_BUILD_ID, expected);
	else
		snprintf(why, size,
			 "refused: %s carries no build-id: it cannot be told apart from another build",
			 name);
	return false;
}
