// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/profile.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/lines.h"
#include "lib/log.h"
#include "lib/util.h"

#define STARTUP_S 2
#define STARTUP_MAX_S 3600

struct load {
	const char *path;
	struct profile *profile;
	struct lines lines;
	uint32_t seen;			/* bit n: settings[n] was there */
	bool failed;			/* and said why */
};

/* ---- [guard] ---- */

static bool set_mode(struct profile *p, const char *value)
{
	static const char *const modes[] = {
		[GUARD_MODE_OFF] = "off", [GUARD_MODE_FINDING] = "finding",
		[GUARD_MODE_DENY] = "deny",
	};

	for (unsigned i = GUARD_MODE_OFF; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(modes[i], value))
			continue;
		p->mode = i;
		return true;
	}
	return false;
}

static bool set_startup(struct profile *p, const char *value)
{
	uint64_t seconds;

	if (!parse_u64(value, STARTUP_MAX_S, &seconds))
		return false;
	p->startup_s = seconds;
	return true;
}

static bool set_sockets(struct profile *p, const char *value)
{
	static const struct {
		const char *name;
		uint64_t bits;
	} families[] = {
		{ "unix", 1ull << AF_UNIX }, { "inet", 1ull << AF_INET },
		{ "inet6", 1ull << AF_INET6 }, { "netlink", 1ull << AF_NETLINK },
		{ "vsock", 1ull << AF_VSOCK }, { "packet", 1ull << AF_PACKET }, { "none", 0 },
	};
	char copy[128], *save = NULL;
	uint64_t bits = 0;

	if (strlen(value) >= sizeof(copy))
		return false;
	strcpy(copy, value);
	for (char *w = strtok_r(copy, ", \t", &save); w; w = strtok_r(NULL, ", \t", &save)) {
		size_t i = 0;

		while (i < ARRAY_SIZE(families) && strcmp(families[i].name, w))
			i++;
		if (i == ARRAY_SIZE(families))
			return false;
		bits |= families[i].bits;
	}
	p->families = bits;
	return value[0];
}

static const struct {
	const char *name;
	bool (*set)(struct profile *p, const char *value);
	const char *expected;
} settings[] = {
	{ "mode", set_mode, "off, finding or deny" },
	{ "startup", set_startup, "seconds, at most 3600" },
	{ "sockets", set_sockets, "of unix, inet, inet6, netlink, vsock, packet; or none" },
};

/* ---- [allow] ---- */

static const struct {
	const char *name;
	uint32_t rights;
} rights[] = {
	/* What may be started is mapped then: refused that, it would be killed. */
	{ "exec", GUARD_MAY_EXEC | GUARD_MAP }, { "read", GUARD_READ }, { "write", GUARD_READ | GUARD_WRITE },
	{ "map", GUARD_MAP }, { "connect", GUARD_CONNECTS },
};

static bool put(struct profile *p, const char *path, uint32_t len, uint32_t bits)
{
	struct profile_rule *r;

	for (unsigned i = 0; i < p->n; i++) {
		if (p->rule[i].len != len || memcmp(p->rule[i].path, path, len))
			continue;
		p->rule[i].rights |= bits;
		return true;
	}
	if (p->n == WARDEN_GUARD_RULES)
		return false;
	r = &p->rule[p->n++];
	memset(r, 0, sizeof(*r));
	memcpy(r->path, path, len);
	r->len = len;
	r->rights = bits;
	return true;
}

/*
 * A path as the kernel names it has no "//", "/./" or "/../": a rule with one
 * would never match.
 */
static bool is_path(const char *value)
{
	return value[0] == '/' && strlen(value) < GUARD_PATH && !strstr(value, "//") &&
	       !strstr(value, "/./") && !strstr(value, "/../");
}

