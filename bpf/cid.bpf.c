// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which VMM has which vsock CID: seen when it sets it.  An object of its own,
 * since it needs vhost_vsock's BTF and pins that module.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#include "warden/event.h"

#define VHOST_VSOCK_SET_GUEST_CID 0x4008af60u

struct file {
	void *private_data;
} __attribute__((preserve_access_index));

struct vhost_vsock {
	__u32 guest_cid;
} __attribute__((preserve_access_index));

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, WARDEN_MAX_GUESTS);
	__type(key, __u32);		/* process id of the VMM */
	__type(value, __u64);		/* CID */
} cids SEC(".maps");

SEC("fexit/vhost_vsock_dev_ioctl")
int BPF_PROG(on_vsock_ioctl, struct file *file, unsigned int cmd, unsigned long arg, long ret)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;
	struct vhost_vsock *vsock;
	__u64 cid;

	if (cmd != VHOST_VSOCK_SET_GUEST_CID || ret)
		return 0;
	/* What vhost took: the VMM's own memory may say something else by now. */
	vsock = BPF_CORE_READ(file, private_data);
	cid = BPF_CORE_READ(vsock, guest_cid);
	bpf_map_update_elem(&cids, &pid, &cid, BPF_ANY);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";
