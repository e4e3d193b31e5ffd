// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guard over VMM processes: what a VMM never does is found, and refused
 * where the parent says so.
 *
 * LSM hooks see what io_uring and every thread of a process do, which hooks of
 * system calls do not.  Where the kernel does not run BPF LSM programs, the
 * same is looked at as the security_* functions are entered (fentry): found
 * with less, never refused.  The parent loads one of the two sets.
 *
 * A process is watched by its process id, from its VMM's first exit, or its
 * parent's fork, to its end.  A child that outlives its parent stays watched.
 *
 * Where the kernel preempts in a tracepoint (7.2), one that is hit on the same CPU
 * meanwhile is passed over: a child's mark is made by whichever comes first, the
 * fork's tracepoint or the child's first hook, and goes with the exit's tracepoint or
 * with the task.  LSM programs are never passed over.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include <linux/kvm_warden.h>

#include "core_fixes.bpf.h"
#include "warden/guard.h"

#define SECOND 1000000000ull
#define EVENTS_PER_SECOND 50

#define EPERM 1
#define EINVAL 22
#define CLONE_THREAD 0x10000
#define PROT_WRITE 2
#define PROT_EXEC 4
#define VM_EXEC 4
#define FMODE_WRITE 2
#define O_TRUNC 01000			/* empties it, however it is opened */
#define OPENED_FOR_EXEC 0x20		/* __FMODE_EXEC: bprm_check judges that */
#define PTRACE_MODE_ATTACH 2
#define READ_IMPLIES_EXEC 0x400000
#define ASK_PERSONALITY 0xffffffff

/* A map, as the parent may change it while the programs run. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct warden_guard_settings);
} settings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, WARDEN_GUARD_RING_BYTES);
} incidents SEC(".maps");

/* Allocated at start: a mark must not fail for want of memory at the moment of a fork. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WARDEN_GUARD_PROCESSES);
	__type(key, __u32);		/* tgid */
	__type(value, struct warden_guard_mark);
} watched SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WARDEN_GUARD_GUESTS);
	__type(key, __u64);		/* guest */
	__type(value, struct warden_guard_counts);
} guard_counts SEC(".maps");

/* Each path of the profile with all its rights. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, WARDEN_GUARD_RULES);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct warden_guard_key);
	__type(value, __u32);
} profile SEC(".maps");

/* Children between their parent's fork and their mark, by their task. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, WARDEN_GUARD_FORKING);
	__type(key, __u64);
	__type(value, struct warden_guard_mark);
} forked SEC(".maps");

/* How many there are: mostly none, and then who is not watched is asked no more. */
__u64 forking;

static const struct warden_guard_counts no_counts;

/* Do LSM programs run?  The parent opens a file, and looks. */
__u32 probe_tgid;
__u32 probe_seen;

/* ---- who ---- */

static __always_inline __u32 current_tgid(void)
{
	return bpf_get_current_pid_tgid() >> 32;
}

static __always_inline struct warden_guard_mark *mark_of(__u32 tgid)
{
	return bpf_map_lookup_elem(&watched, &tgid);
}

static __always_inline const struct warden_guard_settings *get_settings(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&settings, &zero);
}

static __always_inline int is_warden(__u32 tgid)
{
	const struct warden_guard_settings *s = get_settings();

	return s && tgid == s->warden;
}

/* Or a child of its own: what looks at VMMs' code; the engine.  A VMM's child is none. */
static __always_inline int is_wardens(struct task_struct *task)
{
	return is_warden(BPF_CORE_READ(task, tgid)) ||
	       is_warden(BPF_CORE_READ(task, real_parent, tgid));
}

/* It is still opening what its guest needs. */
static __always_inline int is_starting(const struct warden_guard_mark *m)
{
	const struct warden_guard_settings *s = get_settings();

	return !s || bpf_ktime_get_ns() - m->since < s->startup_ns;
}

static __always_inline struct warden_guard_counts *counts_of(__u64 guest)
{
	struct warden_guard_counts *c = bpf_map_lookup_elem(&guard_counts, &guest);

	if (c)
		return c;
	bpf_map_update_elem(&guard_counts, &guest, &no_counts, BPF_NOEXIST);
	return bpf_map_lookup_elem(&guard_counts, &guest);
}

