// SPDX-License-Identifier: GPL-2.0-or-later
/* A token's text, as somebody typed it. */
#include "channel/token.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1), again[TOKEN_TEXT];
	struct token token;

	memcpy(text, data, size);
	text[size] = '\0';
	if (token_parse(text, &token)) {
		token_text(again, &token);
		must(!strcmp(text, again));
	}
	free(text);
	return 0;
}
