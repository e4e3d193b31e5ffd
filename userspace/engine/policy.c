// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/policy.h"

#include <errno.h>
#include <fnmatch.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "lib/lines.h"
#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"

#define PATIENCE_S 20
#define USAGE_S 600
#define BASELINE_S 86400

struct load {
	struct lines lines;
	struct policy *policy;
	const char *path;
	char section[POLICY_NAME + 16];	/* the one current is of */
	struct policy_entry *current;
	struct usage_rule *usage;	/* or this */
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
		{ "rest", 1u << POLICY_REST }, { "guard", 1u << POLICY_GUARD },
		{ "integrity", 1u << POLICY_INTEGRITY },
		{ "hidden", 1u << POLICY_HIDDEN }, { "kernel", 1u << POLICY_KERNEL },
		{ "suspicious", 1u << POLICY_SUSPICIOUS }, { "usage", 1u << POLICY_USAGE },
	};

	return set_words(&e->kinds, value, kinds, ARRAY_SIZE(kinds));
}

static uint32_t host_verb(const char *text)
{
	static const uint32_t verbs[] = {
		HOST_CONTAIN, HOST_PAUSE, HOST_LINK_DOWN, HOST_POWER_OFF,
	};

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(host_verb_name(verbs[i]), text))
			return verbs[i];
	return 0;
}

static bool add_verb(struct policy_step *step, uint32_t verb)
{
	for (unsigned i = 0; i < step->n; i++)
		if (step->verb[i] == verb)
			return false;
	if (!verb || step->n == POLICY_HOST_VERBS)
		return false;
	step->verb[step->n++] = verb;
	return true;
}

/* The agent's are a set; the host's have an order. */
static bool add_action(struct policy_entry *e, const char *text)
{
	static const struct word actions[] = {
		{ "report", ACTION_REPORT }, { "kill", ACTION_KILL },
		{ "quarantine", ACTION_QUARANTINE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		if (strcmp(actions[i].text, text))
			continue;
		e->actions |= actions[i].bit;
		return true;
	}
	return add_verb(&e->host, host_verb(text));
}

static bool set_actions(struct policy_entry *e, const char *value)
{
	char copy[POLICY_TEXT], *save = NULL;

	if (strlen(value) >= sizeof(copy))
		return false;
	strcpy(copy, value);
	for (char *w = strtok_r(copy, ", \t", &save); w; w = strtok_r(NULL, ", \t", &save))
		if (!add_action(e, w))
			return false;
	/* Nothing is done silently: every answer includes a report. */
	return e->actions & ACTION_REPORT;
}

static bool parse_step(struct policy_step *step, char *text)
{
	char *save = NULL;

	for (char *w = strtok_r(text, "+ \t", &save); w; w = strtok_r(NULL, "+ \t", &save))
		if (!add_verb(step, host_verb(w)))
			return false;
	return step->n;
}

static bool set_fallback(struct policy_entry *e, const char *value)
{
	char copy[POLICY_TEXT], *save = NULL;

	if (strlen(value) >= sizeof(copy))
		return false;
	strcpy(copy, value);
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		if (e->nfallback == POLICY_STEPS || !parse_step(&e->fallback[e->nfallback++], w))
			return false;
	return e->nfallback;
}

/* "20s", "5 m": seconds, at most a year. */
static bool parse_time(uint32_t *out, const char *value, const char *units)
{
	static const struct {
		char unit;
		uint32_t seconds;
	} known[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 } };
	size_t digits = strspn(value, "0123456789");
	const char *unit = value + digits + strspn(value + digits, " ");
	char copy[16];
	uint64_t n;

	if (!digits || digits >= sizeof(copy) || !*unit || unit[1] || !strchr(units, *unit))
		return false;
	memcpy(copy, value, digits);
	copy[digits] = '\0';
	if (!parse_u64(copy, 31536000, &n) || !n)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].unit == *unit)
			n *= known[i].seconds;
	*out = n;
	return n <= 31536000;
}

