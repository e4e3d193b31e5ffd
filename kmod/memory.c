// SPDX-License-Identifier: GPL-2.0-only
/*
 * A read takes what is resident: pages are held while kvm->srcu is, copied after.
 * With KVM_WARDEN_READ_FAULT a page that is not resident is faulted in and looked
 * for anew.  A fault may wait for a userfaultfd server, however long, so it holds
 * nothing that the VMM or KVM could wait for: neither kvm->srcu nor the VM, and
 * GUP lets the mmap lock go while it waits.
 *
 * The reader's own memory may take as long (FUSE, userfaultfd): it is touched
 * without faults while the VM is held, and faulted in while nothing is.
 */
#include "memory.h"

#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <uapi/linux/kvm_warden.h>

#include "check.h"
#include "compat/compat.h"
#include "guest.h"
#include "kvm_glue.h"

/* Pages held at a time: on the stack for what is short, a page of them for the rest. */
#define FEW 16
#define MANY (PAGE_SIZE / sizeof(struct page *))

struct reading {
	struct kw_guest *guest;
	struct file *file;		/* pins the VM; NULL: neither it nor its mm is held */
	bool fault;
	unsigned int room;
	struct page **pages;
	struct page *few[FEW];
};

/* ---- the VM ---- */

static int hold(struct reading *reading)
{
	struct kw_guest *guest = reading->guest;

	reading->file = kw_guest_pin(guest);
	if (!reading->file)
		return -ENODEV;
	if (mmget_not_zero(guest->mm))
		return 0;
	fput(reading->file);
	reading->file = NULL;
	return -ENODEV;
}

static void let_go(struct reading *reading)
{
	if (!reading->file)
		return;
	mmput_async(reading->guest->mm);
	fput(reading->file);
	reading->file = NULL;
}

/* ---- copying ---- */

/* How many of pages[] are one stretch of one folio. */
static int same_folio(struct page **pages, int n)
{
	struct folio *folio = page_folio(pages[0]);
	int i = 1;

	if (!folio_test_large(folio))
		return 1;
	n = min_t(unsigned long, n, folio_nr_pages(folio) - folio_page_idx(folio, pages[0]));
	while (i < n && pages[i] == pages[0] + i)
		i++;
	return i;
}

/* A constant length spares a look at what kind of object a page that we hold is. */
static unsigned long copy_out(u64 to, const void *from, unsigned int len)
{
	if (len == PAGE_SIZE)
		return copy_to_user(u64_to_user_ptr(to), from, PAGE_SIZE);
	return copy_to_user(u64_to_user_ptr(to), from, len);
}

/* Truncation of a DAX file waits for a page's last user, of whom put_page() alone tells it (6.1, 6.12). */
static void put_run(struct page **pages, int run)
{
	int i;

	if (likely(!is_zone_device_page(pages[0]))) {
		folio_put_refs(page_folio(pages[0]), run);
		return;
	}
	for (i = 0; i < run; i++)
		put_page(pages[i]);
}

/*
 * Copies from pages[] what the segment still wants, and lets all of them go.
 * -EFAULT: the buffer has to be faulted in from seg->done on.
 */
static int copy_pages(struct kvm_warden_segment *seg, struct page **pages, int n)
{
	int i, run, r = 0;

	for (i = 0; i < n; i += run) {
		unsigned int at = offset_in_page(seg->gpa + seg->done), len, left;

		run = same_folio(pages + i, n - i);
		len = min_t(size_t, seg->len - seg->done, run * PAGE_SIZE - at);
		if (!r) {
			left = copy_out(seg->buf + seg->done, page_address(pages[i]) + at, len);
			seg->done += len - left;
			r = left ? -EFAULT : 0;
		}
		put_run(pages + i, run);
	}
	return r;
}

static int copy_without_faults(struct kvm_warden_segment *seg, struct page **pages, int n)
{
	int r;

	pagefault_disable();
	r = copy_pages(seg, pages, n);
	pagefault_enable();
	return r;
}

/* As much of the buffer as one copy takes. */
static int fault_in_buffer(struct reading *reading, const struct kvm_warden_segment *seg)
{
	size_t want = min_t(size_t, seg->len - seg->done, MANY * PAGE_SIZE);

	let_go(reading);
	if (fault_in_writeable(u64_to_user_ptr(seg->buf + seg->done), want) == want)
		return -EFAULT;
	return hold(reading);
}

/* ---- faults ---- */

/* Taken before, so that no number of readers that wait at once overdraws it. */
static bool may_fault(struct kw_guest *guest)
{
	bool may;

	spin_lock(&guest->faults_lock);
	may = kw_faults_take(&guest->faults, ktime_get_ns());
	spin_unlock(&guest->faults_lock);
	return may;
}

static void charge_rest(struct kw_guest *guest, struct page *page)
{
	spin_lock(&guest->faults_lock);
	kw_faults_charge(&guest->faults, folio_nr_pages(page_folio(page)) - 1);
	spin_unlock(&guest->faults_lock);
}

/* Has the VMM's memory bring in one page.  0, -ENODATA, or -EINTR. */
static int bring_in(struct kw_guest *guest, unsigned long hva)
{
	struct page *page;
	long n = kw_gup_fault(guest->mm, hva, &page);

	if (n == 1) {
		charge_rest(guest, page);
		put_page(page);
		return 0;
	}
	return fatal_signal_pending(current) ? -EINTR : -ENODATA;
}

