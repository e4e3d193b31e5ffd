// SPDX-License-Identifier: GPL-2.0-or-later
/* Symbol tables as a guest likes, from each layout that kernels have. */
#include <stdio.h>

#include "fuzz.h"
#include "introspect/kallsyms.h"
#include "lib/util.h"
#include "patch.h"
#include "../kallsyms_image.h"

static uint8_t whole[4][KALLSYMS_IMAGE];
static struct patched patched;

static struct kallsyms whole_tables[4];

static int take_symbol(void *ctx, const char *name, uint64_t address)
{
	must(name[0] && strlen(name) <= 512);
	return 0;
}

static void list(const struct kallsyms *tables)
{
	kallsyms_each(patched.bytes, patched.size, KALLSYMS_BASE, KALLSYMS_TEXT, tables, take_symbol, NULL);
}

static void start(void)
{
	static const struct shape *const shapes[] = { &v5_10, &v6_1, &v6_12, &v7_2 };

	struct symbol first = { "init_task", 0 };
	const char *why;

	for (unsigned i = 0; i < ARRAY_SIZE(shapes); i++) {
		build(shapes[i]);
		memcpy(whole[i], image, sizeof(image));
		must(!kallsyms_resolve(image, sizeof(image), KALLSYMS_BASE, KALLSYMS_TEXT, &first, 1,
				       &whole_tables[i], &why));
	}
}

/* First byte: which layout, and whether the tables or what is around them change. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool started;
	struct symbol wanted[] = { { "init_task", 0 }, { "symbol_number_4000", 0 }, { "absent", 0 } };
	struct kallsyms k;
	const char *why = NULL;

	if (!started)
		start();
	started = true;
	if (!size)
		return 0;
	patched.bytes = whole[data[0] % 4];
	patched.size = sizeof(image);
	patch_apply(&patched, data + 1, size - 1);
	if (kallsyms_resolve(patched.bytes, patched.size, KALLSYMS_BASE, KALLSYMS_TEXT, wanted,
			     ARRAY_SIZE(wanted), &k, &why))
		must(why != NULL);
	else if (data[0] & 4)
		list(&k);
	/* Tables found before, in an image that has changed since. */
	if (data[0] & 8)
		list(&whole_tables[data[0] % 4]);
	patch_undo(&patched);
	return 0;
}
