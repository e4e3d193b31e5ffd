// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/config.h"

#include <errno.h>
#include <ini.h>
#include <linux/kvm_warden.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "lib/lines.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"

#define GUEST_SECTION "guest "
#define SECTION_MAX 49

enum kind { PATH, WORD, NUMBER, SWITCH };

struct setting {
	const char *section, *key;
	enum kind kind;
	size_t offset;
	uint32_t min, max;
};

#define SETTING(section, kind, field, ...) \
	{ section, #field, kind, offsetof(struct config, field), __VA_ARGS__ }

static const struct setting settings[] = {
	SETTING("wardend", PATH, state_dir, 0, 0),
	SETTING("wardend", PATH, run_dir, 0, 0),
	SETTING("wardend", PATH, libexec_dir, 0, 0),
	SETTING("wardend", SWITCH, bpf, 0, 0),
	SETTING("wardend", NUMBER, sweep_seconds, 1, 86400),
	SETTING("wardend", NUMBER, check_seconds, 0, 86400),
	SETTING("wardend", NUMBER, rest_seconds, 0, 86400),
	SETTING("wardend", NUMBER, integrity_seconds, 0, 86400),
	SETTING("wardend", SWITCH, watch_tables, 0, 0),
	SETTING("wardend", PATH, guest_kernels, 0, 0),
	SETTING("wardend", NUMBER, uid_base, 1000, 0x7ffe0000),
	SETTING("wardend", SWITCH, debug, 0, 0),
	SETTING("events", NUMBER, spaces_per_second, 1, 10000000),
	SETTING("events", NUMBER, entries_per_second, 1, 10000000),
	SETTING("events", NUMBER, others_per_second, 1, 10000000),
	SETTING("scan", PATH, database, 0, 0),
	SETTING("scan", NUMBER, workers, 1, 64),
	SETTING("scan", NUMBER, scan_seconds, 1, 600),
	SETTING("engine", PATH, policy, 0, 0),
	SETTING("engine", WORD, control_group, 0, 0),
	SETTING("channel", NUMBER, port, 1, 0x7fffffff),
	SETTING("channel", PATH, host_key, 0, 0),
	SETTING("channel", PATH, agents, 0, 0),
	SETTING("channel", NUMBER, order_seconds, 1, 600),
	SETTING("vmm", PATH, qmp, 0, 0),
	SETTING("vmm", PATH, guard, 0, 0),
};

static const struct config defaults = {
	.state_dir = "/var/lib/kvm-warden",
	.run_dir = "/run/kvm-warden",
	.bpf = true,
	.sweep_seconds = 30,
	.check_seconds = 60,
	.rest_seconds = 300,
	.integrity_seconds = 300,
	.guest_kernels = "/var/lib/kvm-warden/kernels",
	.uid_base = 1879100000,		/* of a range that systemd and containers leave free */
	.spaces_per_second = 20000,
	.entries_per_second = 1000,
	.others_per_second = 1000,
	.database = "/var/lib/kvm-warden/database",
	.workers = 1,
	.scan_seconds = 30,
	.policy = "/etc/kvm-warden/policy.conf",
	.control_group = "warden",
	.port = 5757,
	.host_key = "/etc/kvm-warden/host.key",
	.agents = "/var/lib/kvm-warden/agents",
	.order_seconds = 10,
	.guard = "/etc/kvm-warden/guard.conf",
};

_Static_assert(ARRAY_SIZE(settings) <= 32, "a bit of load.seen for each");

struct load {
	const char *path;
	struct config *config;
	struct lines lines;
	uint32_t seen;			/* bit n: settings[n] was there */
	bool failed;			/* and said why */
};

static bool set_text(char *out, const char *value, bool path)
{
	if ((path && value[0] != '/') || strlen(value) >= CONFIG_PATH_MAX)
		return false;
	strcpy(out, value);
	return true;
}

static bool set_number(uint32_t *out, const struct setting *s, const char *value)
{
	uint64_t number;

	if (!parse_u64(value, s->max, &number) || number < s->min)
		return false;
	*out = number;
	return true;
}

static bool set_switch(bool *out, const char *value)
{
	bool on = !strcmp(value, "on") || !strcmp(value, "yes");

	if (!on && strcmp(value, "off") && strcmp(value, "no"))
		return false;
	*out = on;
	return true;
}

static bool set(struct config *config, const struct setting *s, const char *value)
{
	void *at = (char *)config + s->offset;

	switch (s->kind) {
	case PATH:
	case WORD:
		return set_text(at, value, s->kind == PATH);
	case NUMBER:
		return set_number(at, s, value);
	default:
		return set_switch(at, value);
	}
}

static const char *expectation(const struct setting *s)
{
	switch (s->kind) {
	case PATH:
		return "an absolute path";
	case WORD:
		return "a short name";
	case NUMBER:
		return "a number in range";
	default:
		return "on or off";
	}
}

static int refuse(struct load *load, const char *section, const char *key, const char *why)
{
	log_err("%s: line %d: [%s] %s: %s", load->path, load->lines.line, section, key, why);
	load->failed = true;
	return 0;
}

/* "guest NAME", of any name a VMM may have for its guest. */
static int on_guest(struct load *load, const char *section, const char *key, const char *value)
{
	const char *name = section + strlen(GUEST_SECTION);
	struct config *config = load->config;
	int level = guest_level(value);

	if (strcmp(key, "level"))
		return refuse(load, section, key, "unknown key");
	if (level < 0)
		return refuse(load, section, key, "must be off, metadata or content");
	/* libinih cuts a section's name without a word. */
	if (!name[0] || strlen(section) >= SECTION_MAX)
		return refuse(load, section, key, "a guest's name is of 1 to 42 bytes here");
	for (unsigned i = 0; i < config->nlevels; i++)
		if (!strcmp(config->levels[i].name, name))
			return refuse(load, section, key, "given twice");
	if (config->nlevels == CONFIG_LEVELS)
		return refuse(load, section, key, "more than 1024 guests: leave out those of [guest *]");
	strcpy(config->levels[config->nlevels].name, name);
	config->levels[config->nlevels++].level = level;
	return 1;
}

/* Called by libinih for each key; 0 stops at this line. */
static int on_key(void *user, const char *section, const char *key, const char *value)
{
	struct load *load = user;
	char why[CONFIG_PATH_MAX];

	if (!strncmp(section, GUEST_SECTION, strlen(GUEST_SECTION)))
		return on_guest(load, section, key, value);
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const struct setting *s = &settings[i];

		if (strcmp(s->section, section) || strcmp(s->key, key))
			continue;
		if (load->seen & 1u << i)
			return refuse(load, section, key, "given twice");
		load->seen |= 1u << i;
		if (set(load->config, s, value))
			return 1;
		snprintf(why, sizeof(why), "%.*s: must be %s", (int)sizeof(why) - 40, value,
			 expectation(s));
		return refuse(load, section, key, why);
	}
	return refuse(load, section, key, "unknown key");
}

