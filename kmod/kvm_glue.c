// SPDX-License-Identifier: GPL-2.0-only
#include "kvm_glue.h"

#include <linux/anon_inodes.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/kvm_host.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <linux/sort.h>
#include <linux/tracepoint.h>
#include <linux/workqueue.h>
#include <asm/cpufeature.h>
#include <uapi/linux/kvm_warden.h>

#include "compat/compat.h"
#include "compat/notes.h"
#include "exit.h"
#include "guest.h"
#include "hooks.h"
#include "refusal.h"
#include "timings.h"
#include "watch.h"
#ifdef FACT_HAVE_VMX
#include "vmx.h"
#endif
#include "window.h"

/* The facts were read from the target's BTF, the structs from its headers. */
static_assert(offsetof(struct kvm, mm) == FACT_KVM_MM_OFFSET);
static_assert(offsetof(struct kvm, memslots) == FACT_KVM_MEMSLOTS_OFFSET);
static_assert(offsetof(struct kvm, srcu) == FACT_KVM_SRCU_OFFSET);
static_assert(offsetof(struct kvm, mmu_lock) == FACT_KVM_MMU_LOCK_OFFSET);
static_assert(offsetof(struct kvm_vcpu, kvm) == FACT_VCPU_KVM_OFFSET);
static_assert(offsetof(struct kvm_vcpu, vcpu_idx) == FACT_VCPU_VCPU_IDX_OFFSET);
static_assert(offsetof(struct kvm_vcpu, arch) == FACT_VCPU_ARCH_OFFSET);
static_assert(offsetof(struct kvm_vcpu, cpu) == FACT_VCPU_CPU_OFFSET);
static_assert(offsetof(struct kvm_vcpu, preempt_notifier) == FACT_VCPU_PREEMPT_NOTIFIER_OFFSET);
#define HAS_TYPE(probe, type) __builtin_types_compatible_p(typeof(&(probe)), type)
static_assert(HAS_TYPE(kw_probe_exit_svm, fact_trace_kvm_exit) &&
	      HAS_TYPE(kw_probe_exit_vmx, fact_trace_kvm_exit),
	      "the target's kvm_exit tracepoint has another prototype");
static_assert(HAS_TYPE(kw_probe_entry_svm, fact_trace_kvm_entry) &&
	      HAS_TYPE(kw_probe_entry_vmx, fact_trace_kvm_entry),
	      "the target's kvm_entry tracepoint has another prototype");

/* One of the two modules that drive a CPU's virtualization for kvm. */
struct vendor {
	const char *name;
	unsigned int cpu_feature;
	u8 build_id[KW_BUILD_ID];
	u64 feature;			/* KVM_WARDEN_FEATURE_* */
	const char *needs[2];		/* its parameters that must be on */
	fact_trace_kvm_exit exit;
	fact_trace_kvm_entry entry;
};

/*
 * Without two-dimensional paging the hardware's CR3 is KVM's own; without
 * unrestricted_guest KVM emulates real mode, out of reach of every hook.
 */
static const struct vendor vendors[] = {
#ifdef FACT_HAVE_SVM
	{
		.name = "kvm_amd",
		.cpu_feature = X86_FEATURE_SVM,
		.build_id = FACT_KVM_AMD_BUILD_ID,
		.feature = KVM_WARDEN_FEATURE_SVM,
		.needs = { "npt" },
		.exit = kw_probe_exit_svm,
		.entry = kw_probe_entry_svm,
	},
#endif
#ifdef FACT_HAVE_VMX
	{
		.name = "kvm_intel",
		.cpu_feature = X86_FEATURE_VMX,
		.build_id = FACT_KVM_INTEL_BUILD_ID,
		.feature = KVM_WARDEN_FEATURE_VMX,
		.needs = { "ept", "unrestricted_guest" },
		.exit = kw_probe_exit_vmx,
		.entry = kw_probe_entry_vmx,
	},
#endif
};

/* The one that kvm_exit was attached for last. */
static const struct vendor *vendor = &vendors[0];

/* ---- what a vCPU says ---- */

struct kvm *kw_vcpu_kvm(struct kvm_vcpu *vcpu)
{
	return vcpu->kvm;
}

u32 kw_vcpu_index(struct kvm_vcpu *vcpu)
{
	return vcpu->vcpu_idx;
}

