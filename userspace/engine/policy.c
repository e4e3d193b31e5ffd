// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/policy.h"

#include <errno.h>
#include <fnmatch.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"

struct load {
	FILE *file;
	struct policy *policy;
	const char *path;
	unsigned line;
	char section[POLICY_NAME + 16];	/* the one current is of */
	struct policy_entry *current;
	uint32_t seen;			/* bit n: keys[n] was in it */
	bool failed;
	char *error;
	size_t size;
	char text[512];			/* the first error */
};

static void refuse(struct load *l, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void refuse(struct load *l, unsigned line, const char *format, ...)
{
	char what[384];
	va_list args;

	if (l->failed)
		return;
	va_start(args, format);
	vsnprintf(what, sizeof(what), format, args);
	va_end(args);
	snprintf(l->text, sizeof(l->text), "%.100s: line %u: %s", l->path, line, what);
	l->failed = true;
}

static bool set_glob(char *out, const char *value)
{
	if (!value[0] || strlen(value) >= POLICY_TEXT)
		return false;
	strcpy(out, value);
	return true;
}

static bool set_signature(struct policy_entry *e, const char *v) { return set_glob(e->signature, v); }
static bool set_guest(struct policy_entry *e, const char *v) { return set_glob(e->guest, v); }
static bool set_exe(struct policy_entry *e, const char *v) { return set_glob(e->exe, v); }

struct word {
	const char *text;
	uint32_t bit;
};

/* "a,b": the bits of words that are all known. */
static bool set_words(uint32_t *out, const char *value, const struct word *words, size_t n)
{
	char copy[POLICY_TEXT], *save = NULL;
	uint32_t bits = 0;

	if (strlen(value) >= sizeof(copy))
		return false;
	strcpy(copy, value);
	for (char *w = strtok_r(copy, ", \t", &save); w; w = strtok_r(NULL, ", \t", &save)) {
		size_t i = 0;

		while (i < n && strcmp(words[i].text, w))
			i++;
		if (i == n)
			return false;
		bits |= words[i].bit;
	}
	*out = bits;
	return bits;
}

static bool set_kinds(struct policy_entry *e, const char *value)
{
	static const struct word kinds[] = {
		{ "file", 1u << OBJECT_FILE }, { "memfd", 1u << OBJECT_MEMFD },
		{ "deleted", 1u << OBJECT_DELETED }, { "anon", 1u << OBJECT_ANON },
	};

	return set_words(&e->kinds, value, kinds, ARRAY_SIZE(kinds));
}

static bool set_actions(struct policy_entry *e, const char *value)
{
	static const struct word actions[] = {
		{ "report", ACTION_REPORT }, { "kill", ACTION_KILL },
	};

	/* Nothing is done silently: every answer includes a report. */
	return set_words(&e->actions, value, actions, ARRAY_SIZE(actions)) &&
	       (e->actions & ACTION_REPORT);
}

/* "N/Mm" */
static bool parse_limit(struct policy_limit *out, const char *value)
{
	char copy[32], *slash, *unit;
	uint64_t kills, minutes;

	if (strlen(value) >= sizeof(copy))
		return false;
	strcpy(copy, value);
	slash = strchr(copy, '/');
	if (!slash)
		return false;
	*slash++ = '\0';
	unit = strchr(slash, 'm');
	if (!unit || unit[1])
		return false;
	*unit = '\0';
	if (!parse_u64(copy, 1000000, &kills) || !parse_u64(slash, 525600, &minutes) ||
	    !kills || !minutes)
		return false;
	*out = (struct policy_limit){ kills, minutes };
	return true;
}

static bool set_limit(struct policy_entry *e, const char *v) { return parse_limit(&e->limit, v); }
static bool set_limit_host(struct policy_entry *e, const char *v) { return parse_limit(&e->limit_host, v); }

struct key {
	const char *name;
	bool of_exempt;
	bool (*set)(struct policy_entry *e, const char *value);
	const char *expected;
};

static const struct key keys[] = {
	{ "match", false, set_signature, "a glob of 1 to 127 characters" },
	{ "kinds", false, set_kinds, "of file, memfd, deleted, anon, separated by commas" },
	{ "guest", false, set_guest, "a glob of 1 to 127 characters" },
	{ "actions", false, set_actions, "report, or report,kill" },
	{ "limit", false, set_limit, "N/Mm, such as 5/10m: at most 5 kills in 10 minutes" },
	{ "limit_host", false, set_limit_host, "N/Mm, such as 50/10m: at most 50 kills in 10 minutes" },
	{ "exe", true, set_exe, "a glob of 1 to 127 characters" },
	{ "signature", true, set_signature, "a glob of 1 to 127 characters" },
};

/* The section that just ended must be whole. */
static void check_entry(struct load *l)
{
	const struct policy_entry *e = l->current;

	if (!e)
		return;
	if (e->exempt && !e->exe[0] && !e->signature[0])
		refuse(l, e->line, "[%s]: needs the key exe or signature", l->section);
	else if (!e->exempt && !e->signature[0])
		refuse(l, e->line, "[%s]: needs the key match", l->section);
	else if (!e->exempt && !e->actions)
		refuse(l, e->line, "[%s]: needs the key actions", l->section);
}

static bool name_taken(const struct policy *p, bool exempt, const char *name)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->entry[i].exempt == exempt && !strcmp(p->entry[i].name, name))
			return true;
	return false;
}

