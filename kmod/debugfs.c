// SPDX-License-Identifier: GPL-2.0-only
#include "debugfs.h"

#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "freeze.h"
#include "guest.h"

static struct dentry *folder;

static void for_each_vcpu(struct seq_file *m,
			  void (*show)(struct seq_file *, struct kw_guest *, struct kw_vcpu *))
{
	struct kw_guest *guest;
	struct kw_vcpu *v;
	u64 id = 0;

	while ((guest = kw_guest_next(id))) {
		id = guest->id;
		rcu_read_lock();
		list_for_each_entry_rcu(v, &guest->vcpus, node)
			show(m, guest, v);
		rcu_read_unlock();
		kw_guest_put(guest);
	}
}

static void show_exits(struct seq_file *m, struct kw_guest *guest, struct kw_vcpu *v)
{
	unsigned int i;

	for (i = 0; i < KW_REASONS; i++)
		if (v->reasons[i])
			seq_printf(m, "%llu %u 0x%x %llu\n", guest->id, v->idx,
				   v->backend->slot_reason(i), READ_ONCE(v->reasons[i]));
}

static int exits_show(struct seq_file *m, void *unused)
{
	seq_puts(m, "# guest vcpu reason exits\n");
	for_each_vcpu(m, show_exits);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(exits);

static void show_stop(struct seq_file *m, struct kw_guest *guest, struct kw_vcpu *v)
{
	u32 flags = kw_freeze_flags(guest);

	seq_printf(m, "%llu %u %u %u %u %llu\n", guest->id, v->idx,
		   !!(flags & KVM_WARDEN_GUEST_CONTAINED), !!(flags & KVM_WARDEN_GUEST_FROZEN),
		   READ_ONCE(v->parked), READ_ONCE(v->parks));
}

static int stops_show(struct seq_file *m, void *unused)
{
	seq_puts(m, "# guest vcpu contained frozen parked parks\n");
	for_each_vcpu(m, show_stop);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stops);

void kw_debugfs_init(void)
{
	folder = debugfs_create_dir("kvm_warden", NULL);
	debugfs_create_file("exits", 0400, folder, NULL, &exits_fops);
	debugfs_create_file("stops", 0400, folder, NULL, &stops_fops);
}

void kw_debugfs_exit(void)
{
	debugfs_remove(folder);
}
