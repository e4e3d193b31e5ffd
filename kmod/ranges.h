/* SPDX-License-Identifier: GPL-2.0-only */
/* The stretches of guest-physical memory that are watched.  Pure. */
#ifndef KW_RANGES_H
#define KW_RANGES_H

#include <linux/bits.h>
#include <linux/types.h>
#include <uapi/linux/kvm_warden.h>

#define KW_GFN(gpa) ((gpa) >> 12)

struct kw_range {
	u64 gpa, len;		/* len 0: none */
	u32 pages;		/* a bit for each page that is tracked for it */
	u64 writes;
};

#define kw_for_each_range(r, ranges) \
	for ((r) = (ranges); (r) < (ranges) + KVM_WARDEN_WATCH_PAGES; (r)++)

static inline u64 kw_range_gfn(const struct kw_range *r, unsigned int page)
{
	return KW_GFN(r->gpa) + page;
}

/* For a range that does not wrap. */
static inline u64 kw_range_pages(u64 gpa, u64 len)
{
	return KW_GFN(gpa + len - 1) - KW_GFN(gpa) + 1;
}

static inline struct kw_range *kw_range_find(struct kw_range *ranges, u64 gpa, u64 len)
{
	struct kw_range *r;

	kw_for_each_range(r, ranges)
		if (r->len && r->gpa == gpa && r->len == len)
			return r;
	return NULL;
}

/* A free one, if there is room for so many pages more. */
static inline struct kw_range *kw_range_free(struct kw_range *ranges, u64 pages)
{
	struct kw_range *r, *found = NULL;

	kw_for_each_range(r, ranges) {
		if (r->len)
			pages += kw_range_pages(r->gpa, r->len);
		else
			found = r;
	}
	return pages <= KVM_WARDEN_WATCH_PAGES ? found : NULL;
}

/* The first one that these bytes, which do not wrap, touch. */
static inline struct kw_range *kw_range_hit(struct kw_range *ranges, u64 gpa, u64 len)
{
	struct kw_range *r;

	kw_for_each_range(r, ranges)
		if (r->len && gpa <= r->gpa + (r->len - 1) && r->gpa <= gpa + (len - 1))
			return r;
	return NULL;
}

/* Is this page tracked for it? */
static inline bool kw_range_tracks(const struct kw_range *r, u64 gfn)
{
	u64 page = gfn - KW_GFN(r->gpa);

	return r->len && page < KVM_WARDEN_WATCH_PAGES && (r->pages & BIT(page));
}

#endif
