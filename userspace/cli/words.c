// SPDX-License-Identifier: GPL-2.0-or-later
/* For completion: one word a line; nothing, and no complaint, if nobody answers. */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "lib/util.h"

static const struct {
	const char *kind, *path, *list, *key;	/* key NULL: see print_guest */
} kinds[] = {
	{ "guests", "/v1/guests", "guests", NULL },
	{ "pids", "/v1/guests/*/tasks", "tasks", "pid" },
	{ "findings", "/v1/findings?limit=50", "findings", "id" },
	{ "items", "/v1/quarantine", "items", "item" },
	{ "agents", "/v1/agents", "agents", "name" },
};

/* Tenants choose names: one that reads as an id, or that no path can hold, is not offered. */
static bool is_odd(const char *name)
{
	return name[0] == '+' || strchr(name, '/') || !name[strspn(name, "0123456789")];
}

static void print_guest(const json_t *g)
{
	const char *name = text_of(g, "name");

	if (!name[0])
		printf("%lld\n", (long long)number_of(g, "id"));
	else if (is_odd(name))
		printf("+%lld\n", (long long)number_of(g, "id"));
	else
		printf("%s\n", name);
}

static void print_word(const json_t *item, const char *key)
{
	if (!key)
		print_guest(item);
	else if (json_is_integer(member(item, key)))
		printf("%lld\n", (long long)number_of(item, key));
	else
		printf("%s\n", text_of(item, key));
}

int verb_words(struct cli *cli, int argc, char **argv)
{
	char why[256];

	if (argc < 1)
		return tell_usage(cli, "for completion");
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		const json_t *item;
		json_t *answer;
		size_t i;

		if (strcmp(argv[0], kinds[k].kind))
			continue;
		answer = api_try(cli, why, sizeof(why), kinds[k].path, argc > 1 ? argv[1] : "");
		json_array_foreach(member(answer, kinds[k].list), i, item)
			print_word(item, kinds[k].key);
		json_decref(answer);
	}
	return EXIT_YES;
}
