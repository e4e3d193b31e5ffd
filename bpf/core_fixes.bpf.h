/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the programs read of the kernel's own types: these fields alone, found by
 * name when the object is loaded (CO-RE), so that one object runs on every
 * kernel.  Differences between kernels are met here.
 */
#ifndef WARDEN_CORE_FIXES_H
#define WARDEN_CORE_FIXES_H

#define CORE __attribute__((preserve_access_index))

struct fown_struct;
struct kernel_siginfo;
struct mnt_namespace;
struct rlimit;
struct sock;
struct sockaddr;

typedef struct {
	int counter;
} CORE atomic_t;

struct signal_struct {
	atomic_t live;
} CORE;

struct qstr {
	unsigned int len;
	const unsigned char *name;
} CORE;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
} CORE;

struct vfsmount {
	struct dentry *mnt_root;
} CORE;

struct mount {
	struct mount *mnt_parent;
	struct mnt_namespace *mnt_ns;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} CORE;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} CORE;

struct fs_struct {
	struct path root;
} CORE;

struct nsproxy {
	struct mnt_namespace *mnt_ns;
} CORE;

struct task_struct {
	void *stack;
	int pid;
	int tgid;
	char comm[16];
	struct signal_struct *signal;
	struct task_struct *group_leader;
	struct task_struct *real_parent;
	struct fs_struct *fs;
	struct nsproxy *nsproxy;
} CORE;

struct file {
	struct path f_path;
	unsigned int f_mode;
	unsigned int f_flags;
} CORE;

struct linux_binprm {
	struct file *file;
	const char *filename;
} CORE;

struct vm_area_struct {
	unsigned long vm_start;
	unsigned long vm_end;
	unsigned long vm_flags;
} CORE;

struct socket {
	struct sock *sk;
} CORE;

struct sockaddr_un {
	char sun_path[108];
} CORE;

struct unix_address {
	int len;
	struct sockaddr_un name[0];
} CORE;

struct unix_sock {
	struct unix_address *addr;
	struct sock *peer;
} CORE;

struct pt_regs {
	unsigned long bx;
	unsigned long di;
} CORE;

/* Two __u32 up to 6.2, one __u64 after it: the same bytes on x86. */
typedef struct {
	__u64 val;
} kernel_cap_t;

struct cred {
	kernel_cap_t cap_permitted;
	kernel_cap_t cap_effective;
} CORE;

static __always_inline __u64 caps_of(const kernel_cap_t *caps)
{
	__u64 bits = 0;

	bpf_core_read(&bits, sizeof(bits), caps);
	return bits;
}

#endif