bool kw_kvm_has_run(struct kvm *kvm, u32 idx, void *run)
{
	struct kvm_vcpu *vcpu = xa_load(&kvm->vcpu_array, idx);	/* kvm_get_vcpu wants it online */

	return vcpu && vcpu->run == run;
}

/* On Intel KVM's copy is of the last exit that wanted it; the VMCS is loaded. */
u64 kw_vcpu_rip(struct kvm_vcpu *vcpu)
{
	if (kw_vcpu_in_nested_guest(vcpu))
		return 0;
#ifdef FACT_HAVE_VMX
	if (vendor->feature == KVM_WARDEN_FEATURE_VMX)
		return vmx_read(GUEST_RIP);
#endif
	return kw_cached_rip(vcpu);
}

bool kw_vcpu_in_nested_guest(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.hflags & HF_GUEST_MASK;
}

struct mm_struct *kw_kvm_mm(struct kvm *kvm)
{
	return kvm->mm;
}

/*
 * vcpu_load() registers the vCPU's notifier first in its thread's list.  KVM is
 * the one user that preempt notifiers have.
 */
struct kvm_vcpu *kw_vcpu_loaded(void)
{
	struct hlist_node *first = current->preempt_notifiers.first;

	return first ? container_of(first, struct kvm_vcpu, preempt_notifier.link) : NULL;
}

bool kw_vcpu_is_loaded(struct kvm_vcpu *vcpu)
{
	return current->preempt_notifiers.first == &vcpu->preempt_notifier.link;
}

bool kw_vcpu_is_halted(struct kvm_vcpu *vcpu)
{
	return READ_ONCE(vcpu->stat.generic.blocking);
}

/* Every ioctl on a vCPU holds its mutex, KVM_RUN all the time. */
bool kw_vcpu_is_outside(struct kvm_vcpu *vcpu)
{
	return !mutex_is_locked(&vcpu->mutex);
}

/* The CPU that it is on, or was on last: there an interrupt too many does no harm. */
void kw_vcpu_interrupt(struct kvm_vcpu *vcpu)
{
	int cpu = READ_ONCE(vcpu->cpu), here = get_cpu();

	if (cpu >= 0 && cpu < nr_cpu_ids && cpu != here && cpu_online(cpu))
		smp_send_reschedule(cpu);
	put_cpu();
}

/* ---- attaching ---- */

enum glue_state { WAITING, ATTACHED, REFUSED, SWITCHED_OFF };

static const u8 kvm_build_id[] = FACT_KVM_BUILD_ID;

#define ENTRY_IDLE msecs_to_jiffies(2000)

/* Guards what is below, and attaching as such. */
static DEFINE_MUTEX(glue_lock);
static struct module *kvm_module;
static struct tracepoint *kvm_exit_tp, *kvm_entry_tp;
static enum glue_state state = WAITING;
static char refusal[256];
static bool switched_on = true;
static unsigned int entry_holders;
static bool entry_attached;
static bool leaving;		/* the module goes: modules may vanish unannounced */

/*
 * Offsets hold for one build of a module alone, and nothing else tells two
 * builds of one release apart: neither vermagic nor symbol versions.
 */
static bool build_is_known(struct module *mod, const u8 *expected)
{
	return kw_build_is_known(mod->name, kw_find_build_id(mod), expected, refusal, sizeof(refusal));
}

/*
 * A loaded module by name; the kobject's reference keeps its memory until
 * kobject_put.  (find_module is not for modules; every module's kobject is in
 * the set that ours is in.)
 */
static struct kobject *find_module_kobject(const char *name, struct module **ret_mod)
{
	struct kobject *kobj = kset_find_obj(THIS_MODULE->mkobj.kobj.kset, name);

	if (!kobj)
		return NULL;
	*ret_mod = container_of(kobj, struct module_kobject, kobj)->mod;
	if (*ret_mod && (*ret_mod)->state == MODULE_STATE_LIVE)
		return kobj;
	kobject_put(kobj);
	return NULL;
}

/* A parameter of a module, off or on; one that it has not is off. */
static bool is_on(struct module *mod, const char *name)
{
	unsigned int i;

	for (i = 0; i < mod->num_kp; i++)
		if (!strcmp(mod->kp[i].name, name) && mod->kp[i].ops == &param_ops_bool)
			return *(bool *)mod->kp[i].arg;
	return false;
}