static bool allow(struct profile *p, const char *value, uint32_t bits)
{
	size_t len = strlen(value);
	char folder[GUARD_PATH];

	if (!is_path(value))
		return false;
	if (value[len - 1] == '*')
		return put(p, value, len - 1, bits);
	if (value[len - 1] != '/')
		return put(p, value, len + 1, bits);
	if (len == 1)
		return put(p, value, 1, bits);
	/* The folder itself as well. */
	memcpy(folder, value, len);
	folder[len - 1] = '\0';
	return put(p, value, len, bits) && put(p, folder, len, bits);
}

/* The trie answers with the longest match alone: that one has the rights of all. */
static void inherit(struct profile *p)
{
	for (unsigned i = 0; i < p->n; i++)
		for (unsigned k = 0; k < p->n; k++)
			if (p->rule[k].len < p->rule[i].len &&
			    !memcmp(p->rule[k].path, p->rule[i].path, p->rule[k].len))
				p->rule[i].rights |= p->rule[k].rights;
}

/* ---- the file ---- */

static int refuse(struct load *l, const char *section, const char *key, const char *value,
		  const char *why)
{
	log_err("%s: line %d: [%s] %s = %s: %s", l->path, l->lines.line, section, key, value, why);
	l->failed = true;
	return 0;
}

static int on_setting(struct load *l, const char *key, const char *value)
{
	char why[128];

	for (unsigned i = 0; i < ARRAY_SIZE(settings); i++) {
		if (strcmp(settings[i].name, key))
			continue;
		if (l->seen & 1u << i)
			return refuse(l, "guard", key, value, "given twice");
		l->seen |= 1u << i;
		if (settings[i].set(l->profile, value))
			return 1;
		snprintf(why, sizeof(why), "must be %s", settings[i].expected);
		return refuse(l, "guard", key, value, why);
	}
	return refuse(l, "guard", key, value, "unknown key");
}

static int on_rule(struct load *l, const char *key, const char *value)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rights); i++) {
		if (strcmp(rights[i].name, key))
			continue;
		if (allow(l->profile, value, rights[i].rights))
			return 1;
		return refuse(l, "allow", key, value, l->profile->n == WARDEN_GUARD_RULES ?
			      "more rules than there is room for" :
			      "must be a plain absolute path of at most 255 bytes");
	}
	return refuse(l, "allow", key, value, "unknown key");
}

static int on_key(void *user, const char *section, const char *key, const char *value)
{
	struct load *l = user;

	if (l->failed)
		return 0;
	if (!strcmp(section, "guard"))
		return on_setting(l, key, value);
	if (!strcmp(section, "allow"))
		return on_rule(l, key, value);
	return refuse(l, section, key, value, "unknown section");
}

static char *next_line(char *out, int size, void *user)
{
	struct load *l = user;

	return l->failed ? NULL : lines_next(&l->lines, out, size);
}

static int finish(const struct load *l, int r)
{
	if (l->failed)
		return -1;
	if (r < 0 || ferror(l->lines.file))
		log_err("%s: %s", l->path, strerror(errno));
	else if (l->lines.refused[0])
		log_err("%s: line %d: %s", l->path, l->lines.line, l->lines.refused);
	else if (r)
		log_err("%s: line %d: not a section, key = value or comment", l->path, r);
	else
		return 0;
	return -1;
}

int profile_load(const char *path, struct profile *ret_profile)
{
	autofile FILE *file = fopen(path, "re");
	struct load l = { .path = path, .profile = ret_profile, .lines = { .file = file } };

	memset(ret_profile, 0, sizeof(*ret_profile));
	ret_profile->mode = GUARD_MODE_FINDING;
	ret_profile->startup_s = STARTUP_S;
	if (!file && errno == ENOENT) {
		ret_profile->mode = GUARD_MODE_OFF;
		ret_profile->missing = true;
		return 0;
	}
	if (!file) {
		log_err("%s: %s", path, strerror(errno));
		return -1;
	}
	if (finish(&l, ini_parse_stream(next_line, &l, on_key, &l)))
		return -1;
	inherit(ret_profile);
	return 0;
}
