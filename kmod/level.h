/* SPDX-License-Identifier: GPL-2.0-only */
/* How much of a guest may be looked at: KVM_WARDEN_LEVEL_* and their names. */
#ifndef KW_LEVEL_H
#define KW_LEVEL_H

#include <linux/types.h>

const char *kw_level_name(u32 level);

/* A name with or without a newline; -EINVAL. */
int kw_level_parse(const char *name);

/* What a guest begins with. */
u32 kw_level_default(void);
void kw_level_set_default(u32 level);

#endif
