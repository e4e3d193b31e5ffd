// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/lines.h"

#include <stdbool.h>
#include <string.h>

static bool is_continued(const struct lines *lines, const char *text)
{
	const char *word = text + strspn(text, " \t\r\n");

	return lines->line > 1 && word != text && *word && *word != ';' && *word != '#';
}

char *lines_next(struct lines *lines, char *out, int size)
{
	if (lines->refused[0] || !fgets(out, size, lines->file))
		return NULL;
	lines->line++;
	if (!strchr(out, '\n') && !feof(lines->file))
		snprintf(lines->refused, sizeof(lines->refused),
			 "longer than %d characters", size - 2);
	else if (is_continued(lines, out))
		snprintf(lines->refused, sizeof(lines->refused),
			 "begins with a space: no continued lines here");
	return lines->refused[0] ? NULL : out;
}