/* False: there is no room for it, or for its counts. */
static __always_inline int watch(__u32 tgid, const struct warden_guard_mark *mark)
{
	struct warden_guard_counts *c = counts_of(mark->guest);

	if (!bpf_map_update_elem(&watched, &tgid, mark, BPF_NOEXIST)) {
		if (c)
			__sync_fetch_and_add(&c->processes, 1);
	} else if (!mark_of(tgid)) {	/* else a VMM with a second guest */
		if (c)
			__sync_fetch_and_add(&c->unwatched, 1);
		return 0;
	}
	return c != NULL;
}

/* It is marked, or its fork has failed. */
static __always_inline void end_fork(__u64 task, const struct warden_guard_mark *mark)
{
	struct warden_guard_counts *c;

	if (bpf_map_delete_elem(&forked, &task))
		return;
	__sync_fetch_and_sub(&forking, 1);
	c = bpf_map_lookup_elem(&guard_counts, &mark->guest);
	/* Counts that had no room at first know nothing of it. */
	if (c && c->forking)
		__sync_fetch_and_sub(&c->forking, 1);
}

/* The mark first: it is never without one of the two. */
static __always_inline void watch_child(__u32 tgid, __u64 task, struct warden_guard_mark *mark)
{
	struct warden_guard_counts *c = counts_of(mark->guest);

	mark->leader = task;
	/* The room is for the children of the others, too. */
	if (c && c->processes >= WARDEN_GUARD_WATCHED)
		__sync_fetch_and_add(&c->unwatched, 1);
	else
		watch(tgid, mark);
	end_fork(task, mark);
}

static __noinline void adopt(__u32 tgid)
{
	__u64 leader = (__u64)bpf_get_current_task_btf()->group_leader;
	struct warden_guard_mark *m = bpf_map_lookup_elem(&forked, &leader), copy;

	if (!m)
		return;
	copy = *m;
	watch_child(tgid, leader, &copy);
}

static __always_inline struct warden_guard_mark *mark_of_current(void)
{
	__u32 tgid = current_tgid();
	struct warden_guard_mark *m = mark_of(tgid);

	if (!m && forking) {
		adopt(tgid);
		m = mark_of(tgid);
	}
	if (m && !m->leader)
		m->leader = (__u64)bpf_get_current_task_btf()->group_leader;
	return m;
}

/* ---- what is found ---- */

/*
 * What a module before us answered, where the verifier can see that it is a
 * hook's answer: 6.12's looks at 64 bits, of which an int leaves half.
 */
static __always_inline long earlier(int ret)
{
	long answer = ret;

	if (answer > 0 || answer < -4095)
		return -EPERM;
	return answer;
}

/* A branch: of the negation that a compiler makes of it 6.12's knows no bounds. */
static __always_inline long refusal(long denied)
{
	long answer = 0;

	asm volatile("if %[denied] == 0 goto +1\n\t%[answer] = -1"
		     : [answer] "+r"(answer) : [denied] "r"(denied));
	return answer;
}

/*
 * A hook's argument as a number, looked at where it lies: 6.12's verifier takes pointers
 * for never NULL, and drops a plain test (7.2's knows better, and wants one); none lets
 * one be reckoned with.
 */
static __always_inline __u64 argument(unsigned long long *ctx, int n)
{
	__u64 value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), &ctx[n]);
	return value;
}

/* As in warden.bpf.c: a bound, not a quota. */
static __always_inline int within_budget(struct warden_guard_budget *b, __u64 now)
{
	if ((__s64)(now - b->window) >= (__s64)SECOND) {
		b->window = now;
		b->in_window = 0;
	}
	return __sync_fetch_and_add(&b->in_window, 1) < EVENTS_PER_SECOND;
}

/* can_deny, beside false and true (where the profile says so) */
#define ALWAYS 2

/*
 * NULL: counted, and no more; *ret_verdict is what the hook returns.  Of whom no
 * counts are kept nothing is told: it would have no bound.
 */
