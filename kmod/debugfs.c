// SPDX-License-Identifier: GPL-2.0-only
#include "debugfs.h"

#include <linux/debugfs.h>
#include <linux/math64.h>
#include <linux/seq_file.h>

#include "attach.h"
#include "freeze.h"
#include "guest.h"
#include "hooks.h"
#include "ranges.h"
#include "timings.h"
#include "watch.h"

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

static void show_counts(struct seq_file *m, struct kw_guest *guest, struct kw_vcpu *v)
{
	unsigned int i;

	seq_printf(m, "%llu %u", guest->id, v->idx);
	for (i = 0; i < KW_HOOK_COUNTS; i++)
		seq_printf(m, " %llu", READ_ONCE(v->hook_counts[i]));
	seq_putc(m, '\n');
}

static int hook_counts_show(struct seq_file *m, void *unused)
{
	seq_puts(m, "# guest vcpu exec_faults page_faults msr_reads msr_writes cr_reads cr_writes\n");
	for_each_vcpu(m, show_counts);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hook_counts);

static int hooks_show(struct seq_file *m, void *unused)
{
	unsigned int asked, i;
	const char *name;
	bool attached;

	seq_puts(m, "# hook asked attached\n");
	kw_attach_describe_entry(&asked, &attached);
	seq_printf(m, "kvm_entry %u %u\n", asked, attached);
	for (i = 0; i < KW_HOOKS; i++) {
		name = kw_hooks_describe(i, &asked, &attached);
		seq_printf(m, "%s %u %u\n", name, asked, attached);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(hooks);

static void show_stop(struct seq_file *m, struct kw_guest *guest, struct kw_vcpu *v)
{
	u32 flags = kw_freeze_flags(guest);

	seq_printf(m, "%llu %u %u %u %u %llu\n", guest->id, v->idx,
		   !!(flags & KVM_WARDEN_GUEST_CONTAINED), !!(flags & KVM_WARDEN_GUEST_FROZEN),
		   READ_ONCE(v->parked), READ_ONCE(v->parks));
}

static int freezes_show(struct seq_file *m, void *unused)
{
	seq_puts(m, "# guest vcpu contained frozen parked parks\n");
	for_each_vcpu(m, show_stop);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(freezes);

static void show_watch(struct seq_file *m, struct kw_guest *guest)
{
	struct kw_range ranges[KVM_WARDEN_WATCH_PAGES], *r;
	u64 lost;

	if (!kw_watch_describe(guest, ranges, &lost))
		return;
	kw_for_each_range(r, ranges)
		if (r->len)
			seq_printf(m, "%llu 0x%llx %llu %u %llu %llu\n", guest->id, r->gpa, r->len,
				   hweight32(r->pages), r->writes, lost);
}

static int watches_show(struct seq_file *m, void *unused)
{
	struct kw_guest *guest;
	u64 id = 0;

	seq_puts(m, "# guest gpa bytes pages writes lost\n");
	while ((guest = kw_guest_next(id))) {
		id = guest->id;
		show_watch(m, guest);
		kw_guest_put(guest);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(watches);

static int timings_show(struct seq_file *m, void *unused)
{
	struct kw_timing_sum sum;
	unsigned int i;

	seq_puts(m, "# request count mean_ns worst_ns\n");
	for (i = 0; i < KW_TIMINGS; i++) {
		kw_timing_get(i, &sum);
		seq_printf(m, "%s %llu %llu %llu\n", kw_timing_name(i), sum.count,
			   sum.count ? div64_u64(sum.total_ns, sum.count) : 0, sum.worst_ns);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(timings);

void kw_debugfs_init(void)
{
	folder = debugfs_create_dir("kvm_warden", NULL);
	debugfs_create_file("exits", 0400, folder, NULL, &exits_fops);
	debugfs_create_file("hooks", 0400, folder, NULL, &hooks_fops);
	debugfs_create_file("hook_counts", 0400, folder, NULL, &hook_counts_fops);
	debugfs_create_file("freezes", 0400, folder, NULL, &freezes_fops);
	debugfs_create_file("watches", 0400, folder, NULL, &watches_fops);
	debugfs_create_file("timings", 0400, folder, NULL, &timings_fops);
}

void kw_debugfs_exit(void)
{
	debugfs_remove(folder);
}
