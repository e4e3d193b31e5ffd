// SPDX-License-Identifier: GPL-2.0-only
#include "sysfs.h"

#include <linux/capability.h>
#include <linux/kobject.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

#include "attach.h"
#include "chardev.h"
#include "guest.h"
#include "level.h"
#include "watch.h"

static struct kobject *root, *guests;

/* ---- the module ---- */

static ssize_t version_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", KW_VERSION);
}

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return kw_attach_describe(buf, PAGE_SIZE);
}

static ssize_t features_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	/* By bit, KVM_WARDEN_FEATURE_* */
	static const char *const names[] = { "svm", "vmx", "mmap", "watch", "read_fault" };
	u64 features = kw_chardev_features();
	unsigned int i;
	int n = 0;

	for (i = 0; i < ARRAY_SIZE(names); i++)
		if (features & BIT_ULL(i))
			n += sysfs_emit_at(buf, n, "%s%s", n ? " " : "", names[i]);
	return n + sysfs_emit_at(buf, n, "\n");
}

/* A VMM of user 0 without capabilities owns the files, and is not to switch its watch off. */
static bool may_change(void)
{
	return capable(CAP_SYS_ADMIN);
}

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%d\n", kw_attach_enabled());
}

static ssize_t enabled_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	bool on;
	int r = may_change() ? kstrtobool(buf, &on) : -EPERM;

	if (!r)
		r = kw_attach_enable(on);
	return r ? r : count;
}

static ssize_t untracked_exits_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", kw_guest_untracked_exits());
}

static ssize_t default_level_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", kw_level_name(kw_level_default()));
}

static ssize_t default_level_store(struct kobject *kobj, struct kobj_attribute *attr,
				   const char *buf, size_t count)
{
	int level = may_change() ? kw_level_parse(buf) : -EPERM;

	if (level < 0)
		return level;
	kw_level_set_default(level);
	return count;
}

/* What tells of guests, those to come among them, is root's alone. */
static struct kobj_attribute version_attr = __ATTR_RO(version);
static struct kobj_attribute state_attr = __ATTR_RO(state);
static struct kobj_attribute features_attr = __ATTR_RO(features);
static struct kobj_attribute enabled_attr = __ATTR_RW(enabled);
static struct kobj_attribute untracked_exits_attr = __ATTR_RO_MODE(untracked_exits, 0400);
static struct kobj_attribute default_level_attr = __ATTR_RW_MODE(default_level, 0600);

static struct attribute *root_attrs[] = {
	&version_attr.attr, &features_attr.attr, &state_attr.attr, &enabled_attr.attr,
	&untracked_exits_attr.attr, &default_level_attr.attr, NULL,
};

static const struct attribute_group root_group = { .attrs = root_attrs };

/* ---- a guest ---- */

struct guest_attribute {
	struct attribute attr;
	ssize_t (*show)(const struct kvm_warden_guest_info *info, char *buf);
};

static ssize_t guest_show(struct kobject *kobj, struct attribute *attr, char *buf)
{
	struct kw_guest *guest = container_of(kobj, struct kw_guest, kobj);
	struct guest_attribute *a = container_of(attr, struct guest_attribute, attr);
	struct kvm_warden_guest_info info;

	kw_guest_info(guest, &info);
	return a->show(&info, buf);
}

static ssize_t guest_store(struct kobject *kobj, struct attribute *attr, const char *buf,
			   size_t count)
{
	struct kw_guest *guest = container_of(kobj, struct kw_guest, kobj);
	int level = may_change() ? kw_level_parse(buf) : -EPERM;	/* the one file that can be written */

	if (level < 0)
		return level;
	WRITE_ONCE(guest->level, level);
	if (level == KVM_WARDEN_LEVEL_OFF && !kw_watch_end(guest, KVM_WARDEN_WRITE_OFF, false))
		return -EINTR;
	return count;
}

#define GUEST_ATTR(_name, _expr)						\
	static ssize_t _name##_show(const struct kvm_warden_guest_info *info,	\
				    char *buf)					\
	{									\
		return sysfs_emit(buf, "%llu\n", (u64)(_expr));		\
	}									\
	static struct guest_attribute _name##_attr = {				\
		.attr = { .name = #_name, .mode = 0400 }, .show = _name##_show,	\
	}