static __always_inline struct warden_guard_event *
incident(const struct warden_guard_mark *m, __u32 what, long *ret_verdict, int can_deny)
{
	const struct warden_guard_settings *s = get_settings();
	struct warden_guard_counts *c = counts_of(m->guest);
	int denied = can_deny && what != GUARD_TRACED && s && (s->deny || can_deny == ALWAYS);
	__u64 now = bpf_ktime_get_ns();
	struct warden_guard_event *e;

	*ret_verdict = refusal(denied);
	if (!c || what >= GUARD_KINDS)
		return NULL;
	__sync_fetch_and_add(&c->violations, 1);
	if (denied)
		__sync_fetch_and_add(&c->denied, 1);
	if (!within_budget(&c->budget[what], now)) {
		__sync_fetch_and_add(&c->over_budget, 1);
		return NULL;
	}
	e = bpf_ringbuf_reserve(&incidents, sizeof(*e), 0);
	if (!e) {
		__sync_fetch_and_add(&c->dropped, 1);
		return NULL;
	}
	__sync_fetch_and_add(&c->submitted, 1);
	__builtin_memset(e, 0, sizeof(*e));
	e->guest = m->guest;
	e->time_ns = now;
	e->vmm = m->vmm;
	e->pid = current_tgid();
	e->what = what;
	e->flags = (denied ? GUARD_DENIED : 0) | (m->helper ? GUARD_HELPER : 0) |
		   (what != GUARD_TRACED && e->pid != m->vmm ? GUARD_CHILD : 0);
	bpf_get_current_comm(e->comm, sizeof(e->comm));
	return e;
}

/* path: NULL, or of a key. */
static __always_inline long found(const struct warden_guard_mark *m, __u32 what, __u32 detail,
				 __u64 address, __u64 length, const char *path, __u32 flags,
				 int can_deny)
{
	long verdict;
	struct warden_guard_event *e = incident(m, what, &verdict, can_deny);

	if (!e)
		return verdict;
	e->detail = detail;
	e->address = address;
	e->length = length;
	e->flags |= flags;
	if (path)
		bpf_probe_read_kernel(e->path, GUARD_PATH, path);
	bpf_ringbuf_submit(e, 0);
	return verdict;
}

/* ---- paths ---- */

/* bits is always the whole key: what follows the path's NUL is zero. */
static __always_inline void clear_key(struct warden_guard_key *key)
{
	__builtin_memset(key, 0, sizeof(*key));
	key->bits = GUARD_PATH * 8;
}

static __always_inline __u32 rights_of(const struct warden_guard_key *key)
{
	const __u32 *rights = bpf_map_lookup_elem(&profile, key);

	return rights ? *rights : 0;
}

static __always_inline struct mount *mount_of(struct vfsmount *v)
{
	return (void *)v - bpf_core_field_offset(struct mount, mnt);
}

/*
 * Is it mounted where the task sees it, or the kernel's own (a memfd, what an overlay
 * lies on)?  Else its path is one within a tree that whoever made it has laid out: the
 * same names, and other files.
 */
static __always_inline int is_in_own_tree(struct vfsmount *v)
{
	struct mnt_namespace *ns = BPF_CORE_READ(mount_of(v), mnt_ns);
	struct task_struct *task = bpf_get_current_task_btf();

	return ns == BPF_CORE_READ(task, nsproxy, mnt_ns) || (long)ns == -EINVAL;
}

/* Its path, what the profile lets be done with it, and the flags of a finding of it. */
static __always_inline __u32 rights_of_file(struct file *file, struct warden_guard_key *key, __u32 *ret_flags)
{
	clear_key(key);
	if (bpf_d_path(&file->f_path, key->path, sizeof(key->path)) <= 0)
		*ret_flags = GUARD_LONG_PATH;
	else if (!is_in_own_tree(BPF_CORE_READ(file, f_path.mnt)))
		*ret_flags = GUARD_ELSEWHERE;
	else
		*ret_flags = 0;
	return *ret_flags ? 0 : rights_of(key);
}

/*
 * "/proc/PID/..." of the process itself.  Reading what it may see anyway is no
 * one's concern; writing its own memory there passes by the pages' protection.
 */
static __always_inline int is_own_proc(const char *path, __u32 tgid)
{
	__u32 pid = 0;

	if (path[0] != '/' || path[1] != 'p' || path[2] != 'r' || path[3] != 'o' ||
	    path[4] != 'c' || path[5] != '/')
		return 0;
#pragma unroll
	for (int i = 6; i < 14; i++) {
		if (path[i] == '/')
			return pid == tgid;
		if (path[i] < '0' || path[i] > '9')
			return 0;
		pid = pid * 10 + path[i] - '0';
	}
	return 0;
}

/* ---- programs that it starts ---- */

