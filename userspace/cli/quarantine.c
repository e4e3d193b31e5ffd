// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "lib/util.h"

static const struct column columns[] = {
	{ "TIME", LEFT }, { "GUEST", CUT }, { "ITEM", LEFT }, { "STATE", LEFT },
	{ "SIZE", RIGHT }, { "SIGNATURE", CUT }, { "PATH", CUT },
};

static void print_items(const json_t *answer)
{
	struct table *t;
	const json_t *item;
	size_t i;

	if (!json_array_size(member(answer, "items"))) {
		printf("Nothing is in quarantine.\n");
		return;
	}
	t = table_new(columns, ARRAY_SIZE(columns));
	json_array_foreach(member(answer, "items"), i, item) {
		char time[32], size[32];

		table_row(t, (const char *const[]){ time_text(time, number_of(item, "wall_ns")),
			  text_of(item, "guest_name"), text_of(item, "item"), text_of(item, "state"),
			  number_text(size, number_of(item, "size")), text_of(item, "signature"),
			  text_of(item, "path") });
		if (text_of(item, "why")[0])
			table_note(t, "%s", text_of(item, "why"));
	}
	table_end(t);
}

static int restore(struct cli *cli, const char *item, const char *reason)
{
	json_t *body = json_object(), *answer;
	int code = EXIT_YES;
	json_int_t order;

	if (reason)
		json_object_set_new(body, "reason", json_string(reason));
	answer = api_send(cli, &code, "POST", body, "/v1/quarantine/*/restore", item);
	if (!answer)
		return code;
	order = number_of(answer, "order");
	json_decref(answer);
	return follow_order(cli, order);
}

int verb_quarantine(struct cli *cli, int argc, char **argv)
{
	const char *guest = NULL, *reason = NULL;
	const struct arg args[] = {
		{ "--guest", .text = &guest }, { "--reason", .text = &reason },
	};
	int n = take_args(cli, argc, argv, args, ARRAY_SIZE(args), 0, 2);

	if (n < 0)
		return EXIT_USAGE;
	if (n == 2 && !strcmp(argv[0], "restore") && !guest)
		return restore(cli, argv[1], reason);
	if (n == 2 || reason || (n == 1 && strcmp(argv[0], "list")))
		return tell_usage(cli, "list, or restore with one ITEM of the list");
	return guest ? show_get(cli, print_items, "/v1/quarantine?guest=*", guest) :
		       show_get(cli, print_items, "/v1/quarantine");
}
