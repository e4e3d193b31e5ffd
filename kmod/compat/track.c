// SPDX-License-Identifier: GPL-2.0-only
#include "track.h"

#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/workqueue.h>

bool kw_track_supported(void)
{
	return IS_ENABLED(CONFIG_KVM_EXTERNAL_WRITE_TRACKING);
}

bool kw_track_ends_vm(void)
{
#ifdef KW_EMULATION_FAILURE_ENDS_VM
	return true;
#else
	return false;
#endif
}

#if IS_ENABLED(CONFIG_KVM_EXTERNAL_WRITE_TRACKING)

/* ---- what KVM calls ---- */

#ifdef KW_HAVE_WRITE_TRACK_GFN

static void on_write(gpa_t gpa, const u8 *bytes, int len, struct kvm_page_track_notifier_node *node)
{
	struct kw_track *track = container_of(node, struct kw_track, node);

	track->written(track, gpa, bytes, len);
}

static void on_slot_gone(gfn_t gfn, unsigned long pages, struct kvm_page_track_notifier_node *node)
{
	struct kw_track *track = container_of(node, struct kw_track, node);

	track->slot_gone(track, gfn, pages);
}

#define SLOT_GONE track_remove_region
#define ADD_PAGE kvm_write_track_add_gfn
#define REMOVE_PAGE kvm_write_track_remove_gfn

#else

static void on_write(struct kvm_vcpu *vcpu, gpa_t gpa, const u8 *bytes, int len,
		     struct kvm_page_track_notifier_node *node)
{
	struct kw_track *track = container_of(node, struct kw_track, node);

	track->written(track, gpa, bytes, len);
}

static void on_slot_gone(struct kvm *kvm, struct kvm_memory_slot *slot,
			 struct kvm_page_track_notifier_node *node)
{
	struct kw_track *track = container_of(node, struct kw_track, node);

	track->slot_gone(track, slot->base_gfn, slot->npages);
}

#define SLOT_GONE track_flush_slot
#define ADD_PAGE kvm_slot_page_track_add_page
#define REMOVE_PAGE kvm_slot_page_track_remove_page

#endif

/* ---- symbols of kvm ---- */

static struct {
	typeof(&kvm_page_track_register_notifier) begin;
	typeof(&kvm_page_track_unregister_notifier) end;
	typeof(&ADD_PAGE) add;
	typeof(&REMOVE_PAGE) remove;
} kvm_says;

/* The VM that the caller keeps alive keeps kvm loaded: all users find the same. */
static int get_symbols(void)
{
	typeof(kvm_says) found = {
		.begin = symbol_get(kvm_page_track_register_notifier),
		.end = symbol_get(kvm_page_track_unregister_notifier),
		.add = symbol_get(ADD_PAGE),
		.remove = symbol_get(REMOVE_PAGE),
	};

	if (found.begin && found.end && found.add && found.remove) {
		kvm_says = found;
		return 0;
	}
	if (found.begin)
		symbol_put(kvm_page_track_register_notifier);
	if (found.end)
		symbol_put(kvm_page_track_unregister_notifier);
	if (found.add)
		symbol_put(ADD_PAGE);
	if (found.remove)
		symbol_put(REMOVE_PAGE);
	return -EOPNOTSUPP;
}

static void put_symbols(void)
{
	symbol_put(kvm_page_track_register_notifier);
	symbol_put(kvm_page_track_unregister_notifier);
	symbol_put(ADD_PAGE);
	symbol_put(REMOVE_PAGE);
}

/* ---- adding and removing ---- */

#ifdef KW_HAVE_WRITE_TRACK_GFN

static int register_track(struct kw_track *track)
{
	return kvm_says.begin(track->kvm, &track->node);
}

int kw_track_add(struct kw_track *track, u64 gfn)
{
	return kvm_says.add(track->kvm, gfn) ? -ENXIO : 0;
}

void kw_track_remove(struct kw_track *track, u64 gfn)
{
	kvm_says.remove(track->kvm, gfn);
}

#else

static int register_track(struct kw_track *track)
{
	kvm_says.begin(track->kvm, &track->node);
	return 0;
}

/* The slot, even one that is about to go: KVM's count for the page is there. */
static int change(struct kw_track *track, u64 gfn, typeof(&ADD_PAGE) how)
{
	struct kvm *kvm = track->kvm;
	struct kvm_memory_slot *slot;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	slot = __gfn_to_memslot(kvm_memslots(kvm), gfn);
	if (slot) {
		write_lock(&kvm->mmu_lock);
		how(kvm, slot, gfn, KVM_PAGE_TRACK_WRITE);
		write_unlock(&kvm->mmu_lock);
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return slot ? 0 : -ENXIO;
}

int kw_track_add(struct kw_track *track, u64 gfn)
{
	return change(track, gfn, kvm_says.add);
}

void kw_track_remove(struct kw_track *track, u64 gfn)
{
	change(track, gfn, kvm_says.remove);
}

#endif

/* ---- beginning and ending ---- */

/* KVM wants its node from a thread that has the VM's mm: a worker can. */
struct beginning {
	struct work_struct work;
	struct kw_track *track;
	struct mm_struct *mm;
	int result;
};

static void begin_fn(struct work_struct *work)
{
	struct beginning *b = container_of(work, struct beginning, work);

	kthread_use_mm(b->mm);
	b->result = register_track(b->track);
	kthread_unuse_mm(b->mm);
}

int kw_track_begin(struct kw_track *track, struct kvm *kvm, struct mm_struct *mm)
{
	struct beginning b = { .track = track, .mm = mm };
	int r = get_symbols();

	if (r)
		return r;
	track->kvm = kvm;
	track->node = (struct kvm_page_track_notifier_node){
		.track_write = on_write, .SLOT_GONE = on_slot_gone,
	};
	b.result = -ENODEV;
	if (mmget_not_zero(mm)) {
		INIT_WORK_ONSTACK(&b.work, begin_fn);
		schedule_work(&b.work);
		flush_work(&b.work);
		destroy_work_on_stack(&b.work);
		mmput_async(mm);
	}
	if (b.result)
		put_symbols();
	return b.result;
}

void kw_track_end(struct kw_track *track)
{
	kvm_says.end(track->kvm, &track->node);
	put_symbols();
}

#else

int kw_track_begin(struct kw_track *track, struct kvm *kvm, struct mm_struct *mm)
{
	return -EOPNOTSUPP;
}

void kw_track_end(struct kw_track *track)
{
}

int kw_track_add(struct kw_track *track, u64 gfn)
{
	return -EOPNOTSUPP;
}

void kw_track_remove(struct kw_track *track, u64 gfn)
{
}

#endif
