/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The build-id in a module's note, as sysfs shows notes: a section of the file as it
 * is, which need not be what its name says.
 */
#ifndef KW_COMPAT_BUILD_ID_H
#define KW_COMPAT_BUILD_ID_H

#include <linux/string.h>
#include <linux/sysfs.h>

#include "../refusal.h"

struct kw_build_id_note {
	u32 name_size, id_size, type;
	char name[4];
	u8 id[KW_BUILD_ID];
};

/* NULL: it is no build-id, or none that is a SHA-1 alone in its section. */
static inline const u8 *kw_note_build_id(const struct bin_attribute *a)
{
	static const struct kw_build_id_note expected = {
		.name_size = sizeof("GNU"), .id_size = KW_BUILD_ID, .type = 3, .name = "GNU",
	};
	const struct kw_build_id_note *note = a->private;

	if (strcmp(a->attr.name, ".note.gnu.build-id") || a->size != sizeof(*note) || !note ||
	    memcmp(note, &expected, offsetof(struct kw_build_id_note, id)))
		return NULL;
	return note->id;
}

#endif