/* 0 if it is worth to look again, else *error is set; or an error that ends the request. */
static int fault_in(struct reading *reading, u64 gpa, int *error)
{
	struct kw_guest *guest = reading->guest;
	unsigned long hva = kw_kvm_hva(guest->kvm, gpa);

	*error = !hva ? -ENXIO : !may_fault(guest) ? -EDQUOT : 0;
	if (*error)
		return 0;
	fput(reading->file);
	*error = bring_in(guest, hva);
	reading->file = kw_guest_pin(guest);
	if (!reading->file)
		mmput_async(guest->mm);
	if (*error == -EINTR)
		return -EINTR;
	return reading->file ? 0 : -ENODEV;
}

/* ---- segments ---- */

static unsigned int pages_left(const struct kvm_warden_segment *seg)
{
	u64 from = seg->gpa + seg->done, to = seg->gpa + seg->len;

	return DIV_ROUND_UP(to, PAGE_SIZE) - (from >> PAGE_SHIFT);
}

/* Without memory for many it goes on with few. */
static void make_room(struct reading *reading, unsigned int want)
{
	struct page **many;

	if (want <= FEW || reading->room > FEW)
		return;
	many = (struct page **)__get_free_page(GFP_KERNEL | __GFP_NOWARN);
	if (many) {
		reading->pages = many;
		reading->room = MANY;
	}
}

/*
 * References to the next pages of the segment.  Their number; 0 with seg->error;
 * or an error that ends the request.  A page is faulted in once: if it is not there
 * then, someone takes it away as fast.
 */
static int get_pages(struct reading *reading, struct kvm_warden_segment *seg)
{
	struct kw_guest *guest = reading->guest;
	u64 gpa = seg->gpa + seg->done;
	unsigned int max = min(pages_left(seg), reading->room);
	int n, r;

	n = kw_kvm_get_pages(guest->kvm, guest->mm, gpa, max, reading->pages, &seg->error);
	if (n || seg->error != -ENODATA || !reading->fault)
		return n;
	r = fault_in(reading, gpa, &seg->error);
	if (r || seg->error)
		return r;
	return kw_kvm_get_pages(guest->kvm, guest->mm, gpa, max, reading->pages, &seg->error);
}

/* Who switches the guest off waits for no reader. */
static int refused(struct kw_guest *guest)
{
	if (READ_ONCE(guest->level) == KVM_WARDEN_LEVEL_OFF)
		return -EACCES;
	return kw_guest_is(guest, KVM_WARDEN_GUEST_ENCRYPTED) ? -EPERM : 0;
}

/* 0 with seg->done and seg->error set, or an error that ends the request. */
static int read_segment(struct reading *reading, struct kvm_warden_segment *seg)
{
	int n, r;

	seg->done = 0;
	seg->error = 0;
	make_room(reading, pages_left(seg));
	while (seg->done < seg->len) {
		r = refused(reading->guest);
		if (r)
			return r;
		n = get_pages(reading, seg);
		if (n <= 0)
			return n;
		r = copy_without_faults(seg, reading->pages, n);
		if (r == -EFAULT)
			r = fault_in_buffer(reading, seg);
		if (r)
			return r;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	seg->error = 0;
	return 0;
}

static int get_segment(struct reading *reading, struct kvm_warden_segment *seg,
		       const struct kvm_warden_segment __user *user)
{
	unsigned long left;

	pagefault_disable();
	left = copy_from_user(seg, user, sizeof(*seg));
	pagefault_enable();
	if (!left)
		return 0;
	let_go(reading);
	return copy_from_user(seg, user, sizeof(*seg)) ? -EFAULT : hold(reading);
}

static int put_result(const struct kvm_warden_segment *seg,
		      struct kvm_warden_segment __user *user)
{
	if (!user_write_access_begin(user, sizeof(*user)))
		return -EFAULT;
	unsafe_put_user(seg->done, &user->done, fault);
	unsafe_put_user(seg->error, &user->error, fault);
	user_write_access_end();
	return 0;
fault:
	user_write_access_end();
	return -EFAULT;
}

static int tell_result(struct reading *reading, const struct kvm_warden_segment *seg,
		       struct kvm_warden_segment __user *user)
{
	int r;

	pagefault_disable();
	r = put_result(seg, user);
	pagefault_enable();
	if (!r)
		return 0;
	let_go(reading);
	return put_result(seg, user) ?: hold(reading);
}

static long read_segments(struct reading *reading, const struct kvm_warden_read *request)
{
	struct kvm_warden_segment __user *user = u64_to_user_ptr(request->segments);
	struct kvm_warden_segment seg;
	u32 i;
	int r;

	for (i = 0; i < request->count; i++) {
		r = get_segment(reading, &seg, &user[i]);
		if (!r)
			r = kw_check_segment(&seg);
		if (!r)
			r = read_segment(reading, &seg);
		if (!r)
			r = tell_result(reading, &seg, &user[i]);
		if (r)
			return r;
	}
	return 0;
}

long kw_memory_read(struct kw_guest *guest, const struct kvm_warden_read *request)
{
	struct reading reading = {
		.guest = guest,
		.fault = request->flags & KVM_WARDEN_READ_FAULT,
		.room = FEW,
		.pages = reading.few,
	};
	long r;

	r = kw_check_read(request) ?: refused(guest) ?: hold(&reading);
	if (r)
		return r;
	r = read_segments(&reading, request);
	let_go(&reading);
	if (reading.pages != reading.few)
		free_page((unsigned long)reading.pages);
	return r;
}