static void begin_entry(struct load *l, const char *section)
{
	bool exempt = !strncmp(section, "exempt ", 7);
	const char *name = section + (exempt ? 7 : 5);
	struct policy *p = l->policy;

	if (!exempt && strncmp(section, "rule ", 5)) {
		refuse(l, l->line, "[%s]: must be [rule NAME] or [exempt NAME]", section);
		return;
	}
	if (!name[0] || strlen(name) >= POLICY_NAME || !text_is_printable(name)) {
		refuse(l, l->line, "[%s]: the name must have 1 to %d characters",
		       section, POLICY_NAME - 1);
		return;
	}
	if (name_taken(p, exempt, name)) {
		refuse(l, l->line, "[%s]: there is one of that name already", section);
		return;
	}
	if (p->n == POLICY_ENTRIES) {
		refuse(l, l->line, "[%s]: more than %d sections", section, POLICY_ENTRIES);
		return;
	}
	l->current = &p->entry[p->n++];
	l->current->exempt = exempt;
	l->current->line = l->line;
	strcpy(l->current->name, name);
	*(exempt ? &p->exempts : &p->rules) += 1;
}

/*
 * libinih tells of sections only through their keys, and of no line number:
 * this reader counts the lines and sees the section's head itself.
 */
static void on_section(struct load *l, char *text)
{
	char *end = strchr(text, ']');

	check_entry(l);
	l->current = NULL;
	l->seen = 0;
	if (!end || end - text - 1 >= (long)sizeof(l->section)) {
		refuse(l, l->line, "the section's name does not end, or is too long");
		return;
	}
	memcpy(l->section, text + 1, end - text - 1);
	l->section[end - text - 1] = '\0';
	begin_entry(l, l->section);
}

static char *next_line(char *out, int size, void *user)
{
	struct load *l = user;
	char *text;

	if (l->failed || !fgets(out, size, l->file))
		return NULL;
	l->line++;
	if (!strchr(out, '\n') && !feof(l->file)) {
		refuse(l, l->line, "longer than %d characters", size - 2);
		return NULL;
	}
	if (l->line > 1 && (out[0] == ' ' || out[0] == '\t')) {
		text = out + strspn(out, " \t\r\n");
		if (*text && *text != ';' && *text != '#') {
			refuse(l, l->line, "begins with a space: no continued lines here");
			return NULL;
		}
	}
	text = out + strspn(out, " \t");
	if (*text == '[')
		on_section(l, text);
	return out;
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct load *l = user;

	if (l->failed)
		return 0;
	if (!l->current) {
		refuse(l, l->line, "%s: before any section", name);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].name, name) || keys[i].of_exempt != l->current->exempt)
			continue;
		if (l->seen & 1u << i) {
			refuse(l, l->line, "[%s] %s: given twice", l->section, name);
			return 0;
		}
		l->seen |= 1u << i;
		if (text_is_printable(value) && keys[i].set(l->current, value))
			return 1;
		refuse(l, l->line, "[%s] %s = %s: must be %s", l->section, name, value,
		       keys[i].expected);
		return 0;
	}
	refuse(l, l->line, "[%s] %s: unknown key", l->section, name);
	return 0;
}

static int finish(struct load *l, int r)
{
	if (r > 0)
		refuse(l, r, "not a section, key = value or comment");
	else if (r < 0)
		refuse(l, l->line, "out of memory or unreadable");
	check_entry(l);
	if (!l->failed)
		return 0;
	log_err("%s", l->text);
	if (l->error)
		snprintf(l->error, l->size, "%s", l->text);
	return -1;
}

int policy_load(const char *path, struct policy *ret_policy, char *error, size_t size)
{
	autofile FILE *file = fopen(path, "re");
	struct load l = { .file = file, .policy = ret_policy, .path = path,
			  .error = error, .size = size };

	memset(ret_policy, 0, sizeof(*ret_policy));
	if (!file && errno == ENOENT) {
		log_warn("%s: not there: everything is reported, nothing killed", path);
		ret_policy->missing = true;
		return 0;
	}
	if (!file) {
		log_err("%s: %s", path, strerror(errno));
		if (error)
			snprintf(error, size, "%s: %s", path, strerror(errno));
		return -1;
	}
	return finish(&l, ini_parse_stream(next_line, &l, on_key, &l));
}

static bool matches(const char *glob, const char *text)
{
	return !glob[0] || !fnmatch(glob, text, 0);
}

static bool entry_matches(const struct policy_entry *e, const struct policy_question *q)
{
	return matches(e->signature, q->signature) && matches(e->exe, q->exe) &&
	       matches(e->guest, q->guest) &&
	       (!e->kinds || (e->kinds & 1u << q->kind));
}

struct policy_answer policy_decide(const struct policy *policy,
				   const struct policy_question *question)
{
	for (int rules = 0; rules < 2; rules++) {
		for (unsigned i = 0; i < policy->n; i++) {
			const struct policy_entry *e = &policy->entry[i];

			if (e->exempt == !rules && entry_matches(e, question))
				return (struct policy_answer){
					rules ? e->actions : ACTION_REPORT, e };
		}
	}
	return (struct policy_answer){ ACTION_REPORT, NULL };
}