static bool set_patience(struct policy_entry *e, const char *v) { return parse_time(&e->patience_s, v, "sm"); }
static bool set_expiry(struct policy_entry *e, const char *v) { return parse_time(&e->expiry_s, v, "smh"); }

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
	{ "kinds", false, set_kinds, "of file, memfd, deleted, anon, rest, guard, integrity, hidden,"
	  " kernel, suspicious, usage, separated by commas" },
	{ "guest", false, set_guest, "a glob of 1 to 127 characters" },
	{ "actions", false, set_actions, "report, and of kill, quarantine, contain, pause,"
	  " link_down, power_off, each once, separated by commas" },
	{ "fallback", false, set_fallback, "steps separated by commas, each of contain, pause,"
	  " link_down, power_off, joined by +" },
	{ "patience", false, set_patience, "a time such as 20s or 5m" },
	{ "expiry", false, set_expiry, "a time such as 90s, 30m or 12h" },
	{ "limit", false, set_limit, "N/Mm, such as 5/10m: at most 5 kills in 10 minutes" },
	{ "limit_host", false, set_limit_host, "N/Mm, such as 50/10m: at most 50 kills in 10 minutes" },
	{ "exe", true, set_exe, "a glob of 1 to 127 characters" },
	{ "signature", true, set_signature, "a glob of 1 to 127 characters" },
};

static bool contains(const struct policy_entry *e)
{
	bool found = false;

	for (unsigned i = 0; i < e->host.n; i++)
		found |= e->host.verb[i] == HOST_CONTAIN;
	for (unsigned s = 0; s < e->nfallback; s++)
		for (unsigned i = 0; i < e->fallback[s].n; i++)
			found |= e->fallback[s].verb[i] == HOST_CONTAIN;
	return found;
}

#define MEMORY_KINDS (1u << POLICY_HIDDEN | 1u << POLICY_KERNEL | 1u << POLICY_SUSPICIOUS | \
		      1u << POLICY_USAGE)

/* What can never take effect is a mistake of whoever wrote it. */
static void check_rule(struct load *l, const struct policy_entry *e)
{
	if (!e->signature[0])
		refuse(l, e->line, "[%s]: needs the key match", l->section);
	else if (!e->actions)
		refuse(l, e->line, "[%s]: needs the key actions", l->section);
	else if (e->kinds == 1u << POLICY_GUARD && e->actions & (ACTION_KILL | ACTION_QUARANTINE))
		refuse(l, e->line, "[%s] actions: kill and quarantine are for what runs in a guest,"
		       " not for its VMM", l->section);
	else if (e->kinds & 1u << POLICY_INTEGRITY && (e->actions != ACTION_REPORT || e->host.n))
		refuse(l, e->line, "[%s] actions: the host's own code is no guest's: report alone,"
		       " in a rule of its own", l->section);
	else if (e->kinds && !(e->kinds & ~MEMORY_KINDS) &&
		 (e->actions & ACTION_QUARANTINE || e->nfallback))
		refuse(l, e->line, "[%s]: quarantine and fallback are for code that was scanned: for"
		       " these kinds report, kill or answers of the host", l->section);
	else if (e->kinds == 1u << POLICY_REST && e->actions & ACTION_KILL)
		refuse(l, e->line, "[%s] actions: a file at rest is no process to kill", l->section);
	else if (e->kinds & 1u << POLICY_REST && e->nfallback)
		refuse(l, e->line, "[%s] fallback: files at rest do nothing that the host would have to"
		       " end: they get a rule without it", l->section);
	else if (e->kinds == 1u << POLICY_KERNEL && e->actions & ACTION_KILL)
		refuse(l, e->line, "[%s] actions: the guest's kernel is no process to kill", l->section);
	else if (e->nfallback && !(e->actions & (ACTION_KILL | ACTION_QUARANTINE)))
		refuse(l, e->line, "[%s] fallback: needs kill or quarantine in actions: it follows"
		       " what an agent did not do", l->section);
	else if (e->patience_s && !e->nfallback)
		refuse(l, e->line, "[%s] patience: needs the key fallback", l->section);
	else if (e->expiry_s && !contains(e))
		refuse(l, e->line, "[%s] expiry: needs contain in actions or fallback", l->section);
}

