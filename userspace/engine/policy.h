/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What follows a finding.  An INI file:
 *
 *   [rule NAME]
 *   match = GLOB             signature name (required)
 *   kinds = file,memfd,deleted,anon      (optional; all these)
 *           guard            what the guard saw a VMM do: match is its Guard.*
 *                            name; never without being named; the host's answers
 *           integrity        code of the host's that differs from its file: never
 *                            without being named, and reported alone
 *           hidden           a process or module that one of the guest kernel's
 *                            structures shows and another does not (Hidden.*)
 *           kernel           hooked tables, changed code of the guest's kernel
 *                            (Kernel.*)
 *           suspicious       code of a process that is no program's (Code.*, Process.*)
 *           usage            abnormal CPU or memory (Usage.*); these four never
 *                            without being named
 *           rest             files at rest, which no process is known to execute: never
 *                            without being named; neither kill nor fallback
 *   guest = GLOB             guest's name (optional; all)
 *   actions = LIST           report (required), and of the agent: kill,
 *                            quarantine; of the host, done at once, the VMM's
 *                            in the order written: contain, pause, link_down, power_off
 *   fallback = STEP,STEP...  answers of the host, joined by "+", for when the
 *                            agent's came to nothing (optional)
 *   patience = N s|m         how long a missing agent is waited for (20 s)
 *   expiry = N s|m|h         of contain (until thaw)
 *   limit = N/Mm             no more than N kills, N quarantines and N answers of
 *                            the host in M minutes in one guest (optional)
 *   limit_host = N/Mm        the same over all guests (optional)
 *
 *   [usage NAME]             when a process's use is abnormal: finding Usage.CPU
 *                            or Usage.Memory, for which rules name the kind
 *                            "usage"; the first that fits a guest counts
 *   cpu = N%                 of one CPU, or more (at least one of the two)
 *   memory = NM|NG           resident, or more
 *   for = N s|m|h            without a break (10 m)
 *   baseline = N m|h         and twice what its program has used there, on an
 *                            average over about that time (24 h)
 *   guest = GLOB             guest's name (optional; all)
 *
 *   [exempt NAME]            report alone, whatever the rules say
 *   exe = GLOB               path of the executable
 *   signature = GLOB         either or both; both must match
 *
 * Exemptions come before rules, whatever their place in the file; the first
 * rule that matches decides; no match: report.  A guest chooses its own paths:
 * an exemption by exe alone is an exemption for whoever takes that path.
 */
#ifndef WARDEN_ENGINE_POLICY_H
#define WARDEN_ENGINE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_ENTRIES 256
#define POLICY_TEXT 128
#define POLICY_NAME 64

#define POLICY_REST 25
#define POLICY_HIDDEN 26	/* beside enum object_kind; these four: enum sign_kind */
#define POLICY_KERNEL 27
#define POLICY_SUSPICIOUS 28
#define POLICY_USAGE 29
#define POLICY_INTEGRITY 30
#define POLICY_GUARD 31
#define POLICY_HOST_VERBS 4	/* contain, pause, link_down, power_off */
#define POLICY_STEPS 8

#define ACTION_REPORT     (1u << 0)
#define ACTION_KILL       (1u << 1)
#define ACTION_QUARANTINE (1u << 2)

struct policy_limit {
	uint32_t n, minutes;	/* 0: no limit */
};

/* What the host does, in that order: enum host_verb. */
struct policy_step {
	uint32_t verb[POLICY_HOST_VERBS];
	unsigned n;
};

struct policy_entry {
	bool exempt;
	char name[POLICY_NAME];
	char signature[POLICY_TEXT];	/* "" : not given */
	char guest[POLICY_TEXT];
	char exe[POLICY_TEXT];
	uint32_t kinds;			/* bit n: enum object_kind n; 0: all */
	uint32_t actions;
	struct policy_step host;	/* of actions: done at once */
	struct policy_step fallback[POLICY_STEPS];
	unsigned nfallback;
	uint32_t patience_s, expiry_s;	/* expiry 0: until thaw */
	struct policy_limit limit, limit_host;	/* of one guest; of all */
	uint32_t line;			/* of its section, for messages */
};

#define USAGE_RULES 16

struct usage_rule {
	char name[POLICY_NAME], guest[POLICY_TEXT];
	uint32_t cpu_percent, memory_mib;	/* 0: not asked */
	uint32_t seconds, baseline_s;
	uint32_t line;
};

struct policy {
	struct usage_rule usage[USAGE_RULES];
	unsigned nusage;
	struct policy_entry entry[POLICY_ENTRIES];
	unsigned n, rules, exempts;
	bool missing;			/* no file: report alone */
};

struct policy_question {
	const char *signature, *guest, *exe;
	uint32_t kind;
};

struct policy_answer {
	uint32_t actions;
	const struct policy_entry *by;	/* rule or exemption; NULL: the default */
};

/*
 * 0, or -1 and a line in the log that names file, line and key; the same text
 * is left in error (of size bytes) if error is not NULL.  A missing file is
 * the default policy.
 */
int policy_load(const char *path, struct policy *ret_policy, char *error, size_t size);

/* The rule of that name; NULL: there is none (any more). */
const struct policy_entry *policy_rule(const struct policy *policy, const char *name);

/* "contain+link_down" */
void policy_step_text(const struct policy_step *step, char *out, size_t size);

struct policy_answer policy_decide(const struct policy *policy,
				   const struct policy_question *question);

#endif
