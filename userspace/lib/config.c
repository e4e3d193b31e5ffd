// SPDX-License-Identifier: GPL-2.0-or-later
#include "lib/config.h"

#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <string.h>

#include "lib/log.h"
#include "lib/util.h"

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
	SETTING("wardend", NUMBER, uid_base, 1000, 0x7ffe0000),
	SETTING("wardend", SWITCH, debug, 0, 0),
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
};

static const struct config defaults = {
	.state_dir = "/var/lib/kvm-warden",
	.run_dir = "/run/kvm-warden",
	.libexec_dir = "/usr/libexec/kvm-warden",
	.bpf = true,
	.sweep_seconds = 30,
	.uid_base = 1879100000,		/* of a range that systemd and containers leave free */
	.database = "/var/lib/kvm-warden/database",
	.workers = 1,
	.scan_seconds = 30,
	.policy = "/etc/kvm-warden/policy.conf",
	.control_group = "warden",
	.port = 5757,
	.host_key = "/etc/kvm-warden/host.key",
	.agents = "/var/lib/kvm-warden/agents",
	.order_seconds = 10,
};

struct load {
	const char *path;
	struct config *config;
	bool failed;
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

/* Called by libinih for each key; 0 stops at this line. */
static int on_key(void *user, const char *section, const char *key, const char *value)
{
	struct load *load = user;

	for (size_t i = 0; i < ARRAY_SIZE(settings); i++) {
		const struct setting *s = &settings[i];

		if (strcmp(s->section, section) || strcmp(s->key, key))
			continue;
		if (set(load->config, s, value))
			return 1;
		log_err("%s: [%s] %s = %s: must be %s", load->path, section, key,
			value, expectation(s));
		load->failed = true;
		return 0;
	}
	log_err("%s: [%s] %s: unknown key", load->path, section, key);
	load->failed = true;
	return 0;
}

int config_load(const char *path, struct config *ret_config)
{
	struct config config = defaults;
	struct load load = { path, &config, false };
	autofile FILE *file = fopen(path, "re");
	int r;

	/* Nobody asked for another one, and nobody wrote this one. */
	if (!file && errno == ENOENT && !strcmp(path, CONFIG_DEFAULT_PATH)) {
		*ret_config = defaults;
		return 0;
	}
	r = file ? ini_parse_file(file, on_key, &load) : -1;
	/* libinih takes a read error, as of a folder, for the end. */
	if (!file || ferror(file)) {
		log_err("%s: %s", path, strerror(errno));
		return -1;
	}
	if (r > 0) {
		log_err("%s: line %d: %s", path, r,
			load.failed ? "refused" : "not a section, key = value or comment");
		return -1;
	}
	*ret_config = config;
	return 0;
}
