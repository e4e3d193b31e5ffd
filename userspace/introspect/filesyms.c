// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/filesyms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "introspect/kallsyms.h"
#include "lib/util.h"

#define STEP (1u << 20)
#define MAX_TEXT (64u << 20)
#define LINE_MAX_ 1024			/* with a name as long as kallsyms has them */

struct lines {
	char *text;
	size_t size, room;
};

/* A name that would break a line is no symbol's. */
static bool is_word(const char *name)
{
	for (; *name; name++)
		if (*name <= ' ' || *name > '~')
			return false;
	return true;
}

static int add_line(void *ctx, const char *name, uint64_t address)
{
	struct lines *l = ctx;

	if (l->room - l->size < LINE_MAX_) {
		char *more = l->room < MAX_TEXT ? realloc(l->text, l->room + STEP) : NULL;

		if (!more)
			return -ENOMEM;
		l->text = more;
		l->room += STEP;
	}
	if (name[1] && is_word(name) && strlen(name) < LINE_MAX_ - 32)
		l->size += snprintf(l->text + l->size, l->room - l->size, "%016llx %c %s\n",
				    (unsigned long long)address, name[0], name + 1);
	return 0;
}

char *file_symbols(const uint8_t *rodata, size_t len, uint64_t base, uint64_t text_base,
		   size_t *ret_size, const char **ret_why)
{
	struct lines l = { 0 };
	struct symbol stext = { "_stext", 0 };
	struct kallsyms tables;

	if (kallsyms_resolve(rodata, len, base, text_base, &stext, 1, &tables, ret_why))
		return NULL;
	if (kallsyms_each(rodata, len, base, text_base, &tables, add_line, &l) || !l.size) {
		free(l.text);
		*ret_why = "its symbols do not hold together";
		return NULL;
	}
	l.text[l.size] = '\0';
	*ret_size = l.size;
	return l.text;
}
