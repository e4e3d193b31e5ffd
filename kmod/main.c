// SPDX-License-Identifier: GPL-2.0-only
/* KVM Warden: sees what the guests of this host do, from their exits. */
#include <linux/module.h>

#include "attach.h"
#include "chardev.h"
#include "debugfs.h"
#include "exit.h"
#include "freeze.h"
#include "guest.h"
#include "hooks.h"
#include "sysfs.h"
#include "window.h"

static int __init kw_init(void)
{
	int r;

	kw_exit_init();
	r = kw_sysfs_init();
	if (r)
		return r;
	kw_debugfs_init();
	r = kw_chardev_init();
	if (r)
		goto err_guest;
	r = kw_attach_init();
	if (r)
		goto err_chardev;
	kw_hooks_init();
	return 0;

err_chardev:
	kw_chardev_exit();
err_guest:
	kw_debugfs_exit();
	kw_guest_exit();
	kw_sysfs_exit();
	return r;
}

/*
 * Nobody holds an fd or a mapping, and no guest is contained: each pins the
 * module.  Hooks go first, data after.
 */
static void __exit kw_exit(void)
{
	kw_hooks_exit();
	kw_attach_exit();
	kw_chardev_exit();
	kw_debugfs_exit();
	kw_freeze_exit();
	kw_window_exit();
	kw_guest_exit();
	kw_sysfs_exit();
}

module_init(kw_init);
module_exit(kw_exit);

MODULE_DESCRIPTION("Observes KVM guests from outside, for malware defence");
MODULE_LICENSE("GPL");
MODULE_VERSION(KW_VERSION);
