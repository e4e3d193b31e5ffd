// SPDX-License-Identifier: GPL-2.0-or-later
/* The last check of each thing of the host's. */
#include "engine/views.h"

static json_t *checked_json(const struct checked *c)
{
	const struct m_integrity_done *d = &c->done;
	json_t *o = json_pack("{s:s,s:I,s:I,s:s,s:s,s:s,s:I,s:I}", "what", d->what, "guest", I(d->guest),
			      "vmm_pid", I(d->vmm_pid), "status", integrity_status_name(d->status),
			      "why", d->why, "cause", d->cause, "checked_wall_ns", I(c->at_wall),
			      "elapsed_us", I(d->elapsed_us));

	view_set(o, "sections", json_integer(d->sections));
	view_set(o, "bytes", json_integer(d->bytes));
	view_set(o, "differences", json_integer(d->differences));
	if (d->guest) {
		view_set(o, "own_pages", json_integer(d->sites));
		view_set(o, "anonymous_executable", json_integer(d->anonymous));
	} else {
		view_set(o, "patch_sites", json_integer(d->sites));
		view_set(o, "patched", json_integer(d->patched));
		view_set(o, "kprobes", json_integer(d->kprobes));
		view_set(o, "traced", json_integer(d->traced));
	}
	return o;
}

bool view_is_checked(struct engine *e, const struct m_integrity_done *done)
{
	return !done->guest || guest_find(e, done->guest);
}

json_t *view_integrity(struct engine *e)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < e->nchecked; i++)
		if (view_is_checked(e, &e->checked[i].done))
			json_array_append_new(list, checked_json(&e->checked[i]));
	return json_pack("{s:I,s:o}", "seconds", I(e->config.integrity_seconds), "checked", list);
}
