// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/util.h"

void print_json(const json_t *json)
{
	autofree char *text = json_dumps(json, JSON_INDENT(2) | JSON_ENSURE_ASCII);

	/* ASCII has one byte left that a terminal obeys; it can be in a string alone. */
	for (const char *p = text ? text : "null"; *p; p++) {
		if (*p == 0x7f)
			fputs("\\u007f", stdout);
		else
			putchar(*p);
	}
	putchar('\n');
}

const json_t *member(const json_t *object, const char *key)
{
	return json_object_get(object, key);
}

const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

json_int_t number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

bool is_true(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}

const char *time_text(char out[32], json_int_t wall_ns)
{
	time_t t = wall_ns / 1000000000;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(out, 32, "%Y-%m-%d %H:%M:%S", &tm))
		strcpy(out, "?");
	return out;
}

const char *ms_text(char out[32], json_int_t us)
{
	if (llabs(us) < 10000)
		snprintf(out, 32, "%.1f ms", us / 1000.0);
	else
		snprintf(out, 32, "%lld ms", (long long)us / 1000);
	return out;
}

const char *number_text(char out[32], json_int_t number)
{
	snprintf(out, 32, "%lld", (long long)number);
	return out;
}

/* ---- what a terminal would obey ---- */

static void escape(char *out, size_t size, const char *text)
{
	text_escape(out, size, text, strlen(text));
}

static void clean_members(json_t *object)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(object, next, key, value) {
		char name[256];

		make_printable(value);
		if (text_is_printable(key))
			continue;
		escape(name, sizeof(name), key);
		json_object_set(object, name, value);
		json_object_del(object, key);
	}
}

/* The daemon escapes what guests wrote; this holds also if it does not. */
json_t *make_printable(json_t *json)
{
	char text[4096];
	json_t *item;
	size_t i;

	if (json_is_object(json)) {
		clean_members(json);
	} else if (json_is_array(json)) {
		json_array_foreach(json, i, item)
			make_printable(item);
	} else if (json_is_string(json) && !text_is_printable(json_string_value(json))) {
		escape(text, sizeof(text), json_string_value(json));
		json_string_set(json, text);
	}
	return json;
}
