// SPDX-License-Identifier: GPL-2.0-only
#include "memory.h"

#include <linux/file.h>
#include <linux/highmem.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <uapi/linux/kvm_warden.h>

#include "check.h"
#include "guest.h"
#include "kvm_glue.h"

/* Pages held at a time: enough to make a long read cheap, small on the stack. */
#define BATCH 32

/* Copies from one page; -EFAULT if the user's buffer is not there. */
static int copy_piece(struct page *page, u64 gpa, unsigned int len, u64 buf)
{
	void *at = kmap_local_page(page);
	unsigned long left = copy_to_user(u64_to_user_ptr(buf),
					  at + offset_in_page(gpa), len);

	kunmap_local(at);
	return left ? -EFAULT : 0;
}

/* Copies from pages[] what the segment still wants, and lets all of them go. */
static int copy_pages(struct kvm_warden_segment *seg, struct page **pages, int n)
{
	int i, r = 0;

	for (i = 0; i < n; i++) {
		u64 gpa = seg->gpa + seg->done;
		unsigned int len = min_t(unsigned int, seg->len - seg->done,
					 PAGE_SIZE - offset_in_page(gpa));

		if (!r)
			r = copy_piece(pages[i], gpa, len, seg->buf + seg->done);
		if (!r)
			seg->done += len;
		put_page(pages[i]);
	}
	return r;
}

static unsigned int pages_left(const struct kvm_warden_segment *seg)
{
	u64 from = seg->gpa + seg->done, to = seg->gpa + seg->len;

	return min_t(u64, BATCH, DIV_ROUND_UP(to, PAGE_SIZE) - (from >> PAGE_SHIFT));
}

/* 0 with seg->done and seg->error set, or an error that ends the request. */
static int read_segment(struct kvm *kvm, struct mm_struct *mm, struct kvm_warden_segment *seg)
{
	struct page *pages[BATCH];
	int n, r;

	seg->done = 0;
	seg->error = 0;
	while (seg->done < seg->len) {
		n = kw_kvm_get_pages(kvm, mm, seg->gpa + seg->done, pages_left(seg),
				     pages, &seg->error);
		if (n < 0)
			return n;
		if (!n)
			return 0;
		r = copy_pages(seg, pages, n);
		if (r)
			return r;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	seg->error = 0;
	return 0;
}

static long read_segments(struct kvm *kvm, struct mm_struct *mm, const struct kvm_warden_read *request)
{
	struct kvm_warden_segment __user *user = u64_to_user_ptr(request->segments);
	struct kvm_warden_segment seg;
	u32 i;
	int r;

	for (i = 0; i < request->count; i++) {
		if (copy_from_user(&seg, &user[i], sizeof(seg)))
			return -EFAULT;
		r = kw_check_segment(&seg);
		if (!r)
			r = read_segment(kvm, mm, &seg);
		if (r)
			return r;
		if (put_user(seg.done, &user[i].done) || put_user(seg.error, &user[i].error))
			return -EFAULT;
	}
	return 0;
}

long kw_memory_read(struct kw_guest *guest, const struct kvm_warden_read *request)
{
	struct file *file;
	long r;

	r = kw_check_read(request);
	if (r)
		return r;
	if (READ_ONCE(guest->flags) & KVM_WARDEN_GUEST_ENCRYPTED)
		return -EPERM;
	file = kw_guest_pin(guest);
	if (!file)
		return -ENODEV;
	r = -ENODEV;
	if (mmget_not_zero(guest->mm)) {
		r = read_segments(guest->kvm, guest->mm, request);
		mmput_async(guest->mm);
	}
	fput(file);
	return r;
}
