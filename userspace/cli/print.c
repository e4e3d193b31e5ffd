// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int print_json(json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(2));
	putchar('\n');
	return EXIT_YES;
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

static void print_cell(const struct column *column, const char *text, bool last)
{
	int width = abs(column->width), len = strlen(text);

	if (len > width)
		printf("%.*s~", width - 1, text);
	else if (last && column->width < 0)
		fputs(text, stdout);
	else
		printf("%*s", column->width, text);
	putchar(last ? '\n' : ' ');
}

void print_row(const struct column *columns, int n, const char *const *cells)
{
	for (int i = 0; i < n; i++)
		print_cell(&columns[i], cells[i], i == n - 1);
}

void print_head(const struct column *columns, int n)
{
	for (int i = 0; i < n; i++)
		print_cell(&columns[i], columns[i].head, i == n - 1);
}
