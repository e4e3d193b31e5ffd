/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold of each answer of the introspector, whatever the guest is like. */
#ifndef WARDEN_FUZZ_ANSWERS_H
#define WARDEN_FUZZ_ANSWERS_H

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "fuzz.h"
#include "introspect/contents.h"
#include "introspect/extract.h"
#include "introspect/facts.h"
#include "introspect/inodes.h"
#include "introspect/views.h"
#include "lib/util.h"

static inline int take_task(void *ctx, const struct m_task *t)
{
	must(text_is_printable(t->comm) && text_is_printable(t->exe) && text_is_printable(t->argv));
	must(t->exe_ranges.len <= sizeof(t->exe_ranges.range));
	return 0;
}

static inline int take_object(void *ctx, const struct m_object *o, int fd)
{
	must(text_is_printable(o->path) && fd >= 0 && o->resident);
	return 0;
}

static inline int take_use(void *ctx, const struct m_uses *u)
{
	must(u->object);
	return 0;
}

static inline int take_sign(void *ctx, const struct m_sign *m)
{
	must(m->kind == SIGN_SUSPICIOUS && m->name[0] && m->detail[0]);
	must(text_is_printable(m->subject) && text_is_printable(m->detail) && text_is_printable(m->exe));
	return 0;
}

static inline int take_fact(void *ctx, const struct m_fact *m)
{
	must(m->kind && m->kind < FACT_KINDS);
	must(text_is_printable(m->name) && text_is_printable(m->value));
	return 0;
}

static inline int take_vma(void *ctx, const struct m_vma *v)
{
	must(v->start < v->end && text_is_printable(v->path));
	return 0;
}

static inline int take_kernel_facts(void *ctx, const struct m_kernel_facts *m)
{
	must(m->boot_ns <= INT64_MAX && m->uptime_ns <= INT64_MAX && m->kpti <= KPTI_UNKNOWN);
	must(text_is_printable(m->command_line) && text_is_printable(m->build_id));
	must(!*(uint32_t *)ctx);
	return 0;
}

static inline int take_module(void *ctx, const struct m_module *m)
{
	must(++*(uint32_t *)ctx <= MAX_MODULES && text_is_printable(m->name) && m->size <= INT64_MAX);
	return 0;
}

/* ---- bytes that are taken out of it ---- */

struct taken {
	uint64_t mapping, size;		/* of the last file told */
	uint64_t end, missing;
	uint32_t files;
};

static inline int take_inode(void *ctx, const struct guest_inode *n)
{
	struct taken *t = ctx;

	must(++t->files <= MAX_INODES && S_ISREG(n->mode) && !(n->size >> 63));
	must(strlen(n->path) < sizeof(n->path) && strlen(n->fs) < sizeof(n->fs) && strlen(n->id) < sizeof(n->id));
	t->mapping = n->mapping;
	t->size = n->size;
	return 0;
}

static inline void take_missing(void *ctx, uint64_t offset, uint64_t length, const char *why)
{
	struct taken *t = ctx;

	must(length && offset >= t->end && offset + length > offset && why[0]);
	t->end = offset + length;
	t->missing += length;
}

static inline void extracted(const struct taken *t, const struct extract *x, uint64_t size, int r)
{
	must(!x->unwritable && x->absent == t->missing);
	must(x->resident + x->absent == size);
}

static inline void take_missing_message(void *ctx, const struct m_missing *m)
{
	must(m->offset <= INT64_MAX && m->length <= INT64_MAX - m->offset && text_is_printable(m->why));
	take_missing(ctx, m->offset, m->length, m->why);
}

/* The engine ends who says what does not add up: no guest may bring that about. */
static inline void told_content(struct introspector *from, const struct m_extract *ask)
{
	struct taken t = { 0 };
	const struct content_sink sink = {
		memfd_create("out", MFD_CLOEXEC | MFD_ALLOW_SEALING), take_missing_message, &t,
	};
	static struct m_content m;
	struct m_done done;
	struct stat st;

	must(sink.fd >= 0 && !content_tell(from, ask, &sink, &m, &done) && !fstat(sink.fd, &st));
	close(sink.fd);
	must(done.status && done.status <= DONE_AMBIGUOUS && text_is_printable(done.why));
	must(done.status == DONE_COMPLETE || done.why[0]);
	if (done.status > DONE_INCOMPLETE)
		return;
	must(m.size <= INT64_MAX && m.resident <= m.size && m.size - m.resident == t.missing &&
	     t.end <= m.size && text_is_printable(m.path));
	must((uint64_t)st.st_size <= CONTENT_MAX && (uint64_t)st.st_size <= m.size &&
	     ((uint64_t)st.st_size == m.size || t.end == m.size));
	must(done.status == DONE_INCOMPLETE || !t.missing);
}

static inline int take_file_message(void *ctx, const struct m_inode *m)
{
	static struct msg packed;

	must(!msg_encode(&packed, &msg_inode, 1, m, -1) && text_is_printable(m->path) &&
	     text_is_printable(m->fs) && text_is_printable(m->id));
	return ++*(uint32_t *)ctx == 1000;
}

static inline void done_well(const struct m_done *d)
{
	must(d->status >= DONE_COMPLETE && d->status <= DONE_UNOBSERVABLE);
	must(d->status == DONE_COMPLETE || d->why[0]);
	must(text_is_printable(d->why));
}

/* ---- of checks ---- */

static inline int take_difference(void *ctx, const struct m_sign *m)
{
	must(m->kind && m->kind < SIGN_KINDS && m->name[0] && m->detail[0]);
	must(text_is_printable(m->name) && text_is_printable(m->subject) &&
	     text_is_printable(m->detail) && text_is_printable(m->comm) && text_is_printable(m->exe));
	return 0;
}

/* What is not known is said, and "clean" has no sign. */
static inline int take_checked(void *ctx, const struct m_checked *m)
{
	must(m->status && m->status <= CHECK_UNAVAILABLE);
	must(m->status == CHECK_CLEAN || m->why[0] || m->signs);
	must(m->status != CHECK_CLEAN || (!m->signs && !m->why[0]));
	must(text_is_printable(m->why) && text_is_printable(m->counts));
	return 0;
}

#endif