static void check_usage(struct load *l)
{
	struct usage_rule *r = l->usage;

	l->usage = NULL;
	if (!r)
		return;
	if (!r->cpu_percent && !r->memory_mib)
		refuse(l, r->line, "[%s]: needs the key cpu or memory", l->section);
	if (!r->seconds)
		r->seconds = USAGE_S;
	if (!r->baseline_s)
		r->baseline_s = BASELINE_S;
}

/* The section that just ended must be whole. */
static void check_entry(struct load *l)
{
	struct policy_entry *e = l->current;

	check_usage(l);
	if (!e)
		return;
	if (!e->exempt)
		check_rule(l, e);
	else if (!e->exe[0] && !e->signature[0])
		refuse(l, e->line, "[%s]: needs the key exe or signature", l->section);
	if (!e->patience_s)
		e->patience_s = PATIENCE_S;
}

static bool name_taken(const struct policy *p, bool exempt, const char *name)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->entry[i].exempt == exempt && !strcmp(p->entry[i].name, name))
			return true;
	return false;
}

static void begin_usage(struct load *l, const char *name)
{
	struct policy *p = l->policy;

	if (!name[0] || strlen(name) >= POLICY_NAME || !text_is_printable(name)) {
		refuse(l, l->lines.line, "[usage %s]: the name must have 1 to %d characters", name,
		       POLICY_NAME - 1);
		return;
	}
	if (p->nusage == USAGE_RULES) {
		refuse(l, l->lines.line, "[usage %s]: more than %d sections", name, USAGE_RULES);
		return;
	}
	l->usage = &p->usage[p->nusage++];
	l->usage->line = l->lines.line;
	strcpy(l->usage->name, name);
}

static void begin_entry(struct load *l, const char *section)
{
	bool exempt = !strncmp(section, "exempt ", 7);
	const char *name = section + (exempt ? 7 : 5);
	struct policy *p = l->policy;

	if (!strncmp(section, "usage ", 6)) {
		begin_usage(l, section + 6);
		return;
	}
	if (!exempt && strncmp(section, "rule ", 5)) {
		refuse(l, l->lines.line, "[%s]: must be [rule NAME], [usage NAME] or [exempt NAME]",
		       section);
		return;
	}
	if (!name[0] || strlen(name) >= POLICY_NAME || !text_is_printable(name)) {
		refuse(l, l->lines.line, "[%s]: the name must have 1 to %d characters",
		       section, POLICY_NAME - 1);
		return;
	}
	if (name_taken(p, exempt, name)) {
		refuse(l, l->lines.line, "[%s]: there is one of that name already", section);
		return;
	}
	if (p->n == POLICY_ENTRIES) {
		refuse(l, l->lines.line, "[%s]: more than %d sections", section, POLICY_ENTRIES);
		return;
	}
	l->current = &p->entry[p->n++];
	l->current->exempt = exempt;
	l->current->line = l->lines.line;
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
		refuse(l, l->lines.line, "the section's name does not end, or is too long");
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

	if (l->failed || !lines_next(&l->lines, out, size)) {
		if (l->lines.refused[0])
			refuse(l, l->lines.line, "%s", l->lines.refused);
		return NULL;
	}
	text = out + strspn(out, " \t");
	if (*text == '[')
		on_section(l, text);
	return out;
}

static bool set_cpu(struct usage_rule *r, const char *v)
{
	uint64_t n;
	char copy[16];
	size_t len = strlen(v);

	if (len < 2 || len >= sizeof(copy) || v[len - 1] != '%')
		return false;
	memcpy(copy, v, len - 1);
	copy[len - 1] = '\0';
	if (!parse_u64(copy, 100000, &n) || !n)
		return false;
	r->cpu_percent = n;
	return true;
}

static bool set_memory(struct usage_rule *r, const char *v)
{
	uint64_t n;
	char copy[16];
	size_t len = strlen(v);

	if (len < 2 || len >= sizeof(copy) || (v[len - 1] != 'M' && v[len - 1] != 'G'))
		return false;
	memcpy(copy, v, len - 1);
	copy[len - 1] = '\0';
	if (!parse_u64(copy, 1000000, &n) || !n)
		return false;
	r->memory_mib = n * (v[len - 1] == 'G' ? 1024 : 1);
	return true;
}

