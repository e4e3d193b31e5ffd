// SPDX-License-Identifier: GPL-2.0-or-later
/* What is amiss on this host.  It works without the daemon, and tells of it. */
#include "cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"

static const char *const words[] = { "ok", "warn", "FAIL" };
static const char *const json_words[] = { "ok", "warn", "fail" };
static const char *const colours[] = { "\033[32m", "\033[33m", "\033[31m" };

static void print(enum health health, const char *check, const char *text, const char *mend)
{
	bool colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");

	printf("%s%-4s%s  %-9s %s\n", colour ? colours[health] : "", words[health],
	       colour ? "\033[0m" : "", check, text);
	if (mend[0])
		printf("                -> %s\n", mend);
}

void report(struct doctor *d, enum health health, const char *check, const char *mend,
	    const char *format, ...)
{
	char raw[1024], text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(raw, sizeof(raw), format, args);
	va_end(args);
	text_escape(text, sizeof(text), raw, strlen(raw));
	d->failed |= health == FAIL;
	json_array_append_new(d->checks, json_pack("{s:s,s:s,s:s,s:s}", "check", check,
			      "state", json_words[health], "text", text, "what_to_do", mend));
	if (!d->cli->json)
		print(health, check, text, mend);
}

/* Without a configuration the rest judges by the defaults' places. */
static void load_config(struct doctor *d, const char *path)
{
	d->has_config = !config_load(path, &d->config);
	if (d->has_config)
		report(d, OK, "config", "", "%s", path);
	else
		report(d, FAIL, "config", "correct it: wardend.conf(5); the line above names the place",
		       "%s is refused, and wardend does not start with it", path);
}

int verb_doctor(struct cli *cli, int argc, char **argv)
{
	static void (*const checks[])(struct doctor *) = {
		check_kernel, check_kvm, check_module, check_device, check_btf,
		check_group, check_host_key, check_policy, check_space,
		check_daemon, check_events, check_cids, check_guard, check_integrity, check_roles,
		check_database, check_journal, check_guests,
	};
	const char *config = CONFIG_DEFAULT_PATH;
	const struct arg args[] = { { "--config", .text = &config } };
	struct doctor d = { .cli = cli, .checks = json_array() };

	if (take_args(cli, argc, argv, args, ARRAY_SIZE(args), 0, 0) < 0)
		return EXIT_USAGE;
	d.status = api_try(cli, d.why, sizeof(d.why), "/v1/status");
	load_config(&d, config);
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		checks[i](&d);
	json_decref(d.status);
	if (cli->json) {
		json_t *answer = json_pack("{s:b,s:o}", "ok", !d.failed, "checks", d.checks);

		print_json(answer);
		json_decref(answer);
	} else {
		json_decref(d.checks);
	}
	return d.failed ? EXIT_NO : EXIT_YES;
}
