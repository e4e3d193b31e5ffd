// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/token.h"

#include <string.h>

#define VERSION 1
#define CHECK 4
#define BYTES (1 + WIRE_KEY + WIRE_TOKEN_SECRET + CHECK)
#define VARIANT sodium_base64_VARIANT_URLSAFE_NO_PADDING

_Static_assert(TOKEN_TEXT == sodium_base64_ENCODED_LEN(BYTES, VARIANT), "token.h");

static void check_of(uint8_t out[CHECK], const uint8_t bytes[BYTES])
{
	uint8_t hash[32];

	hash_content(hash, bytes, BYTES - CHECK);
	memcpy(out, hash, CHECK);
}

void token_text(char out[TOKEN_TEXT], const struct token *token)
{
	uint8_t bytes[BYTES] = { VERSION };

	memcpy(bytes + 1, token->host, WIRE_KEY);
	memcpy(bytes + 1 + WIRE_KEY, token->secret, WIRE_TOKEN_SECRET);
	check_of(bytes + BYTES - CHECK, bytes);
	sodium_bin2base64(out, TOKEN_TEXT, bytes, BYTES, VARIANT);
	sodium_memzero(bytes, sizeof(bytes));
}

bool token_parse(const char *text, struct token *ret_token)
{
	uint8_t bytes[BYTES], check[CHECK];
	size_t len, n = strnlen(text, TOKEN_TEXT);
	bool good;

	if (n != TOKEN_TEXT - 1 ||
	    sodium_base642bin(bytes, sizeof(bytes), text, n, NULL, &len, NULL, VARIANT) ||
	    len != BYTES)
		return false;
	check_of(check, bytes);
	good = bytes[0] == VERSION && !memcmp(check, bytes + BYTES - CHECK, CHECK);
	if (good) {
		memcpy(ret_token->host, bytes + 1, WIRE_KEY);
		memcpy(ret_token->secret, bytes + 1 + WIRE_KEY, WIRE_TOKEN_SECRET);
	}
	sodium_memzero(bytes, sizeof(bytes));
	return good;
}

void token_identity(const struct token *token, struct identity *ret_identity)
{
	crypto_generichash_state state;
	uint8_t seed[crypto_sign_SEEDBYTES];

	crypto_generichash_init(&state, NULL, 0, sizeof(seed));
	crypto_generichash_update(&state, (const uint8_t *)WIRE_LABEL_TOKEN,
				  strlen(WIRE_LABEL_TOKEN));
	crypto_generichash_update(&state, token->secret, sizeof(token->secret));
	crypto_generichash_final(&state, seed, sizeof(seed));
	crypto_sign_seed_keypair(ret_identity->public, ret_identity->secret, seed);
	sodium_memzero(seed, sizeof(seed));
	sodium_memzero(&state, sizeof(state));
}
