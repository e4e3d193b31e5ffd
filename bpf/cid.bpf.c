// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VMM has which vsock CID: seen when it sets it, until the device is let go.
 * By devices, as the kernel has them: no CID is two of theirs, however many processes
 * share one.  An object of its own, since it needs vhost_vsock's BTF and pins that module.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "warden/event.h"

#define VHOST_VSOCK_SET_GUEST_CID 0x4008af60u

struct inode;

struct file {
	void *private_data;
} __attribute__((preserve_access_index));

struct vhost_vsock {
	__u32 guest_cid;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WARDEN_MAX_GUESTS);
	__type(key, __u64);		/* the device's address */
	__type(value, struct warden_cid);
} cids SEC(".maps");

/* Attached first, as it stands first: no device is let go unseen that was seen to be set. */
SEC("fentry/vhost_vsock_dev_release")
int BPF_PROG(on_vsock_release, struct inode *inode, struct file *file)
{
	__u64 device = (__u64)BPF_CORE_READ(file, private_data);

	bpf_map_delete_elem(&cids, &device);
	return 0;
}

SEC("fexit/vhost_vsock_dev_ioctl")
int BPF_PROG(on_vsock_ioctl, struct file *file, unsigned int cmd, unsigned long arg, long ret)
{
	struct warden_cid set = { .set_ns = bpf_ktime_get_ns(),
				  .pid = bpf_get_current_pid_tgid() >> 32 };
	struct vhost_vsock *vsock;
	__u64 device;

	if (cmd != VHOST_VSOCK_SET_GUEST_CID || ret)
		return 0;
	/* What vhost took: the VMM's own memory may say something else by now. */
	vsock = BPF_CORE_READ(file, private_data);
	device = (__u64)vsock;
	set.cid = BPF_CORE_READ(vsock, guest_cid);
	bpf_map_update_elem(&cids, &device, &set, BPF_ANY);
	/* Another thread has set another one since, and may have written it before us. */
	if (BPF_CORE_READ(vsock, guest_cid) != set.cid)
		bpf_map_delete_elem(&cids, &device);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