static __always_inline long on_exec(struct linux_binprm *bprm)
{
	struct warden_guard_mark *m = mark_of_current();
	struct warden_guard_key key;
	__u32 flags;

	if (!m || rights_of_file(bprm->file, &key, &flags) & GUARD_MAY_EXEC)
		return 0;
	return found(m, GUARD_EXEC, 0, 0, 0, key.path, flags, 1);
}

SEC("lsm/bprm_check_security")
long BPF_PROG(lsm_exec, struct linux_binprm *bprm, int ret)
{
	return ret ? earlier(ret) : on_exec(bprm);
}

/*
 * The exec is done, and cannot fail any more.  A helper of the profile (a bridge
 * helper) opens what no VMM does: it is watched with less.
 */
SEC("lsm/bprm_committed_creds")
long BPF_PROG(lsm_execed, struct linux_binprm *bprm)
{
	struct warden_guard_mark *m = mark_of_current();
	struct warden_guard_key key;
	__u32 flags;

	if (!m)
		return 0;
	/* If another thread has become the first. */
	m->leader = (__u64)bpf_get_current_task_btf()->group_leader;
	m->helper = !!(rights_of_file(bprm->file, &key, &flags) & GUARD_MAY_EXEC);
	return 0;
}

/* The name as it was given: it may be relative, so no rule is asked. */
SEC("fentry/security_bprm_check")
int BPF_PROG(see_exec, struct linux_binprm *bprm)
{
	struct warden_guard_mark *m = mark_of_current();
	struct warden_guard_key key;
	const char *name;

	if (!m)
		return 0;
	clear_key(&key);
	name = BPF_CORE_READ(bprm, filename);
	bpf_probe_read_kernel_str(key.path, sizeof(key.path), name);
	found(m, GUARD_EXEC, 0, 0, 0, key.path, 0, 0);
	return 0;
}

/* ---- executable memory ---- */

SEC("lsm/mmap_file")
long BPF_PROG(lsm_mmap, struct file *file, unsigned long reqprot, unsigned long prot,
	     unsigned long flags, int ret)
{
	struct warden_guard_mark *m;
	struct warden_guard_key key;
	__u32 rights, flags_found;

	if (ret || !(prot & PROT_EXEC))
		return earlier(ret);
	m = mark_of_current();
	if (!m)
		return 0;
	if (!argument(ctx, 0) || !file)
		return found(m, GUARD_ANON_CODE, prot, 0, 0, NULL, 0, 1);
	if (is_starting(m) && !(prot & PROT_WRITE))
		return 0;
	rights = rights_of_file(file, &key, &flags_found);
	/* Whose file it is: what is written there is not the file's. */
	if (prot & PROT_WRITE)
		return found(m, GUARD_MADE_CODE, prot, 0, 0, key.path, flags_found, 1);
	if (rights & GUARD_MAP)
		return 0;
	return found(m, GUARD_FOREIGN_CODE, prot, 0, 0, key.path, flags_found, 1);
}

/* No path can be asked for here: a file's mapping is not judged. */
SEC("fentry/security_mmap_file")
int BPF_PROG(see_mmap, struct file *file, unsigned long prot, unsigned long flags)
{
	struct warden_guard_mark *m;

	if (!(prot & PROT_EXEC) || (file && !(prot & PROT_WRITE)))
		return 0;
	m = mark_of_current();
	if (m)
		found(m, file ? GUARD_MADE_CODE : GUARD_ANON_CODE, prot, 0, 0, NULL, 0, 0);
	return 0;
}

static __always_inline long on_mprotect(struct vm_area_struct *vma, unsigned long prot,
				       int can_deny)
{
	struct warden_guard_mark *m;
	unsigned long start, end, flags;

	if (!(prot & PROT_EXEC))
		return 0;
	m = mark_of_current();
	if (!m)
		return 0;
	flags = BPF_CORE_READ(vma, vm_flags);
	/* What was so before is no news. */
	if (flags & VM_EXEC && !(prot & PROT_WRITE))
		return 0;
	start = BPF_CORE_READ(vma, vm_start);
	end = BPF_CORE_READ(vma, vm_end);
	return found(m, GUARD_MADE_CODE, prot, start, end - start, NULL, 0, can_deny);
}

SEC("lsm/file_mprotect")
long BPF_PROG(lsm_mprotect, struct vm_area_struct *vma, unsigned long reqprot,
	     unsigned long prot, int ret)
{
	return ret ? earlier(ret) : on_mprotect(vma, prot, 1);
}