static bool has_what_we_need(const struct vendor *v, struct module *mod)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(v->needs) && v->needs[i]; i++) {
		if (is_on(mod, v->needs[i]))
			continue;
		snprintf(refusal, sizeof(refusal),
			 "refused: %s runs with %s off, and its guests cannot be watched so: load it with %s=1, if the CPU can",
			 v->name, v->needs[i], v->needs[i]);
		return false;
	}
	return true;
}

/* The vendor's module that is live, and a reference to its kobject; or NULL. */
static struct kobject *find_vendor(const struct vendor **ret_vendor, struct module **ret_mod)
{
	struct kobject *kobj;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vendors); i++) {
		kobj = find_module_kobject(vendors[i].name, ret_mod);
		if (kobj) {
			*ret_vendor = &vendors[i];
			return kobj;
		}
	}
	return NULL;
}

static enum glue_state try_attach(void)
{
	const struct vendor *found;
	struct kobject *kobj;
	struct module *mod;
	bool good;
	int r;

	if (!kvm_exit_tp || !kvm_entry_tp || kvm_module->state != MODULE_STATE_LIVE)
		return WAITING;
	kobj = find_vendor(&found, &mod);
	if (!kobj)
		return WAITING;
	good = build_is_known(kvm_module, kvm_build_id) && build_is_known(mod, found->build_id) &&
	       has_what_we_need(found, mod);
	kobject_put(kobj);
	if (!good)
		return REFUSED;
	WRITE_ONCE(vendor, found);
	r = tracepoint_probe_register(kvm_exit_tp, vendor->exit, NULL);
	if (r) {
		snprintf(refusal, sizeof(refusal),
			 "refused: cannot attach to kvm_exit: error %d", r);
		return REFUSED;
	}
	return ATTACHED;
}

/* What this CPU's kvm comes with, as far as this module was built for it. */
static const char *awaited(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vendors); i++)
		if (boot_cpu_has(vendors[i].cpu_feature))
			return vendors[i].name;
	return "kvm_amd or kvm_intel";
}

static void set_state(enum glue_state new)
{
	if (new == state)
		return;
	state = new;
	if (new == REFUSED)
		pr_err("kvm_warden: %s\n", refusal);
	else if (new == SWITCHED_OFF)
		pr_info("kvm_warden: switched off\n");
	else
		pr_info("kvm_warden: %s kvm and %s\n", new == ATTACHED ? "attached to" : "waiting for",
			new == ATTACHED ? vendor->name : awaited());
}

static void attach_if_possible(void)
{
	lockdep_assert_held(&glue_lock);
	if (state != ATTACHED && switched_on && !leaving)
		set_state(try_attach());
	kw_hooks_apply(state == ATTACHED);
}

void kw_glue_apply_hooks(void)
{
	mutex_lock(&glue_lock);
	kw_hooks_apply(state == ATTACHED);
	mutex_unlock(&glue_lock);
}

/* Afterwards the probe does not run any more. */
static void detach_entry(void)
{
	lockdep_assert_held(&glue_lock);
	if (!entry_attached)
		return;
	tracepoint_probe_unregister(kvm_entry_tp, vendor->entry, NULL);
	tracepoint_synchronize_unregister();
	entry_attached = false;
}

static void detach_exit(void)
{
	u64 begun = ktime_get_ns();

	lockdep_assert_held(&glue_lock);
	if (state != ATTACHED)
		return;
	tracepoint_probe_unregister(kvm_exit_tp, vendor->exit, NULL);
	tracepoint_synchronize_unregister();
	kw_timing_add(KW_TIMING_DETACH, ktime_get_ns() - begun);
}

/* kvm or its vendor's module goes: no VM is left. */
static void detach(void)
{
	kw_hooks_apply(false);
	detach_exit();
	detach_entry();
	set_state(switched_on ? WAITING : SWITCHED_OFF);
}

/* A guest that is contained stays so: the hook that this needs stays as well. */
static void switch_off(void)
{
	kw_hooks_apply(false);
	detach_exit();
	if (!entry_holders)
		detach_entry();
	set_state(SWITCHED_OFF);
}

/*
 * Attaching soon after detaching waits for a grace period: freezes come in
 * rows, so that the hook stays for a moment.
 */
static void entry_idle_fn(struct work_struct *work)
{
	mutex_lock(&glue_lock);
	if (!entry_holders)
		detach_entry();
	mutex_unlock(&glue_lock);
}

static DECLARE_DELAYED_WORK(entry_idle, entry_idle_fn);

