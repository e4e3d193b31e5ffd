// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/watches.h"

#include <errno.h>
#include <linux/kvm_warden.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "introspect/check.h"
#include "introspect/gates.h"
#include "introspect/modset.h"
#include "lib/log.h"
#include "lib/util.h"

#define RECORDS 16u
#define MAX_TOLD 16u			/* in ten minutes: what stays the checks find */
#define WINDOW_NS (600 * 1000000000ull)

/* ---- which bytes ---- */

/* False: not all of it is mapped, or there is more than there is room for. */
static bool add_table(struct watches *w, const struct kernel *k, enum kernel_symbol s, uint32_t len,
		      bool gates)
{
	const uint64_t start = k->symbol[s].address, end = start + len;

	if (!start || end < start)
		return false;
	for (uint64_t va = start, next; va < end; va = next) {
		struct watch *at = &w->of[w->n];

		next = MIN(end, (va | FRAME_MASK) + 1);
		if (w->n == MAX_WATCHES || virt_to_phys(&k->as, va, &at->gpa))
			return false;
		at->va = va;
		at->len = next - va;
		at->gates = gates;
		w->n++;
	}
	return true;
}

/* ---- watching ---- */

static int ask(const struct watches *w, unsigned long what, const struct watch *at)
{
	struct kvm_warden_watch arg = { .gpa = at->gpa, .len = at->len };

	int r;

	do
		r = ioctl(w->fd, what, &arg) ? -errno : 0;
	while (r == -EINTR);
	return r;
}

void watches_end(struct watches *w)
{
	for (uint32_t i = 0; i < w->n; i++)
		ask(w, KVM_WARDEN_UNWATCH, &w->of[i]);
	w->n = 0;
	w->ended = false;
}

static void note(struct watches *w, const char *what, const char *why)
{
	char text[sizeof(w->why)];

	snprintf(text, sizeof(text), "%s%s", what, why);
	if (strcmp(text, w->why))
		log_warn("the tables of this guest's kernel are not watched: %s", text);
	memcpy(w->why, text, sizeof(text));
}

static const char *refusal(int error)
{
	switch (error) {
	case -EOPNOTSUPP:
		return "the module was loaded without the parameter watch, its kernel has none, or the guest"
		       " runs guests";
	case -EBUSY:
		return "somebody else watches this guest";
	case -ENOSPC:
		return "no room for more pages";
	default:
		return strerror(-error);
	}
}

static void start(struct watches *w)
{
	int r = 0;

	w->since_ns = clock_now_ns();
	for (uint32_t i = 0; !r && i < w->n; i++)
		r = ask(w, KVM_WARDEN_WATCH, &w->of[i]);
	if (r) {
		watches_end(w);
		note(w, "", refusal(r));
	} else {
		w->why[0] = '\0';
	}
}

static bool same(const struct watches *a, const struct watches *b)
{
	for (uint32_t i = 0; i < a->n && i < b->n; i++)
		if (a->of[i].gpa != b->of[i].gpa || a->of[i].len != b->of[i].len)
			return false;
	return a->n == b->n;
}

void watches_set(struct watches *w, const struct kernel *k)
{
	struct watches now = { .n = 0 };
	struct m_checked booted = { 0 };

	if (!w->wanted) {
		watches_end(w);
		w->why[0] = '\0';
		return;
	}
	/* Until it is up it writes there itself, and when it goes down others do. */
	if (!check_booted(k, &booted)) {
		watches_end(w);
		return;
	}
	if (w->ended)
		return;
	if (!add_table(&now, k, SYM_SYS_CALL_TABLE, 8 * SURE_CALLS, false) ||
	    !add_table(&now, k, SYM_IDT_TABLE, GATES * sizeof(struct gate), true)) {
		watches_end(w);
		note(w, "", "they are not where this kernel says");
		return;
	}
	if (same(w, &now))
		return;
	watches_end(w);
	memcpy(w->of, now.of, sizeof(now.of));
	w->n = now.n;
	start(w);
}

/* ---- what is told ---- */

static void who_wrote(const struct kernel *k, uint64_t rip, char *out, size_t size)
{
	struct module_set set;
	const char *module = "";

	if (!module_set_init(&set) && !module_set_read(k, &set))
		module = module_set_at(&set, rip);
	if (kernel_text(k, rip))
		snprintf(out, size, "the kernel's own code");
	else if (module[0])
		snprintf(out, size, "module %s", module);
	else
		snprintf(out, size, "no module");
	module_set_free(&set);
}

