/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Typed records inside a session.  Decoding is strict: exact length, no value
 * out of range, nothing left over.  A record that does not decode ends the
 * session.
 */
#ifndef WARDEN_RECORD_H
#define WARDEN_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "warden/wire.h"

struct record_login {
	uint64_t capabilities;
	uint8_t nonce[WIRE_NONCE];
	uint32_t beacon_pid;
	uint64_t beacon_gva;
	char version[WIRE_VERSION_TEXT_MAX + 1];
};

struct record_range {
	uint32_t first_page, pages;
};

/* Some of a file's content, by which the file is known. */
struct record_file {
	uint8_t hash[WIRE_HASH];
	uint32_t nranges;
	struct record_range range[WIRE_RANGES];
};

/* What the verb does not need is zero. */
struct record_order {
	uint32_t verb;
	uint64_t order;
	uint8_t nonce[WIRE_NONCE];
	uint32_t pid;
	uint64_t start_ns;
	uint8_t item[WIRE_ITEM];
	uint8_t key[WIRE_KEY];		/* secret: seals the guest's items */
	uint64_t size;
	struct record_file file;
	char path[WIRE_PATH_MAX + 1];	/* raw bytes, no NUL inside */
};

struct record_result {
	uint32_t status;
	uint64_t order;
	uint8_t nonce[WIRE_NONCE];
	char detail[WIRE_TEXT_MAX + 1];
};

/* CLOSE, ENROLLED, UNROTATED. */
struct record_text {
	char text[WIRE_TEXT_MAX + 1];
};

struct record_enrol {
	uint8_t key[WIRE_KEY], signature[WIRE_SIGNATURE];
};

/* ROTATED, SUCCESSOR. */
struct record_new_key {
	uint8_t key[WIRE_KEY], by_old[WIRE_SIGNATURE], by_new[WIRE_SIGNATURE];
};

/* The largest record that this version sends: an order to quarantine. */
#define RECORD_FILE_MAX (WIRE_HASH + 4 + 8 * WIRE_RANGES)
#define RECORD_MAX (WIRE_ORDER_BASE + WIRE_ITEM + WIRE_KEY + 8 + RECORD_FILE_MAX + 2 + \
		    WIRE_PATH_MAX)

/* Each writes to out (RECORD_MAX bytes) and returns the length. */
size_t record_put_login(uint8_t *out, const struct record_login *login);
size_t record_put_order(uint8_t *out, const struct record_order *order);
size_t record_put_result(uint8_t *out, const struct record_result *result);
size_t record_put_ping(uint8_t *out, uint8_t type, uint64_t value);
size_t record_put_text(uint8_t *out, uint8_t type, const char *text);
size_t record_put_enrol(uint8_t *out, const struct record_enrol *enrol);
size_t record_put_new_key(uint8_t *out, uint8_t type, const struct record_new_key *new_key);
size_t record_put_rotate(uint8_t *out);

/* False unless it is one whole record of that type. */
bool record_get_login(const uint8_t *record, size_t len, struct record_login *ret);
bool record_get_order(const uint8_t *record, size_t len, struct record_order *ret);
bool record_get_result(const uint8_t *record, size_t len, struct record_result *ret);
bool record_get_ping(const uint8_t *record, size_t len, uint8_t type, uint64_t *ret_value);
bool record_get_text(const uint8_t *record, size_t len, uint8_t type, struct record_text *ret);
bool record_get_enrol(const uint8_t *record, size_t len, struct record_enrol *ret);
bool record_get_new_key(const uint8_t *record, size_t len, uint8_t type,
			struct record_new_key *ret);
bool record_is_rotate(const uint8_t *record, size_t len);

#endif
