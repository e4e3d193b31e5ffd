// SPDX-License-Identifier: GPL-2.0-or-later
/* An escaped path of the engine's to bytes, and back again. */
#include "../../userspace/channel/orders.c"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char text[TEXT_PATH], bytes[TEXT_PATH], again[4 * TEXT_PATH];

	if (size >= sizeof(text) || memchr(data, 0, size))
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (unescape(bytes, text)) {
		must(strlen(bytes) <= size);
		text_escape(again, sizeof(again), bytes, strlen(bytes));
		memset(text, 0, sizeof(text));
		must(unescape(text, again) && !strcmp(text, bytes));
	}
	return 0;
}
