// SPDX-License-Identifier: GPL-2.0-or-later
/* The body of a POST: a small object of known keys. */
#include "engine/ask.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/util.h"

static const struct key {
	const char *name;
	size_t offset, size;	/* size 0: a number */
	uint64_t max;
} keys[] = {
	{ "pid", offsetof(struct body, pid), 0, INT32_MAX },
	{ "start_ns", offsetof(struct body, start_ns), 0, INT64_MAX },
	{ "seconds", offsetof(struct body, seconds), 0, 31536000 },
	{ "how", offsetof(struct body, how), sizeof(((struct body *)0)->how), 0 },
	{ "reason", offsetof(struct body, reason), sizeof(((struct body *)0)->reason), 0 },
	{ "name", offsetof(struct body, name), sizeof(((struct body *)0)->name), 0 },
	{ "level", offsetof(struct body, level), sizeof(((struct body *)0)->level), 0 },
};

static const struct key *find_key(const char *name, uint32_t takes, uint32_t *ret_bit)
{
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		*ret_bit = 1u << i;
		if (takes & *ret_bit && !strcmp(keys[i].name, name))
			return &keys[i];
	}
	return NULL;
}

static bool set_number(void *out, const struct key *k, const json_t *value)
{
	uint64_t n = json_integer_value(value);

	if (!json_is_integer(value) || json_integer_value(value) < 0 || n > k->max)
		return false;
	memcpy(out, &n, sizeof(n));
	return true;
}

static bool set_text(char *out, const struct key *k, const json_t *value)
{
	if (!json_is_string(value) || json_string_length(value) >= k->size)
		return false;
	/* It goes into the journal: printable, as every text there. */
	text_escape(out, k->size, json_string_value(value), json_string_length(value));
	return true;
}

static bool set_key(struct ask *a, const char *name, const json_t *value)
{
	uint32_t bit;
	const struct key *k = find_key(name, a->route->takes, &bit);
	char shown[64], message[160];
	char *at;

	if (!k) {
		text_escape(shown, sizeof(shown), name, strlen(name));
		snprintf(message, sizeof(message), "%s: unknown key", shown);
		ask_fail(a, 400, message, "docs/openapi.json names the keys");
		return false;
	}
	at = (char *)&a->body + k->offset;
	if (k->size ? set_text(at, k, value) : set_number(at, k, value)) {
		a->body.given |= bit;
		return true;
	}
	if (k->size)
		snprintf(message, sizeof(message), "%s: must be a text of at most %zu bytes",
			 k->name, k->size - 1);
	else
		snprintf(message, sizeof(message), "%s: must be a number from 0 to %llu", k->name,
			 (unsigned long long)k->max);
	ask_fail(a, 400, message, "correct it");
	return false;
}

static bool has_needed(struct ask *a)
{
	char message[64];

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (!(a->route->needs & ~a->body.given & 1u << i))
			continue;
		snprintf(message, sizeof(message), "%s: missing", keys[i].name);
		ask_fail(a, 400, message, "add it to the body");
		return false;
	}
	return true;
}

bool body_parse(struct ask *a)
{
	const size_t flags = JSON_REJECT_DUPLICATES;
	json_error_t error;
	json_t *body = a->len ? json_loadb(a->text, a->len, flags, &error) : json_object();
	const char *name;
	json_t *value;
	bool ok = json_is_object(body);

	if (!ok)
		ask_fail(a, 400, "the body is no JSON object, or names a key twice",
			 "docs/openapi.json describes it");
	else
		json_object_foreach(body, name, value)
			if (ok)
				ok = set_key(a, name, value);
	json_decref(body);
	return ok && has_needed(a);
}