static char *next_line(char *out, int size, void *user)
{
	struct load *load = user;

	return load->failed ? NULL : lines_next(&load->lines, out, size);
}

static int finish(const struct load *load, int r)
{
	const struct lines *lines = &load->lines;

	if (load->failed)
		return -1;
	/* libinih takes a read error, as of a folder, for the end. */
	if (r < 0 || ferror(lines->file))
		log_err("%s: %s", load->path, strerror(errno));
	else if (lines->refused[0])
		log_err("%s: line %d: %s", load->path, lines->line, lines->refused);
	else if (r)
		log_err("%s: line %d: not a section, key = value or comment", load->path, r);
	else
		return 0;
	return -1;
}

int config_load(const char *path, struct config *ret_config)
{
	struct config config = defaults;
	autofile FILE *file = fopen(path, "re");
	struct load load = { .path = path, .config = &config, .lines = { .file = file } };

	/* Nobody asked for another one, and nobody wrote this one. */
	if (!file && errno == ENOENT && !strcmp(path, CONFIG_DEFAULT_PATH)) {
		*ret_config = defaults;
		return 0;
	}
	if (!file) {
		log_err("%s: %s", path, strerror(errno));
		return -1;
	}
	if (finish(&load, ini_parse_stream(next_line, &load, on_key, &load)))
		return -1;
	*ret_config = config;
	return 0;
}

uint32_t config_level(const struct config *config, const char *name)
{
	uint32_t level = KVM_WARDEN_LEVEL_CONTENT;

	for (unsigned i = 0; i < config->nlevels; i++) {
		if (!strcmp(config->levels[i].name, name))
			return config->levels[i].level;
		if (!strcmp(config->levels[i].name, "*"))
			level = config->levels[i].level;
	}
	return level;
}

uint32_t config_least_level(const struct config *config)
{
	uint32_t least = config_level(config, "");

	for (unsigned i = 0; i < config->nlevels; i++)
		least = MIN(least, config->levels[i].level);
	return least;
}
