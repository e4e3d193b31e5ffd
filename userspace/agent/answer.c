// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"

bool answer(struct record_result *result, uint32_t status, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	result->status = status;
	if (text_is_printable(text))
		snprintf(result->detail, sizeof(result->detail), "%s", text);
	else
		text_escape(result->detail, sizeof(result->detail), text, strlen(text));
	return false;
}