int kw_glue_hold_entry(void)
{
	int r = 0;

	mutex_lock(&glue_lock);
	if (state != ATTACHED)
		r = -ESHUTDOWN;
	else if (!entry_attached)
		r = tracepoint_probe_register(kvm_entry_tp, vendor->entry, NULL);
	if (!r) {
		entry_attached = true;
		entry_holders++;
	}
	mutex_unlock(&glue_lock);
	return r;
}

void kw_glue_drop_entry(void)
{
	mutex_lock(&glue_lock);
	if (!--entry_holders && entry_attached)
		mod_delayed_work(system_wq, &entry_idle, ENTRY_IDLE);
	mutex_unlock(&glue_lock);
}

static void attach_work_fn(struct work_struct *work)
{
	mutex_lock(&glue_lock);
	attach_if_possible();
	mutex_unlock(&glue_lock);
}

static DECLARE_WORK(attach_work, attach_work_fn);

struct tracepoint *kw_glue_tracepoint(struct module *mod, const char *name)
{
	int i;

	for (i = 0; i < mod->num_tracepoints; i++) {
		struct tracepoint *tp = tracepoint_ptr_deref(&mod->tracepoints_ptrs[i]);

		if (!strcmp(tp->name, name))
			return tp;
	}
	return NULL;
}

/* kvm comes (replayed for one already loaded) and goes. */
static int on_tracepoints(struct notifier_block *nb, unsigned long action, void *data)
{
	struct module *mod = ((struct tp_module *)data)->mod;

	if (strcmp(mod->name, "kvm"))
		return NOTIFY_OK;
	mutex_lock(&glue_lock);
	if (action == MODULE_STATE_COMING) {
		kvm_module = mod;
		kvm_exit_tp = kw_glue_tracepoint(mod, "kvm_exit");
		kvm_entry_tp = kw_glue_tracepoint(mod, "kvm_entry");
		kw_hooks_set_kvm(mod);
	} else if (action == MODULE_STATE_GOING) {
		detach();
		kvm_exit_tp = kvm_entry_tp = NULL;
		kw_hooks_set_kvm(NULL);
		kvm_module = NULL;
	}
	mutex_unlock(&glue_lock);
	return NOTIFY_OK;
}

static bool is_vendor(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(vendors); i++)
		if (!strcmp(name, vendors[i].name))
			return true;
	return false;
}

/*
 * The build-ids of a module can be read once it is live.  The vendor's may be
 * exchanged for another build without kvm going away.
 */
static int on_module(struct notifier_block *nb, unsigned long action, void *data)
{
	struct module *mod = data;
	bool ours = is_vendor(mod->name);

	if (action == MODULE_STATE_LIVE && (ours || !strcmp(mod->name, "kvm")))
		schedule_work(&attach_work);
	if (action == MODULE_STATE_GOING && ours) {
		mutex_lock(&glue_lock);
		detach();
		mutex_unlock(&glue_lock);
	}
	return NOTIFY_OK;
}

static struct notifier_block tracepoints_nb = { .notifier_call = on_tracepoints };
static struct notifier_block module_nb = { .notifier_call = on_module };

int kw_glue_enable(bool on)
{
	mutex_lock(&glue_lock);
	switched_on = on;
	if (on)
		attach_if_possible();
	else
		switch_off();
	mutex_unlock(&glue_lock);
	/* No new one begins; the lock of one that is there comes before ours. */
	if (!on)
		kw_watch_end_all(KVM_WARDEN_WRITE_OFF);
	return 0;
}

bool kw_glue_enabled(void)
{
	return READ_ONCE(switched_on);
}

bool kw_glue_attached(void)
{
	return READ_ONCE(state) == ATTACHED;
}

u64 kw_glue_features(void)
{
	u64 always = KVM_WARDEN_FEATURE_MMAP | KVM_WARDEN_FEATURE_READ_FAULT;

	return always | (kw_glue_attached() ? READ_ONCE(vendor)->feature : 0);
}

ssize_t kw_glue_describe(char *buf, size_t size)
{
	ssize_t n;

	mutex_lock(&glue_lock);
	n = scnprintf(buf, size, "%s%s\n",
		      state == ATTACHED ? "attached" :
		      state == REFUSED ? refusal :
		      state == SWITCHED_OFF && entry_attached ?
			"switched off; stopped guests stay stopped" :
		      state == SWITCHED_OFF ? "switched off" :
		      "waiting for kvm and ",
		      state == WAITING ? awaited() : "");
	mutex_unlock(&glue_lock);
	return n;
}