GUEST_ATTR(vmm_pid, info->vmm_pid);
GUEST_ATTR(vcpus, info->vcpus);
GUEST_ATTR(address_spaces, info->address_spaces);
GUEST_ATTR(exits, info->exits);
GUEST_ATTR(events_emitted, info->emitted);
GUEST_ATTR(events_delivered, info->delivered);
GUEST_ATTR(events_dropped, info->dropped);
GUEST_ATTR(events_suppressed, info->suppressed);
GUEST_ATTR(events_missed, info->missed);
GUEST_ATTR(seen_again, info->seen_again);
GUEST_ATTR(encrypted, !!(info->flags & KVM_WARDEN_GUEST_ENCRYPTED));
GUEST_ATTR(nested, !!(info->flags & KVM_WARDEN_GUEST_NESTED));
GUEST_ATTR(hidden, !!(info->flags & KVM_WARDEN_GUEST_HIDDEN));
GUEST_ATTR(contained, !!(info->flags & KVM_WARDEN_GUEST_CONTAINED));
GUEST_ATTR(frozen, !!(info->flags & KVM_WARDEN_GUEST_FROZEN));

static ssize_t level_show(const struct kvm_warden_guest_info *info, char *buf)
{
	return sysfs_emit(buf, "%s\n", kw_level_name(info->level));
}

static struct guest_attribute level_attr = {
	.attr = { .name = "level", .mode = 0600 }, .show = level_show,
};

/* One word, or those that hold at once. */
static ssize_t guest_state_show(const struct kvm_warden_guest_info *info, char *buf)
{
	static const struct {
		u32 flag;
		const char *word;
	} words[] = {
		{ KVM_WARDEN_GUEST_CONTAINED, "contained" },
		{ KVM_WARDEN_GUEST_FROZEN, "frozen" },
		{ KVM_WARDEN_GUEST_HIDDEN, "hidden" },
		{ KVM_WARDEN_GUEST_ENCRYPTED, "encrypted" },
		{ KVM_WARDEN_GUEST_NESTED, "nested" },
	};
	bool stands = info->flags & (KVM_WARDEN_GUEST_CONTAINED | KVM_WARDEN_GUEST_FROZEN);
	int n = stands ? 0 : sysfs_emit(buf, "running");
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(words); i++)
		if (info->flags & words[i].flag)
			n += sysfs_emit_at(buf, n, "%s%s", n ? " " : "", words[i].word);
	return n + sysfs_emit_at(buf, n, "\n");
}

static struct guest_attribute guest_state_attr = {
	.attr = { .name = "state", .mode = 0400 }, .show = guest_state_show,
};

static struct attribute *guest_attrs[] = {
	&vmm_pid_attr.attr, &level_attr.attr, &guest_state_attr.attr, &vcpus_attr.attr,
	&address_spaces_attr.attr, &exits_attr.attr,
	&events_emitted_attr.attr, &events_delivered_attr.attr, &events_dropped_attr.attr,
	&events_suppressed_attr.attr, &events_missed_attr.attr, &seen_again_attr.attr,
	&encrypted_attr.attr, &nested_attr.attr,
	&hidden_attr.attr, &contained_attr.attr, &frozen_attr.attr, NULL,
};

ATTRIBUTE_GROUPS(guest);

static const struct sysfs_ops guest_sysfs_ops = { .show = guest_show, .store = guest_store };

/* The kobject is part of the guest: its last reference is one to the guest. */
static void guest_kobj_release(struct kobject *kobj)
{
	kw_guest_put(container_of(kobj, struct kw_guest, kobj));
}

static struct kobj_type guest_type = {
	.release = guest_kobj_release,
	.sysfs_ops = &guest_sysfs_ops,
	.default_groups = guest_groups,
};

void kw_sysfs_add(struct kw_guest *guest)
{
	if (guest->has_kobj)
		return;
	refcount_inc(&guest->refs);
	guest->has_kobj = true;
	if (kobject_init_and_add(&guest->kobj, &guest_type, guests, "%llu", guest->id))
		pr_warn("kvm_warden: no sysfs folder for guest %llu\n", guest->id);
}

void kw_sysfs_remove(struct kw_guest *guest)
{
	if (guest->has_kobj)
		kobject_put(&guest->kobj);
}

/*
 * Which guests there are can be seen in their folder alone; how many, in its number of
 * links, too.  sysfs makes every folder readable to all; this changes a folder's mode as
 * it does a file's.
 */
static int hide_guests(void)
{
	static const struct attribute folder = { .name = "guests" };

	return sysfs_chmod_file(root, &folder, 0700);
}

int kw_sysfs_init(void)
{
	int r = -ENOMEM;

	root = kobject_create_and_add("kvm_warden", kernel_kobj);
	if (!root)
		return r;
	guests = kobject_create_and_add("guests", root);
	if (!guests)
		goto err_root;
	r = hide_guests();
	if (r)
		goto err_guests;
	r = sysfs_create_group(root, &root_group);
	if (r)
		goto err_guests;
	return 0;

err_guests:
	kobject_put(guests);
err_root:
	kobject_put(root);
	return r;
}

void kw_sysfs_exit(void)
{
	sysfs_remove_group(root, &root_group);
	kobject_put(guests);
	kobject_put(root);
}
