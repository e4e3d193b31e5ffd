/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What could end, hold up or change the watch itself, or another process: signals, limits,
 * scheduling, opens that wait for an answer or for a lease's end, bpf().  A part of guard.bpf.c: its maps and
 * what it does of a finding are there.
 *
 * Of the end of the watch nobody would be left to tell: what leads to it is refused in
 * every mode.
 */
#ifndef WARDEN_GUARD_CONTROL_H
#define WARDEN_GUARD_CONTROL_H

/* fanotify's events that wait for the listener's answer */
#define FAN_PERMISSION 0x170000ull	/* FAN_{OPEN,ACCESS,OPEN_EXEC}_PERM, FAN_PRE_ACCESS */

/* fcntl() */
#define F_SETLEASE 1024
#define F_SETDELEG 1040
#define F_UNLCK 2

/* bpf() of what is held open: QEMU's receive-side scaling does that */
#define BPF_ELEMENTS_FIRST 1		/* BPF_MAP_LOOKUP_ELEM */
#define BPF_ELEMENTS_LAST 4		/* BPF_MAP_GET_NEXT_KEY */

/* Of the same VMM: also a child on its way to be watched, and one of before the watch. */
static __always_inline int is_own(struct task_struct *task, __u64 guest)
{
	__u64 leader = (__u64)BPF_CORE_READ(task, group_leader);
	struct warden_guard_mark *m = mark_of(BPF_CORE_READ(task, tgid));

	if (!m && forking)
		m = bpf_map_lookup_elem(&forked, &leader);
	return (m && m->guest == guest) || BPF_CORE_READ(task, real_parent, tgid) == current_tgid();
}

/* What has ended, and waits for its parent, has its mark no more, and minds nothing. */
static __always_inline long on_control(struct task_struct *task, __u32 how, int can_deny)
{
	__u32 other = BPF_CORE_READ(task, tgid);
	struct warden_guard_mark *m;
	char name[GUARD_PATH] = {};

	if (other == current_tgid() || !BPF_CORE_READ(task, signal, live.counter))
		return 0;
	m = mark_of_current();
	if (!m || is_own(task, m->guest))
		return 0;
	bpf_core_read_str(name, 16, &task->comm);
	return found(m, GUARD_CONTROL, how, other, 0, name, 0, can_deny && is_wardens(task) ? ALWAYS : can_deny);
}

/*
 * Not what the kernel sends of itself, at a parent's end, and not what an interrupt sends
 * with the credentials of whoever asked for it once.
 */
static __always_inline int is_sent(unsigned long long *ctx)
{
	return argument(ctx, 1) && !argument(ctx, 3);
}

SEC("lsm/task_kill")
long BPF_PROG(lsm_signal, struct task_struct *task, struct kernel_siginfo *info, int signal,
	     const struct cred *cred, int ret)
{
	return ret ? earlier(ret) : is_sent(ctx) ? on_control(task, signal, 1) : 0;
}

SEC("fentry/security_task_kill")
int BPF_PROG(see_signal, struct task_struct *task, struct kernel_siginfo *info, int signal)
{
	if (is_sent(ctx))
		on_control(task, signal, 0);
	return 0;
}

/*
 * A signal at a file's event (O_ASYNC), by whoever runs just now, be it interrupted: who
 * asked for it is not known.  wardend and its roles never did.
 */
SEC("lsm/file_send_sigiotask")
long BPF_PROG(lsm_sigio, struct task_struct *task, struct fown_struct *owner, int signal, int ret)
{
	if (ret)
		return earlier(ret);
	return is_wardens(task) ? -EPERM : 0;
}

/* hook_args: what the hook has between the task and what another program answered. */
#define JUDGE_AS_LIMITS(name, hook, hook_args...)					\
	SEC("lsm/" #hook)								\
	long BPF_PROG(lsm_##name, struct task_struct *task, ##hook_args, int ret)	\
	{										\
		return ret ? earlier(ret) : on_control(task, GUARD_LIMITS, 1);		\
	}										\
											\
	SEC("fentry/security_" #hook)							\
	int BPF_PROG(see_##name, struct task_struct *task)				\
	{										\
		on_control(task, GUARD_LIMITS, 0);					\
		return 0;								\
	}

JUDGE_AS_LIMITS(limits, task_setrlimit, unsigned int resource, struct rlimit *limit)
JUDGE_AS_LIMITS(scheduling, task_setscheduler)
JUDGE_AS_LIMITS(nice, task_setnice, int nice)
JUDGE_AS_LIMITS(io_priority, task_setioprio, int priority)

/* Whoever opens a file there waits: wardend, and what it would start. */
static __always_inline long on_notify(__u64 mask, int can_deny)
{
	struct warden_guard_mark *m = mask & FAN_PERMISSION ? mark_of_current() : NULL;

	return m ? found(m, GUARD_CONTROL, GUARD_HELD, 0, 0, NULL, 0, can_deny) : 0;
}

SEC("lsm/path_notify")
long BPF_PROG(lsm_notify, const struct path *path, __u64 mask, unsigned int type, int ret)
{
	return ret ? earlier(ret) : on_notify(mask, ALWAYS);
}

SEC("fentry/security_path_notify")
int BPF_PROG(see_notify, const struct path *path, __u64 mask)
{
	on_notify(mask, 0);
	return 0;
}

/* Whoever opens the file waits up to 45 s, and a file in /proc can be leased, too. */
static __always_inline long on_fcntl(unsigned int command, unsigned long argument, int can_deny)
{
	struct warden_guard_mark *m;

	if (command != F_SETDELEG && (command != F_SETLEASE || argument == F_UNLCK))
		return 0;
	m = mark_of_current();
	return m ? found(m, GUARD_CONTROL, GUARD_LEASED, 0, 0, NULL, 0, can_deny) : 0;
}

SEC("lsm/file_fcntl")
long BPF_PROG(lsm_fcntl, struct file *file, unsigned int command, unsigned long argument, int ret)
{
	return ret ? earlier(ret) : on_fcntl(command, argument, ALWAYS);
}

SEC("fentry/security_file_fcntl")
int BPF_PROG(see_fcntl, struct file *file, unsigned int command, unsigned long argument)
{
	on_fcntl(command, argument, 0);
	return 0;
}

static __always_inline long on_bpf(__u32 command, int can_deny)
{
	struct warden_guard_mark *m;

	if (command >= BPF_ELEMENTS_FIRST && command <= BPF_ELEMENTS_LAST)
		return 0;
	m = mark_of_current();
	if (!m || is_starting(m))
		return 0;
	return found(m, GUARD_BPF, command, 0, 0, NULL, 0, can_deny);
}

/* What another program answered lies behind the arguments, of which 7.2 has one more: not asked. */
SEC("lsm/bpf")
long BPF_PROG(lsm_bpf, int command)
{
	return on_bpf(command, 1);
}

SEC("fentry/security_bpf")
int BPF_PROG(see_bpf, int command)
{
	on_bpf(command, 0);
	return 0;
}

#endif