SEC("fentry/security_file_mprotect")
int BPF_PROG(see_mprotect, struct vm_area_struct *vma, unsigned long reqprot, unsigned long prot)
{
	on_mprotect(vma, prot, 0);
	return 0;
}

/*
 * All that it can read becomes executable: mappings pass the hook above as such,
 * the heap passes none.  Behind no hook, so in both sets, and never refused.
 */
static __always_inline int on_personality(__u32 personality)
{
	struct warden_guard_mark *m;

	if (personality == ASK_PERSONALITY || !(personality & READ_IMPLIES_EXEC))
		return 0;
	m = mark_of_current();
	if (m)
		found(m, GUARD_MADE_CODE, personality, 0, 0, NULL, 0, 0);
	return 0;
}

SEC("fentry/__x64_sys_personality")
int BPF_PROG(see_personality, const struct pt_regs *regs)
{
	return on_personality(BPF_CORE_READ(regs, di));
}

SEC("fentry/__ia32_sys_personality")
int BPF_PROG(see_personality32, const struct pt_regs *regs)
{
	return on_personality(BPF_CORE_READ(regs, bx));
}

/* ---- other processes ---- */

static __always_inline long on_ptrace(struct task_struct *task, __u32 mode, int can_deny)
{
	__u32 other = BPF_CORE_READ(task, tgid), what = GUARD_PTRACE;
	struct warden_guard_mark *m = mark_of_current();
	char name[GUARD_PATH] = {};

	if (!m) {
		/* The host's root looks into a VMM, or who became it. */
		m = mark_of(other);
		what = GUARD_TRACED;
		if (!m || !(mode & PTRACE_MODE_ATTACH) || is_wardens(bpf_get_current_task_btf()))
			return 0;
	}
	bpf_core_read_str(name, 16, &task->comm);
	/* Who traces wardend can end it. */
	if (can_deny && mode & PTRACE_MODE_ATTACH && is_wardens(task))
		can_deny = ALWAYS;
	return found(m, what, mode, other, 0, name, 0, can_deny);
}

SEC("lsm/ptrace_access_check")
long BPF_PROG(lsm_ptrace, struct task_struct *child, unsigned int mode, int ret)
{
	return ret ? earlier(ret) : on_ptrace(child, mode, 1);
}

SEC("fentry/security_ptrace_access_check")
int BPF_PROG(see_ptrace, struct task_struct *child, unsigned int mode)
{
	on_ptrace(child, mode, 0);
	return 0;
}

SEC("lsm/ptrace_traceme")
long BPF_PROG(lsm_traceme, struct task_struct *parent, int ret)
{
	struct warden_guard_mark *m = mark_of_current();
	char name[GUARD_PATH] = {};

	if (ret || !m)
		return earlier(ret);
	bpf_core_read_str(name, 16, &parent->comm);
	return found(m, GUARD_PTRACE, 0, BPF_CORE_READ(parent, tgid), 0, name, 0, 1);
}

/* ---- files ---- */

static __always_inline long on_open(struct file *file, int can_deny)
{
	struct warden_guard_mark *m = mark_of_current();
	struct warden_guard_key key;
	__u32 wanted, flags;

	if (!m || m->helper || BPF_CORE_READ(file, f_flags) & OPENED_FOR_EXEC || is_starting(m))
		return 0;
	wanted = BPF_CORE_READ(file, f_mode) & FMODE_WRITE || BPF_CORE_READ(file, f_flags) & O_TRUNC ?
		 GUARD_WRITE : GUARD_READ;
	if (rights_of_file(file, &key, &flags) & wanted ||
	    (wanted == GUARD_READ && !flags && is_own_proc(key.path, current_tgid())))
		return 0;
	return found(m, GUARD_FILE, wanted, 0, 0, key.path, flags, can_deny);
}

SEC("lsm/file_open")
long BPF_PROG(lsm_open, struct file *file, int ret)
{
	if (current_tgid() == probe_tgid)
		probe_seen = 1;
	return ret ? earlier(ret) : on_open(file, 1);
}

SEC("fentry/security_file_open")
int BPF_PROG(see_open, struct file *file)
{
	on_open(file, 0);
	return 0;
}

#include "guard_names.bpf.h"
#include "guard_control.bpf.h"
#include "guard_sockets.bpf.h"

