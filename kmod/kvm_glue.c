// SPDX-License-Identifier: GPL-2.0-only
#include "kvm_glue.h"

#include <linux/anon_inodes.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/magic.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/smp.h>
#include <uapi/linux/kvm_warden.h>

#include "attach.h"
#include "compat/compat.h"
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
	struct kvm_vcpu *vcpu;

	/* One that is not online may be freed at once, where its creation fails. */
	if (idx >= (u32)atomic_read(&kvm->online_vcpus))
		return false;
	smp_rmb();	/* pairs with kvm's, between the vCPU and its being counted */
	vcpu = xa_load(&kvm->vcpu_array, idx);
	return vcpu && vcpu->run == run;
}

/* On Intel KVM's copy is of the last exit that wanted it; the VMCS is loaded. */
u64 kw_vcpu_rip(struct kvm_vcpu *vcpu)
{
	if (kw_vcpu_in_nested_guest(vcpu))
		return 0;
#ifdef FACT_HAVE_VMX
	if (kw_attach_vendor() == KVM_WARDEN_FEATURE_VMX)
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

/* ---- holding a VM for the time of one operation ---- */

struct file_search {
	struct kvm *kvm;
	u32 idx;		/* of a vCPU, and its kvm_run page: */
	void *run;		/* tells this kvm from a later one at its address */
	struct file *found;
	unsigned int fd;
	unsigned int files;	/* looked at */
	unsigned int tables;	/* searched */
};

/*
 * A VMM may have as many files as the system lets it, and a table of them for each
 * thread, while this looks with preemption off.  Its VM's file behind so many is as
 * good as none: what has no file is told as hidden.
 */
#define FILES_AT_MOST 65536
#define TABLES_AT_MOST 16

/*
 * A VM's or a vCPU's file of this kvm.  The names are KVM's own on anonymous
 * inodes, where no one else can choose a name: so private_data is what it
 * seems to be.  But for a file that was opened as a path alone (O_PATH): anyone
 * can have that, with the name and with nothing behind it.
 */
static bool file_is_of(struct file *file, struct kvm *kvm)
{
	const unsigned char *name;

	if (file->f_mode & FMODE_PATH || file_inode(file)->i_sb->s_magic != ANON_INODE_FS_MAGIC)
		return false;
	name = file->f_path.dentry->d_name.name;
	if (!strcmp(name, "kvm-vm"))
		return file->private_data == kvm;
	if (!strncmp(name, "kvm-vcpu:", 9))
		return ((struct kvm_vcpu *)file->private_data)->kvm == kvm;
	return false;
}

/* By the bits of the open ones: a table may have a million places, and one file in the last. */
static void search_files(struct file_search *search, struct files_struct *files, unsigned int fd)
{
	struct fdtable *table;
	struct file *file;

	spin_lock(&files->file_lock);
	table = files_fdtable(files);
	for_each_set_bit_from(fd, table->open_fds, table->max_fds) {
		if (++search->files > FILES_AT_MOST)
			break;
		file = rcu_dereference_check_fdtable(files, table->fd[fd]);
		if (!file || !file_is_of(file, search->kvm) ||
		    !kw_kvm_has_run(search->kvm, search->idx, search->run))
			continue;
		search->found = get_file(file);
		search->fd = fd;
		break;
	}
	spin_unlock(&files->file_lock);
}

static void search_task(struct file_search *search, struct task_struct *task,
			unsigned int hint)
{
	task_lock(task);
	if (task->files) {
		search_files(search, task->files, hint);
		if (!search->found && hint)
			search_files(search, task->files, 0);
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
			if (search.found || ++search.tables == TABLES_AT_MOST ||
			    search.files > FILES_AT_MOST)
				break;
		}
	}
	rcu_read_unlock();
	if (search.found)
		*hint = search.fd;
	return search.found;
}

/* ---- memory ---- */

/* KVM's own (the APIC's page), and one that is about to change, are not the guest's RAM. */
static bool is_ram(const struct kvm_memory_slot *slot)
{
	return slot->id < KVM_USER_MEM_SLOTS && !(slot->flags & KVM_MEMSLOT_INVALID) &&
	       !kw_slot_is_apart(slot);
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
	struct kvm_memslot_iter iter;
	int idx, n = 0;

	idx = srcu_read_lock(&kvm->srcu);
	if (mmap_read_lock_killable(mm)) {
		srcu_read_unlock(&kvm->srcu, idx);
		return -EINTR;
	}
	kvm_for_each_memslot_in_gfn_range(&iter, kvm_memslots(kvm), 0, ~0ULL) {
		if (!is_ram(iter.slot))
			continue;
		if (n < room)
			slots[n] = (struct kvm_warden_memslot) {
				.gpa = (u64)iter.slot->base_gfn << PAGE_SHIFT,
				.size = (u64)iter.slot->npages << PAGE_SHIFT,
				.flags = slot_flags(mm, iter.slot),
			};
		n++;
	}
	mmap_read_unlock(mm);
	srcu_read_unlock(&kvm->srcu, idx);
	return n;
}

bool kw_kvm_has_memory_apart(struct kvm *kvm)
{
	struct kvm_memory_slot *slot;
	bool has = false;
	int bucket, idx;

	/* A kernel without such memory is spared the walk. */
	if (!__is_defined(KW_HAVE_GMEM_ONLY))
		return false;
	idx = srcu_read_lock(&kvm->srcu);
	kvm_for_each_memslot(slot, bucket, kvm_memslots(kvm)) {
		has = kw_slot_is_apart(slot);
		if (has)
			break;
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return has;
}

/* Under kvm->srcu. */
static struct kvm_memory_slot *find_slot(struct kvm *kvm, gfn_t gfn)
{
	struct kvm_memory_slot *slot = __gfn_to_memslot(kvm_memslots(kvm), gfn);

	return slot && is_ram(slot) ? slot : NULL;
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
