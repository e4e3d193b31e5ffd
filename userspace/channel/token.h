/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A one-time token, by which a guest's owner brings host and agent together:
 * the agent learns the host's key from it, and proves with its secret that it
 * is the one invited.  The secret makes a key pair, and the host keeps the
 * public half alone: who reads the host's files cannot enrol.
 *
 * As text: base64url of u8 version (1), host key[32], secret[16], and the
 * first four bytes of BLAKE2b-256 over these.
 */
#ifndef WARDEN_TOKEN_H
#define WARDEN_TOKEN_H

#include "channel/identity.h"
#include "warden/wire.h"

struct token {
	uint8_t host[WIRE_KEY];
	uint8_t secret[WIRE_TOKEN_SECRET];
};

#define TOKEN_TEXT 72		/* 71 letters and NUL */

void token_text(char out[TOKEN_TEXT], const struct token *token);

/* False: not a token, or a letter of it is wrong. */
bool token_parse(const char *text, struct token *ret_token);

void token_identity(const struct token *token, struct identity *ret_identity);

#endif