/* ---- privileges ---- */

static __always_inline long on_creds(const struct cred *new, const struct cred *old, int can_deny)
{
	struct warden_guard_mark *m = mark_of_current();
	__u64 gained;

	if (!m || m->helper)
		return 0;
	gained = (caps_of(&new->cap_effective) & ~caps_of(&old->cap_effective)) |
		 (caps_of(&new->cap_permitted) & ~caps_of(&old->cap_permitted));
	if (!gained || is_starting(m))
		return 0;
	return found(m, GUARD_CAPABILITY, 0, gained, 0, NULL, 0, can_deny);
}

SEC("lsm/capset")
long BPF_PROG(lsm_capset, struct cred *new, const struct cred *old, void *effective,
	     void *inheritable, void *permitted, int ret)
{
	return ret ? earlier(ret) : on_creds(new, old, 1);
}

/* As they are left: the new ones are filled in within. */
SEC("fexit/security_capset")
int BPF_PROG(see_capset, struct cred *new, const struct cred *old, void *effective,
	     void *inheritable, void *permitted, int ret)
{
	if (!ret)
		on_creds(new, old, 0);
	return 0;
}

SEC("lsm/task_fix_setuid")
long BPF_PROG(lsm_setuid, struct cred *new, const struct cred *old, int flags, int ret)
{
	return ret ? earlier(ret) : on_creds(new, old, 1);
}

SEC("fexit/security_task_fix_setuid")
int BPF_PROG(see_setuid, struct cred *new, const struct cred *old, int flags, int ret)
{
	if (!ret)
		on_creds(new, old, 0);
	return 0;
}

static __always_inline long on_userns(int can_deny)
{
	struct warden_guard_mark *m = mark_of_current();

	return m ? found(m, GUARD_USER_NAMESPACE, 0, 0, 0, NULL, 0, can_deny) : 0;
}

SEC("lsm/userns_create")
long BPF_PROG(lsm_userns, const struct cred *cred, int ret)
{
	return ret ? earlier(ret) : on_userns(1);
}

SEC("fentry/security_create_user_ns")
int BPF_PROG(see_userns, const struct cred *cred)
{
	on_userns(0);
	return 0;
}

/* ---- kernel modules ---- */

static __always_inline long on_request(char *name, int can_deny)
{
	struct warden_guard_mark *m = mark_of_current();
	char text[GUARD_PATH] = {};

	if (!m || is_starting(m))
		return 0;
	bpf_probe_read_kernel_str(text, 64, name);
	return found(m, GUARD_MODULE, 0, 0, 0, text, 0, can_deny);
}

SEC("lsm/kernel_module_request")
long BPF_PROG(lsm_request, char *name, int ret)
{
	return ret ? earlier(ret) : on_request(name, 1);
}

SEC("fentry/security_kernel_module_request")
int BPF_PROG(see_request, char *name)
{
	on_request(name, 0);
	return 0;
}

/* Findings are told apart by their objects. */
static const char in_memory[GUARD_PATH] = "an image in memory";
static const char in_file[GUARD_PATH] = "an image in a file";

static __always_inline long on_image(int id, const char *image, int can_deny)
{
	struct warden_guard_mark *m = mark_of_current();

	return m ? found(m, GUARD_MODULE, id, 0, 0, image, 0, can_deny) : 0;
}

SEC("lsm/kernel_load_data")
long BPF_PROG(lsm_load_data, int id, int contents, int ret)
{
	return ret ? earlier(ret) : on_image(id, in_memory, 1);
}

SEC("fentry/security_kernel_load_data")
int BPF_PROG(see_load_data, int id)
{
	on_image(id, in_memory, 0);
	return 0;
}

SEC("lsm/kernel_read_file")
long BPF_PROG(lsm_read_file, struct file *file, int id, int contents, int ret)
{
	struct warden_guard_mark *m = mark_of_current();
	struct warden_guard_key key;
	__u32 flags;

	if (ret || !m)
		return earlier(ret);
	rights_of_file(file, &key, &flags);
	return found(m, GUARD_MODULE, id, 0, 0, key.path, flags, 1);
}

SEC("fentry/security_kernel_read_file")
int BPF_PROG(see_read_file, struct file *file, int id)
{
	on_image(id, in_file, 0);
	return 0;
}

#include "guard_lives.bpf.h"

char LICENSE[] SEC("license") = "GPL";
