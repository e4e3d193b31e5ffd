// SPDX-License-Identifier: GPL-2.0-only
#include "chardev.h"

#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/ktime.h>
#include <linux/uaccess.h>
#include <uapi/linux/kvm_warden.h>

#include "attach.h"
#include "check.h"
#include "exit.h"
#include "freeze.h"
#include "guest.h"
#include "kvm_glue.h"
#include "memory.h"
#include "regs.h"
#include "timings.h"
#include "watch.h"
#include "window.h"

/* ---- a guest's fd ---- */

static int guest_release(struct inode *inode, struct file *file)
{
	kw_freeze_thaw(file->private_data, file);
	kw_watch_release(file->private_data, file);
	kw_guest_put(file->private_data);
	return 0;
}

static __poll_t guest_poll(struct file *file, poll_table *wait)
{
	struct kw_guest *guest = file->private_data;

	poll_wait(file, &guest->wait, wait);
	return (READ_ONCE(guest->gone) ? EPOLLHUP : 0) |
	       (kw_watch_readable(guest, file) ? EPOLLIN | EPOLLRDNORM : 0);
}

static long guest_info(struct kw_guest *guest, void __user *arg)
{
	struct kvm_warden_guest_info info;

	if (READ_ONCE(guest->gone))
		return -ENODEV;
	kw_guest_info(guest, &info);
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long guest_regs(struct kw_guest *guest, void __user *arg)
{
	struct kvm_warden_regs regs;
	u64 begun = ktime_get_ns();
	bool fresh;
	int r;

	if (copy_from_user(&regs, arg, sizeof(regs)))
		return -EFAULT;
	r = kw_check_regs(&regs);
	if (r)
		return r;
	if (READ_ONCE(guest->gone))
		return -ENODEV;
	fresh = regs.flags & KVM_WARDEN_REGS_FRESH;
	r = kw_regs_get(guest, &regs);
	if (r)
		return r;
	kw_timing_add(fresh ? KW_TIMING_REGS_FRESH : KW_TIMING_REGS, ktime_get_ns() - begun);
	return copy_to_user(arg, &regs, sizeof(regs)) ? -EFAULT : 0;
}

/* *count: in, the room; out, how many there are. */
static int read_memslots(struct kw_guest *guest, struct kvm_warden_memslot *slots, u32 *count)
{
	int n;

	if (!mmget_not_zero(guest->mm))
		return -ENODEV;
	n = kw_kvm_memslots(guest->kvm, guest->mm, slots, *count);
	mmput_async(guest->mm);
	if (n < 0)
		return n;
	*count = n;
	return 0;
}

static long guest_memslots(struct kw_guest *guest, void __user *arg)
{
	struct kvm_warden_memslots request;
	struct kvm_warden_memslot *slots;
	struct file *file;
	u32 room;
	long r;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	r = kw_check_memslots(&request);
	if (r)
		return r;
	file = kw_guest_pin(guest);
	if (!file)
		return -ENODEV;
	room = request.count;
	slots = kvcalloc(max(room, 1u), sizeof(*slots), GFP_KERNEL);
	if (!slots) {
		r = -ENOMEM;
		goto out_unpin;
	}
	r = read_memslots(guest, slots, &request.count);
out_unpin:
	fput(file);		/* the user's memory may take its time */
	if (!r && (copy_to_user(u64_to_user_ptr(request.slots), slots,
				sizeof(*slots) * min(room, request.count)) ||
		   copy_to_user(arg, &request, sizeof(request))))
		r = -EFAULT;
	kvfree(slots);
	return r;
}

static long guest_read(struct kw_guest *guest, void __user *arg)
{
	struct kvm_warden_read request;
	u64 begun = ktime_get_ns();
	long r;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	r = kw_memory_read(guest, &request);
	if (!r)
		kw_timing_add(KW_TIMING_READ, ktime_get_ns() - begun);
	return r;
}

static long guest_map(struct kw_guest *guest, void __user *arg)
{
	struct kvm_warden_map request;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	return kw_window_open(guest, &request);
}

static long guest_freeze(struct file *file, void __user *arg)
{
	struct kvm_warden_freeze request;
	int r;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	r = kw_check_freeze(&request);
	if (r)
		return r;
	r = kw_freeze_begin(file->private_data, file, &request);
	if (r && r != -EBUSY)
		return r;
	if (!r)
		kw_timing_add(KW_TIMING_FREEZE, request.took_ns);
	if (copy_to_user(arg, &request, sizeof(request))) {
		kw_freeze_thaw(file->private_data, file);
		return -EFAULT;
	}
	return r;
}

static long guest_watch(struct file *file, unsigned int cmd, void __user *arg)
{
	struct kvm_warden_watch request;
	u64 begun = ktime_get_ns();
	int r;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	r = kw_check_watch(&request);
	if (r)
		return r;
	if (cmd == KVM_WARDEN_UNWATCH)
		return kw_watch_stop(file->private_data, file, &request);
	r = kw_watch_begin(file->private_data, file, &request);
	if (!r)
		kw_timing_add(KW_TIMING_WATCH, ktime_get_ns() - begun);
	return r;
}

static ssize_t guest_read_writes(struct file *file, char __user *buf, size_t size, loff_t *pos)
{
	return kw_watch_read(file->private_data, file, buf, size, !(file->f_flags & O_NONBLOCK));
}

/* What looks at a guest. */
static long guest_look(struct file *file, unsigned int cmd, void __user *user)
{
	struct kw_guest *guest = file->private_data;

	if (READ_ONCE(guest->level) == KVM_WARDEN_LEVEL_OFF)
		return -EACCES;
	switch (cmd) {
	case KVM_WARDEN_REGS:
		return guest_regs(guest, user);
	case KVM_WARDEN_MEMSLOTS:
		return guest_memslots(guest, user);
	case KVM_WARDEN_READ:
		return guest_read(guest, user);
	case KVM_WARDEN_MAP:
		return guest_map(guest, user);
	case KVM_WARDEN_FREEZE:
		return guest_freeze(file, user);
	case KVM_WARDEN_WATCH:
		return guest_watch(file, cmd, user);
	default:
		return -ENOTTY;
	}
}

static long guest_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct kw_guest *guest = file->private_data;
	void __user *user = (void __user *)arg;

	if (READ_ONCE(guest->gone))
		return -ENODEV;
	switch (cmd) {
	case KVM_WARDEN_GUEST_INFO:
		return guest_info(guest, user);
	case KVM_WARDEN_REGS:
	case KVM_WARDEN_MEMSLOTS:
	case KVM_WARDEN_READ:
	case KVM_WARDEN_MAP:
	case KVM_WARDEN_FREEZE:
	case KVM_WARDEN_WATCH:
		return guest_look(file, cmd, user);
	case KVM_WARDEN_UNWATCH:
		return guest_watch(file, cmd, user);
	case KVM_WARDEN_THAW:
		return kw_freeze_thaw(guest, file);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations guest_fops = {
	.owner = THIS_MODULE,
	.release = guest_release,
	.read = guest_read_writes,
	.poll = guest_poll,
	.unlocked_ioctl = guest_ioctl,
	.llseek = noop_llseek,
};

/* ---- the control device ---- */

static int control_open(struct inode *inode, struct file *file)
{
	return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
}

u64 kw_chardev_features(void)
{
	return kw_attach_features() | (kw_watch_enabled() ? KVM_WARDEN_FEATURE_WATCH : 0);
}

static long control_info(void __user *arg)
{
	struct kvm_warden_info info = {
		.abi = KVM_WARDEN_ABI_VERSION,
		.attached = kw_is_attached(),
		.features = kw_chardev_features(),
		.guests = kw_guest_count(),
	};

	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long control_next_guest(void __user *arg)
{
	struct kvm_warden_guest_info info;
	struct kw_guest *guest;
	int r;

	if (copy_from_user(&info, arg, sizeof(info)))
		return -EFAULT;
	r = kw_check_next_guest(&info);
	if (r)
		return r;
	guest = kw_guest_next(info.guest);
	if (!guest)
		return -ENOENT;
	kw_guest_info(guest, &info);
	kw_guest_put(guest);
	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static long control_open_guest(void __user *arg)
{
	struct kvm_warden_open request;
	struct kw_guest *guest;
	int fd, r;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	r = kw_check_open(&request);
	if (r)
		return r;
	guest = kw_guest_find(request.guest);
	if (!guest)
		return -ENOENT;
	fd = anon_inode_getfd("kvm-warden-guest", &guest_fops, guest, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		kw_guest_put(guest);
	return fd;
}

static long control_contain(unsigned int cmd, void __user *arg)
{
	struct kvm_warden_contain request;
	struct kw_guest *guest;
	int r;

	if (copy_from_user(&request, arg, sizeof(request)))
		return -EFAULT;
	r = kw_check_contain(&request);
	if (r)
		return r;
	guest = kw_guest_find(request.guest);
	if (!guest)
		return -ENOENT;
	if (cmd == KVM_WARDEN_CONTAIN)
		r = kw_freeze_contain(guest, request.expiry_ms);
	else
		r = kw_freeze_release(guest);
	kw_guest_put(guest);
	return r;
}

static long control_tell(void __user *arg)
{
	struct kvm_warden_counts counts;
	struct kw_guest *guest;
	int r;

	if (copy_from_user(&counts, arg, sizeof(counts)))
		return -EFAULT;
	r = kw_check_counts(&counts);
	if (r)
		return r;
	guest = kw_guest_find(counts.guest);
	if (!guest)
		return -ENOENT;
	kw_guest_told(guest, &counts);
	kw_guest_put(guest);
	return 0;
}

static long control_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	void __user *user = (void __user *)arg;

	switch (cmd) {
	case KVM_WARDEN_GET_INFO:
		return control_info(user);
	case KVM_WARDEN_NEXT_GUEST:
		return control_next_guest(user);
	case KVM_WARDEN_OPEN_GUEST:
		return control_open_guest(user);
	case KVM_WARDEN_CONTAIN:
	case KVM_WARDEN_RELEASE:
		return control_contain(cmd, user);
	case KVM_WARDEN_TELL:
		return control_tell(user);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations control_fops = {
	.owner = THIS_MODULE,
	.open = control_open,
	.unlocked_ioctl = control_ioctl,
	.llseek = noop_llseek,
};

static struct miscdevice control_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "kvm_warden",
	.mode = 0600,
	.fops = &control_fops,
};

int kw_chardev_init(void)
{
	return misc_register(&control_device);
}

void kw_chardev_exit(void)
{
	misc_deregister(&control_device);
}