int kw_glue_init(void)
{
	int r = register_tracepoint_module_notifier(&tracepoints_nb);

	if (r)
		return r;
	r = register_module_notifier(&module_nb);
	if (r) {
		unregister_tracepoint_module_notifier(&tracepoints_nb);
		return r;
	}
	mutex_lock(&glue_lock);
	attach_if_possible();
	mutex_unlock(&glue_lock);
	return 0;
}

void kw_glue_exit(void)
{
	mutex_lock(&glue_lock);
	leaving = true;
	mutex_unlock(&glue_lock);
	unregister_module_notifier(&module_nb);
	cancel_work_sync(&attach_work);
	cancel_delayed_work_sync(&entry_idle);
	/* Replays GOING for a loaded kvm: the probe is detached there. */
	unregister_tracepoint_module_notifier(&tracepoints_nb);
	tracepoint_synchronize_unregister();
}

/* ---- holding a VM for the time of one operation ---- */

struct file_search {
	struct kvm *kvm;
	u32 idx;		/* of a vCPU, and its kvm_run page: */
	void *run;		/* tells this kvm from a later one at its address */
	struct file *found;
	unsigned int fd;
};

/*
 * A VM's or a vCPU's file of this kvm.  The names are KVM's own on anonymous
 * inodes, where no one else can choose a name: so private_data is what it
 * seems to be.
 */
static bool file_is_of(struct file *file, struct kvm *kvm)
{
	const unsigned char *name;

	if (file_inode(file)->i_sb->s_magic != ANON_INODE_FS_MAGIC)
		return false;
	name = file->f_path.dentry->d_name.name;
	if (!strcmp(name, "kvm-vm"))
		return file->private_data == kvm;
	if (!strncmp(name, "kvm-vcpu:", 9))
		return ((struct kvm_vcpu *)file->private_data)->kvm == kvm;
	return false;
}

static int match_file(const void *data, struct file *file, unsigned int fd)
{
	struct file_search *search = (void *)data;

	if (!file_is_of(file, search->kvm) || !kw_kvm_has_run(search->kvm, search->idx, search->run))
		return 0;
	search->found = get_file(file);
	search->fd = fd;
	return 1;
}

static void search_task(struct file_search *search, struct task_struct *task,
			unsigned int hint)
{
	task_lock(task);
	if (task->files) {
		iterate_fd(task->files, hint, match_file, search);
		if (!search->found && hint)
			iterate_fd(task->files, 0, match_file, search);
	}
	task_unlock(task);
}

/* Any thread will do: the leader may have exited before the others. */
struct file *kw_kvm_pin(struct kvm *kvm, struct pid *vmm, unsigned int *hint,
			u32 idx, void *run)
{
	struct file_search search = { .kvm = kvm, .idx = idx, .run = run };
	struct task_struct *leader, *thread;
	struct files_struct *searched = NULL;

	rcu_read_lock();
	leader = pid_task(vmm, PIDTYPE_TGID);
	if (leader) {
		for_each_thread(leader, thread) {
			struct files_struct *files = READ_ONCE(thread->files);

			if (!files || files == searched)
				continue;
			searched = files;
			search_task(&search, thread, *hint);
			if (search.found)
				break;
		}
	}
	rcu_read_unlock();
	if (search.found)
		*hint = search.fd;
	return search.found;
}

/* ---- memory ---- */

static int compare_slots(const void *a, const void *b)
{
	const struct kvm_warden_memslot *x = a, *y = b;

	return x->gpa < y->gpa ? -1 : x->gpa > y->gpa;
}

static u32 slot_flags(struct mm_struct *mm, const struct kvm_memory_slot *slot)
{
	unsigned long pgoff;

	return (slot->flags & KVM_MEM_READONLY ? KVM_WARDEN_SLOT_READONLY : 0) |
	       (kw_window_backing(mm, slot->userspace_addr, slot->npages << PAGE_SHIFT, &pgoff) ?
		KVM_WARDEN_SLOT_MAPPABLE : 0);
}

/* What backs a slot stays while kvm->srcu is held. */
int kw_kvm_memslots(struct kvm *kvm, struct mm_struct *mm,
		    struct kvm_warden_memslot *slots, u32 room)
{
	struct kvm_memory_slot *slot;
	int bucket, idx, n = 0;

