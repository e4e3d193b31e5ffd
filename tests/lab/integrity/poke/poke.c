// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an intruder in the kernel does: a byte of its code written through a
 * mapping of its own.  echo "ADDRESS BYTE" >/sys/module/poke/parameters/write
 */
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/vmalloc.h>

static int poke_set(const char *text, const struct kernel_param *param)
{
	unsigned long address;
	struct page *page;
	unsigned int byte;
	u8 *window;

	if (sscanf(text, "%lx %x", &address, &byte) != 2 || byte > 255)
		return -EINVAL;
	page = vmalloc_to_page((void *)address);
	if (!page)
		return -EFAULT;
	window = vmap(&page, 1, VM_MAP, PAGE_KERNEL);
	if (!window)
		return -ENOMEM;
	pr_info("poke: %lx was %02x\n", address, window[offset_in_page(address)]);
	window[offset_in_page(address)] = byte;
	vunmap(window);
	return 0;
}

static const struct kernel_param_ops poke_ops = { .set = poke_set };
module_param_cb(write, &poke_ops, NULL, 0200);

MODULE_DESCRIPTION("Writes into code, for the integrity test");
MODULE_LICENSE("GPL");
