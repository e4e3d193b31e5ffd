/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signals and limits for processes that are not the VMM's, and bpf(): what could end or
 * change the watch itself.  A part of guard.bpf.c: its maps and what it does of a
 * finding are there.
 */
#ifndef WARDEN_GUARD_CONTROL_H
#define WARDEN_GUARD_CONTROL_H

#define LSM_PRLIMIT_WRITE 2

/* bpf() of what is held open: QEMU's receive-side scaling does that */
#define BPF_ELEMENTS_FIRST 1		/* BPF_MAP_LOOKUP_ELEM */
#define BPF_ELEMENTS_LAST 4		/* BPF_MAP_GET_NEXT_KEY */

/* A child on its way to be watched, too. */
static __always_inline int is_of_guest(struct task_struct *task, __u64 guest)
{
	__u64 leader = (__u64)BPF_CORE_READ(task, group_leader);
	struct warden_guard_mark *m = mark_of(BPF_CORE_READ(task, tgid));

	if (!m && forking)
		m = bpf_map_lookup_elem(&forked, &leader);
	return m && m->guest == guest;
}

/*
 * With other credentials it is a device's interrupt that sends it, for whoever asked once.
 * What has ended, and waits for its parent, has its mark no more, and minds no signal.
 */
static __always_inline long on_signal(struct task_struct *task, __u32 signal, int has_cred, int can_deny)
{
	const struct warden_guard_settings *s = get_settings();
	__u32 other = BPF_CORE_READ(task, tgid);
	struct warden_guard_mark *m;
	char name[GUARD_PATH] = {};

	if (has_cred || other == current_tgid() || !BPF_CORE_READ(task, signal, live.counter))
		return 0;
	m = mark_of_current();
	if (!m || is_of_guest(task, m->guest))
		return 0;
	bpf_core_read_str(name, 16, &task->comm);
	/* Who ends the watch is refused it in every mode: of a finding nobody would be left to tell. */
	if (can_deny && s && other == s->warden)
		can_deny = ALWAYS;
	return found(m, GUARD_CONTROL, signal, other, 0, name, 0, can_deny);
}

SEC("lsm/task_kill")
long BPF_PROG(lsm_signal, struct task_struct *task, struct kernel_siginfo *info, int signal,
	     const struct cred *cred, int ret)
{
	return ret ? earlier(ret) : on_signal(task, signal, has_argument(ctx, 3), 1);
}

SEC("fentry/security_task_kill")
int BPF_PROG(see_signal, struct task_struct *task, struct kernel_siginfo *info, int signal,
	     const struct cred *cred)
{
	on_signal(task, signal, cred != NULL, 0);
	return 0;
}

/* Whose, the hook is not told; not of the thread itself. */
static __always_inline long on_limits(__u32 flags, int can_deny)
{
	struct warden_guard_mark *m = flags & LSM_PRLIMIT_WRITE ? mark_of_current() : NULL;

	return m ? found(m, GUARD_CONTROL, 0, 0, 0, NULL, 0, can_deny) : 0;
}

SEC("lsm/task_prlimit")
long BPF_PROG(lsm_limits, const struct cred *cred, const struct cred *other, unsigned int flags, int ret)
{
	return ret ? earlier(ret) : on_limits(flags, 1);
}

SEC("fentry/security_task_prlimit")
int BPF_PROG(see_limits, const struct cred *cred, const struct cred *other, unsigned int flags)
{
	on_limits(flags, 0);
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