	idx = srcu_read_lock(&kvm->srcu);
	if (mmap_read_lock_killable(mm)) {
		srcu_read_unlock(&kvm->srcu, idx);
		return -EINTR;
	}
	kvm_for_each_memslot(slot, bucket, kvm_memslots(kvm)) {
		/* KVM's own slots (the APIC's page) are not the guest's RAM. */
		if ((slot->flags & KVM_MEMSLOT_INVALID) || slot->id >= KVM_USER_MEM_SLOTS)
			continue;
		if (n < room)
			slots[n] = (struct kvm_warden_memslot) {
				.gpa = (u64)slot->base_gfn << PAGE_SHIFT,
				.size = (u64)slot->npages << PAGE_SHIFT,
				.flags = slot_flags(mm, slot),
			};
		n++;
	}
	mmap_read_unlock(mm);
	srcu_read_unlock(&kvm->srcu, idx);
	sort(slots, min_t(u32, n, room), sizeof(*slots), compare_slots, NULL);
	return n;
}

/* Under kvm->srcu.  One of KVM's own, or that is about to change, is none. */
static struct kvm_memory_slot *find_slot(struct kvm *kvm, gfn_t gfn)
{
	struct kvm_memory_slot *slot = __gfn_to_memslot(kvm_memslots(kvm), gfn);

	return slot && slot->id < KVM_USER_MEM_SLOTS && !(slot->flags & KVM_MEMSLOT_INVALID) ?
	       slot : NULL;
}

unsigned long kw_kvm_hva(struct kvm *kvm, u64 gpa)
{
	struct kvm_memory_slot *slot;
	unsigned long hva = 0;
	int idx = srcu_read_lock(&kvm->srcu);

	slot = find_slot(kvm, gpa >> PAGE_SHIFT);
	if (slot)
		hva = __gfn_to_hva_memslot(slot, gpa >> PAGE_SHIFT);
	srcu_read_unlock(&kvm->srcu, idx);
	return hva;
}

static struct file *backing(struct mm_struct *mm, unsigned long hva, u64 size,
			    unsigned long *ret_pgoff)
{
	struct file *file;

	if (mmap_read_lock_killable(mm))
		return ERR_PTR(-EINTR);
	file = kw_window_backing(mm, hva, size, ret_pgoff);
	file = file ? get_file(file) : ERR_PTR(-EOPNOTSUPP);
	mmap_read_unlock(mm);
	return file;
}

struct file *kw_kvm_file(struct kvm *kvm, struct mm_struct *mm, u64 gpa, u64 size,
			 unsigned long *ret_pgoff)
{
	gfn_t gfn = gpa >> PAGE_SHIFT;
	struct file *file = ERR_PTR(-ENXIO);
	struct kvm_memory_slot *slot;
	int idx = srcu_read_lock(&kvm->srcu);

	slot = find_slot(kvm, gfn);
	if (slot && size >> PAGE_SHIFT <= slot->base_gfn + slot->npages - gfn)
		file = backing(mm, __gfn_to_hva_memslot(slot, gfn), size, ret_pgoff);
	srcu_read_unlock(&kvm->srcu, idx);
	return file;
}

bool kw_kvm_has_ram(struct kvm *kvm, u64 gfn)
{
	struct kvm_memory_slot *slot;
	bool has;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	slot = find_slot(kvm, gfn);
	has = slot && !(slot->flags & KVM_MEM_READONLY);
	srcu_read_unlock(&kvm->srcu, idx);
	return has;
}

static long get_resident(struct mm_struct *mm, unsigned long hva,
			 unsigned int max, struct page **pages)
{
	long n;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	n = kw_gup_resident(mm, hva, max, pages);
	mmap_read_unlock(mm);
	return n;
}

/*
 * kvm->srcu is held until the pages are: the VMM may give an address that
 * leaves a memslot another use only after that.
 */
int kw_kvm_get_pages(struct kvm *kvm, struct mm_struct *mm, u64 gpa,
		     unsigned int max, struct page **pages, int *error)
{
	gfn_t gfn = gpa >> PAGE_SHIFT;
	struct kvm_memory_slot *slot;
	long n = 0;
	int idx;

	*error = -ENXIO;
	idx = srcu_read_lock(&kvm->srcu);
	slot = find_slot(kvm, gfn);
	if (slot) {
		max = min_t(u64, max, slot->base_gfn + slot->npages - gfn);
		n = get_resident(mm, __gfn_to_hva_memslot(slot, gfn), max, pages);
		*error = -ENODATA;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	if (n == -EINTR)
		return n;
	return n > 0 ? n : 0;
}