static bool set_duration(struct usage_rule *r, const char *v) { return parse_time(&r->seconds, v, "smh"); }
static bool set_baseline(struct usage_rule *r, const char *v) { return parse_time(&r->baseline_s, v, "mh"); }
static bool set_usage_guest(struct usage_rule *r, const char *v) { return set_glob(r->guest, v); }

static int on_usage_key(struct load *l, const char *name, const char *value)
{
	static const struct {
		const char *name;
		bool (*set)(struct usage_rule *r, const char *value);
		const char *expected;
	} usage_keys[] = {
		{ "cpu", set_cpu, "a share of one CPU such as 90%" },
		{ "memory", set_memory, "an amount such as 2G or 500M" },
		{ "for", set_duration, "a time such as 90s, 10m or 2h" },
		{ "baseline", set_baseline, "a time such as 30m or 24h" },
		{ "guest", set_usage_guest, "a glob of 1 to 127 characters" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(usage_keys); i++) {
		if (strcmp(usage_keys[i].name, name))
			continue;
		if (l->seen & 1u << i) {
			refuse(l, l->lines.line, "[%s] %s: given twice", l->section, name);
			return 0;
		}
		l->seen |= 1u << i;
		if (text_is_printable(value) && usage_keys[i].set(l->usage, value))
			return 1;
		refuse(l, l->lines.line, "[%s] %s = %s: must be %s", l->section, name, value,
		       usage_keys[i].expected);
		return 0;
	}
	refuse(l, l->lines.line, "[%s] %s: unknown key", l->section, name);
	return 0;
}

static int on_key(void *user, const char *section, const char *name, const char *value)
{
	struct load *l = user;

	if (l->failed)
		return 0;
	if (l->usage)
		return on_usage_key(l, name, value);
	if (!l->current) {
		refuse(l, l->lines.line, "%s: before any section", name);
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(keys[i].name, name) || keys[i].of_exempt != l->current->exempt)
			continue;
		if (l->seen & 1u << i) {
			refuse(l, l->lines.line, "[%s] %s: given twice", l->section, name);
			return 0;
		}
		l->seen |= 1u << i;
		if (text_is_printable(value) && keys[i].set(l->current, value))
			return 1;
		refuse(l, l->lines.line, "[%s] %s = %s: must be %s", l->section, name, value,
		       keys[i].expected);
		return 0;
	}
	refuse(l, l->lines.line, "[%s] %s: unknown key", l->section, name);
	return 0;
}

static int finish(struct load *l, int r)
{
	if (r > 0)
		refuse(l, r, "not a section, key = value or comment");
	else if (r < 0)
		refuse(l, l->lines.line, "out of memory or unreadable");
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
	struct load l = { .lines = { .file = file }, .policy = ret_policy, .path = path,
			  .error = error, .size = size };

	memset(ret_policy, 0, sizeof(*ret_policy));
	if (!file && errno == ENOENT) {
		log_warn("%s: not there: everything is reported, nothing done", path);
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

const struct policy_entry *policy_rule(const struct policy *policy, const char *name)
{
	for (unsigned i = 0; i < policy->n; i++)
		if (!policy->entry[i].exempt && !strcmp(policy->entry[i].name, name))
			return &policy->entry[i];
	return NULL;
}

void policy_step_text(const struct policy_step *step, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < step->n && used < size; i++)
		used += snprintf(out + used, size - used, "%s%s", i ? "+" : "",
				 host_verb_name(step->verb[i]));
}

static bool matches(const char *glob, const char *text)
{
	return !glob[0] || !fnmatch(glob, text, 0);
}

/* A rule for malware must not answer for anything else unless it says so; an exemption may. */
static bool kind_matches(const struct policy_entry *e, uint32_t kind)
{
	if (kind >= POLICY_REST && !e->exempt)
		return e->kinds & 1u << kind;
	return !e->kinds || e->kinds & 1u << kind;
}

static bool entry_matches(const struct policy_entry *e, const struct policy_question *q)
{
	return matches(e->signature, q->signature) && matches(e->exe, q->exe) &&
	       matches(e->guest, q->guest) &&
	       kind_matches(e, q->kind);
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
