// SPDX-License-Identifier: GPL-2.0-only
#include "level.h"

#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <uapi/linux/kvm_warden.h>

static const char *const names[] = {
	[KVM_WARDEN_LEVEL_OFF] = "off",
	[KVM_WARDEN_LEVEL_METADATA] = "metadata",
	[KVM_WARDEN_LEVEL_CONTENT] = "content",
};

static u32 default_level = KVM_WARDEN_LEVEL_CONTENT;

const char *kw_level_name(u32 level)
{
	return names[level];
}

int kw_level_parse(const char *name)
{
	return sysfs_match_string(names, name);
}

u32 kw_level_default(void)
{
	return READ_ONCE(default_level);
}

void kw_level_set_default(u32 level)
{
	WRITE_ONCE(default_level, level);
}

static int set_level(const char *value, const struct kernel_param *param)
{
	int level = kw_level_parse(value);

	if (level < 0) {
		pr_err("kvm_warden: level=%s is none of off, metadata, content\n", value);
		return level;
	}
	kw_level_set_default(level);
	return 0;
}

static const struct kernel_param_ops level_ops = { .set = set_level };

/* Not shown below /sys/module: default_level in sysfs is the same, and may change. */
module_param_cb(level, &level_ops, NULL, 0);
__MODULE_PARM_TYPE(level, "off|metadata|content");
MODULE_PARM_DESC(level, "the level that guests begin with (content)");
