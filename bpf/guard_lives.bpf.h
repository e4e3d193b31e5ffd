/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Processes of a VMM come, are watched, and go.  A part of guard.bpf.c: its maps and
 * marks are there.
 */
#ifndef WARDEN_GUARD_LIVES_H
#define WARDEN_GUARD_LIVES_H

/*
 * Threads share their process's mark.  The map has room for all that are let
 * live; who is not counted has no more of them.  A child counts from here on: of
 * many forks at once no more come through.
 */
SEC("lsm/task_alloc")
long BPF_PROG(lsm_fork, struct task_struct *task, unsigned long clone_flags, int ret)
{
	struct warden_guard_mark *m, copy;
	struct warden_guard_counts *c;
	struct warden_guard_event *e;
	__u64 child = (__u64)task, live = 0;
	long verdict = 0;

	if (ret || clone_flags & CLONE_THREAD)
		return earlier(ret);
	m = mark_of_current();
	if (!m)
		return 0;
	copy = *m;
	c = counts_of(copy.guest);
	if (c)
		live = c->processes + __sync_fetch_and_add(&c->forking, 1);
	if (!c || live >= WARDEN_GUARD_CHILDREN) {
		e = incident(&copy, GUARD_PROCESSES, &verdict, 1);
		if (e) {
			e->address = live;
			bpf_ringbuf_submit(e, 0);
		}
	}
	__sync_fetch_and_add(&forking, 1);
	if (!verdict && live < WARDEN_GUARD_WATCHED &&
	    !bpf_map_update_elem(&forked, &child, &copy, BPF_ANY))
		return 0;
	__sync_fetch_and_sub(&forking, 1);
	if (c)
		__sync_fetch_and_sub(&c->forking, 1);
	return verdict;
}

/* Before the child runs. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct warden_guard_mark *m, copy;
	__u32 from, tgid;

	if (!parent || !child)
		return 0;
	from = BPF_CORE_READ(parent, tgid);
	tgid = BPF_CORE_READ(child, tgid);
	if (from == tgid)
		return 0;
	m = mark_of(from);
	if (!m)
		return 0;
	copy = *m;
	watch_child(tgid, (__u64)child, &copy);
	return 0;
}

static __always_inline void end_watch(__u32 tgid, const struct warden_guard_mark *m)
{
	struct warden_guard_counts *c = bpf_map_lookup_elem(&guard_counts, &m->guest);

	/*
	 * Of two threads that end at once, one finds it there.  Counts that had no
	 * room at first know nothing of those before.
	 */
	if (!bpf_map_delete_elem(&watched, &tgid) && c && c->processes)
		__sync_fetch_and_sub(&c->processes, 1);
}

/* With the last thread of a process its number is free for another. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	struct warden_guard_mark *m;
	__u32 tgid;

	if (!task || BPF_CORE_READ(task, signal, live.counter))
		return 0;
	tgid = BPF_CORE_READ(task, tgid);
	m = mark_of(tgid);
	if (m)
		end_watch(tgid, m);
	return 0;
}

/* A fork that failed; a process whose end was passed over. */
SEC("lsm/task_free")
long BPF_PROG(lsm_free, struct task_struct *task)
{
	struct warden_guard_mark *m, copy;
	__u64 key = (__u64)task;
	__u32 tgid;

	m = forking ? bpf_map_lookup_elem(&forked, &key) : NULL;
	if (m) {
		copy = *m;
		end_fork(key, &copy);
	}
	/* A leader whose place another thread takes, by an exec, is no process that ends. */
	if ((__u64)BPF_CORE_READ(task, group_leader) != key)
		return 0;
	tgid = BPF_CORE_READ(task, tgid);
	m = mark_of(tgid);
	if (m && m->leader == key)
		end_watch(tgid, m);
	return 0;
}

/* A guest that was there before us: the parent's call.  1: it is watched. */
SEC("syscall")
int watch_vmm(struct warden_guard_mark *mark)
{
	struct warden_guard_mark copy = *mark;

	return watch(copy.vmm, &copy);
}

/* It has ended since, perhaps before it was watched: nobody else says so. */
SEC("syscall")
int forget_vmm(struct warden_guard_mark *mark)
{
	struct warden_guard_mark copy = *mark, *m = mark_of(copy.vmm);

	if (m && m->guest == copy.guest)
		end_watch(copy.vmm, &copy);
	return 0;
}

/*
 * A child that was there before its VMM was watched, or before us.  It is judged from
 * when its VMM is.  1: it is watched.
 */
SEC("syscall")
int watch_known_child(struct warden_guard_child *child)
{
	struct warden_guard_mark copy = child->mark, *vmm = mark_of(copy.vmm);
	struct warden_guard_counts *c = counts_of(copy.guest);

	if (vmm)
		copy.since = vmm->since;
	if (child->left_out || (c && c->processes >= WARDEN_GUARD_WATCHED)) {
		if (c)
			__sync_fetch_and_add(&c->unwatched, child->left_out ?: 1);
		return 0;
	}
	return watch(child->pid, &copy);
}

/* It ended meanwhile. */
SEC("syscall")
int forget_known_child(struct warden_guard_child *child)
{
	struct warden_guard_mark copy = child->mark, *m = mark_of(child->pid);

	if (m && m->guest == copy.guest && !m->leader)
		end_watch(child->pid, &copy);
	return 0;
}

SEC("raw_tp/kvm_warden_guest_up")
int on_guest_up(void *ctx)
{
	const struct kvm_warden_event *source = (void *)((struct bpf_raw_tracepoint_args *)ctx)->args[0];
	struct warden_guard_mark mark = {};
	struct kvm_warden_event event;

	if (bpf_probe_read_kernel(&event, sizeof(event), source))
		return 0;
	mark.guest = event.guest;
	mark.vmm = event.vmm_pid;
	mark.since = event.time_ns;
	mark.leader = (__u64)bpf_get_current_task_btf()->group_leader;
	watch(event.vmm_pid, &mark);
	return 0;
}

#endif
