/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A loaded module's build-id.  It is in a note that sysfs shows, which is in a
 * private struct of kernel/module/sysfs.c: declared here as the target's BTF has
 * it, and held to that by its offsets.
 */
#ifndef KW_COMPAT_NOTES_H
#define KW_COMPAT_NOTES_H

#include <linux/module.h>
#include <linux/sysfs.h>

#include "build_id.h"
#include "generated.h"

#ifdef KW_HAVE_NOTES_GROUP
struct module_notes_attrs {
	struct attribute_group grp;
	struct bin_attribute attrs[];
};

static_assert(offsetof(struct module_notes_attrs, grp) == FACT_NOTES_GRP_OFFSET);
static_assert(offsetof(struct module_notes_attrs, attrs) == FACT_NOTES_ATTRS_OFFSET);

/* NULL: the module has none. */
static inline const u8 *kw_find_build_id(struct module *mod)
{
	struct module_notes_attrs *notes = mod->notes_attrs;
	const struct bin_attribute *const *a = notes ? notes->grp.bin_attrs : NULL;
	const u8 *id = NULL;

	for (; a && *a && !id; a++)
		id = kw_note_build_id(*a);
	return id;
}
#else
struct module_notes_attrs {
	struct kobject *dir;
	unsigned int notes;
	struct bin_attribute attrs[];
};

static_assert(offsetof(struct module_notes_attrs, dir) == FACT_NOTES_DIR_OFFSET);
static_assert(offsetof(struct module_notes_attrs, notes) == FACT_NOTES_NOTES_OFFSET);
static_assert(offsetof(struct module_notes_attrs, attrs) == FACT_NOTES_ATTRS_OFFSET);

static inline const u8 *kw_find_build_id(struct module *mod)
{
	struct module_notes_attrs *notes = mod->notes_attrs;
	unsigned int i, n = notes ? notes->notes : 0;
	const u8 *id = NULL;

	for (i = 0; i < n && !id; i++)
		id = kw_note_build_id(&notes->attrs[i]);
	return id;
}
#endif

#endif