static int sign_write(const struct watch *at, const struct kernel *k, const struct kvm_warden_write *write,
		      const struct check_sink *sink)
{
	const uint64_t first = MAX(write->gpa, at->gpa);
	const uint64_t last = MIN(write->gpa + MAX(write->len, 1u), at->gpa + at->len) - 1;
	const uint64_t table = at->va - k->symbol[at->gates ? SYM_IDT_TABLE : SYM_SYS_CALL_TABLE].address;
	const uint32_t size = at->gates ? sizeof(struct gate) : 8;
	const uint32_t len = MIN(write->len, (uint32_t)sizeof(write->data));
	struct m_sign m = { .kind = SIGN_KERNEL, .address = write->rip, .name = "Kernel.Write" };
	char owner[MODULE_NAME + 16], hex[2 * sizeof(write->data) + 1], more[32] = "";
	const uint32_t entry = (table + first - at->gpa) / size, end = (table + last - at->gpa) / size;

	who_wrote(k, write->rip, owner, sizeof(owner));
	hex_encode(hex, write->data, len);
	if (end > entry)
		snprintf(more, sizeof(more), " to %u", end);
	snprintf(m.subject, sizeof(m.subject), "%s %u%s", at->gates ? "interrupt vector" : "system call", entry,
		 more);
	snprintf(m.detail, sizeof(m.detail), "vCPU %u wrote %u bytes (%s) to the entry of %.63s, by code at %llx:"
		 " memory of %s", write->vcpu, write->len, hex, m.subject, (unsigned long long)write->rip, owner);
	return sink->sign(sink->ctx, &m);
}

static const char *ending(uint32_t flags)
{
	static const struct {
		uint32_t flag;
		const char *why;
	} all[] = {
		{ KVM_WARDEN_WRITE_SLOT, "its memory slot is gone" },
		{ KVM_WARDEN_WRITE_STUCK, "KVM cannot carry out a write to it" },
		{ KVM_WARDEN_WRITE_PAGE_TABLE, "it is a page table" },
		{ KVM_WARDEN_WRITE_OFF, "hooks were switched off" },
		{ KVM_WARDEN_WRITE_VM, "the VM ends" },
		{ KVM_WARDEN_WRITE_NESTED, "the guest runs guests" },
		{ KVM_WARDEN_WRITE_ENCRYPTED, "the guest is encrypted" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (flags & all[i].flag)
			return all[i].why;
	return "no reason is known";
}

/* The guest can bring that about, so it stays known until the kernel is another. */
static void note_end(struct watches *w, const struct kvm_warden_write *write)
{
	watches_end(w);
	w->ended = true;
	note(w, "the watch of a page ended: ", ending(write->flags));
}

/* A guest that writes all the time is not to keep us from all else. */
static bool may_tell(struct watches *w)
{
	const uint64_t now = clock_now_ns();

	if (!w->window_ns || now - w->window_ns > WINDOW_NS) {
		w->window_ns = now;
		w->told = 0;
	}
	return w->told++ < MAX_TOLD;
}

static const struct watch *find(const struct watches *w, const struct kvm_warden_write *write)
{
	for (uint32_t i = 0; i < w->n; i++)
		if (write->gpa < w->of[i].gpa + w->of[i].len && w->of[i].gpa < write->gpa + write->len)
			return &w->of[i];
	return NULL;
}

int watches_read(struct watches *w, const struct kernel *k, const struct check_sink *sink)
{
	/* The end of one takes nothing from what was written to another. */
	const struct watches were = *w;
	struct kvm_warden_write writes[RECORDS];
	ssize_t n = read(w->fd, writes, sizeof(writes));
	int r = 0;

	if (n <= 0)
		return n < 0 && errno == EINTR ? 0 : -ENODEV;
	for (size_t i = 0; !r && i < (size_t)n / sizeof(*writes); i++) {
		const struct watch *at = find(&were, &writes[i]);

		if (writes[i].time_ns < were.since_ns)
			continue;
		if (writes[i].flags & KVM_WARDEN_WRITE_ENDED)
			note_end(w, &writes[i]);
		else if (at && may_tell(w))
			r = sign_write(at, k, &writes[i], sink);
	}
	return r;
}
