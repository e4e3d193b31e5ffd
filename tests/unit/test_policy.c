// SPDX-License-Identifier: GPL-2.0-or-later
/* The policy file: what it decides, and that every refusal names its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/policy.h"
#include "lib/messages.h"

static struct policy policy;
static char error[512];

static int load(const char *text)
{
	char path[] = "/tmp/warden-policy-XXXXXX";
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	error[0] = '\0';
	r = policy_load(path, &policy, error, sizeof(error));
	unlink(path);
	return r;
}

static struct policy_answer ask(const char *signature, uint32_t kind, const char *guest,
				const char *exe)
{
	const struct policy_question q = { signature, guest, exe, kind };

	return policy_decide(&policy, &q);
}

static void missing_file_reports(void **state)
{
	assert_int_equal(policy_load("/nonexistent/policy.conf", &policy, NULL, 0), 0);
	assert_true(policy.missing);
	assert_int_equal(ask("Eicar", OBJECT_FILE, "web", "/x").actions, ACTION_REPORT);
	assert_null(ask("Eicar", OBJECT_FILE, "web", "/x").by);
}

static void first_match_wins(void **state)
{
	assert_int_equal(load(
		"; comment\n"
		"[rule miners]\nmatch = *Miner*\nactions = report,kill\nlimit = 5/10m\nlimit_host = 90/10m\n\n"
		"[rule test files]\nmatch = Eicar*\nkinds = file, deleted\nguest = web-*\n"
		"actions = report, kill\n"
		"[rule rest]\nmatch = *\nactions = report\n"), 0);
	assert_int_equal(policy.rules, 3);
	assert_int_equal(ask("Unix.Miner.A", OBJECT_ANON, "", "").actions,
			 ACTION_REPORT | ACTION_KILL);
	assert_int_equal(ask("Unix.Miner.A", OBJECT_ANON, "", "").by->limit.n, 5);
	assert_int_equal(ask("Unix.Miner.A", OBJECT_ANON, "", "").by->limit.minutes, 10);
	assert_int_equal(ask("Unix.Miner.A", OBJECT_ANON, "", "").by->limit_host.n, 90);
	assert_int_equal(ask("Eicar-Test", OBJECT_FILE, "web-1", "").by->limit_host.n, 0);
	assert_string_equal(ask("Eicar-Test", OBJECT_FILE, "web-1", "").by->name, "test files");
	assert_string_equal(ask("Eicar-Test", OBJECT_DELETED, "web-1", "").by->name, "test files");
	assert_string_equal(ask("Eicar-Test", OBJECT_ANON, "web-1", "").by->name, "rest");
	assert_string_equal(ask("Eicar-Test", OBJECT_FILE, "db-1", "").by->name, "rest");
}

/* What a rule for malware does must not befall a guest for what its VMM did. */
static void a_vmm_is_answered_for_by_name(void **state)
{
	assert_int_equal(load("[rule all]\nmatch = *\nactions = report,power_off\n"
			      "[rule vmm]\nmatch = Guard.Exec\nkinds = guard\nactions = report,contain\n"
			      "[exempt files]\nsignature = Guard.File\n"), 0);
	assert_string_equal(ask("Guard.Exec", POLICY_GUARD, "", "").by->name, "vmm");
	assert_null(ask("Guard.Ptrace", POLICY_GUARD, "", "").by);
	assert_true(ask("Guard.File", POLICY_GUARD, "", "").by->exempt);
	assert_string_equal(ask("Guard.Exec", OBJECT_FILE, "", "").by->name, "all");
}

/* Nor for what merely lies in a guest. */
static void files_at_rest_are_named(void **state)
{
	assert_int_equal(load("[rule all]\nmatch = *\nactions = report,power_off\n"
			      "[rule lie]\nmatch = *\nkinds = rest\nactions = report,quarantine\n"), 0);
	assert_string_equal(ask("Eicar", POLICY_REST, "", "/x").by->name, "lie");
	assert_string_equal(ask("Eicar", OBJECT_FILE, "", "/x").by->name, "all");
	assert_int_equal(load("[rule all]\nmatch = *\nactions = report,power_off\n"), 0);
	assert_null(ask("Eicar", POLICY_REST, "", "/x").by);
}

static void exemption_comes_before_rules(void **state)
{
	assert_int_equal(load(
		"[rule all]\nmatch = *\nactions = report,kill\n"
		"[exempt lab]\nexe = /opt/lab/*\nsignature = Eicar*\n"), 0);
	assert_true(ask("Eicar-Test", OBJECT_FILE, "", "/opt/lab/run").by->exempt);
	assert_int_equal(ask("Eicar-Test", OBJECT_FILE, "", "/opt/lab/run").actions, ACTION_REPORT);
	assert_false(ask("Miner", OBJECT_FILE, "", "/opt/lab/run").by->exempt);
	assert_false(ask("Eicar-Test", OBJECT_FILE, "", "/bin/run").by->exempt);
}

static void hosts_answers_keep_their_order(void **state)
{
	const struct policy_entry *e;
	char text[64];

	assert_int_equal(load(
		"[rule a]\nmatch = *\nactions = link_down, report,kill,quarantine,contain\n"
		"fallback = contain + link_down, pause,power_off\npatience = 2 m\nexpiry = 12h\n"
		"[rule b]\nmatch = *\nactions = report,kill\nfallback = contain\n"), 0);
	e = policy_rule(&policy, "a");
	assert_int_equal(e->actions, ACTION_REPORT | ACTION_KILL | ACTION_QUARANTINE);
	policy_step_text(&e->host, text, sizeof(text));
	assert_string_equal(text, "link_down+contain");
	assert_int_equal(e->nfallback, 3);
	policy_step_text(&e->fallback[0], text, sizeof(text));
	assert_string_equal(text, "contain+link_down");
	assert_int_equal(e->fallback[2].verb[0], HOST_POWER_OFF);
	assert_int_equal(e->patience_s, 120);
	assert_int_equal(e->expiry_s, 12 * 3600);
	e = policy_rule(&policy, "b");
	assert_int_equal(e->patience_s, 20);
	assert_int_equal(e->expiry_s, 0);
	assert_null(policy_rule(&policy, "c"));
}

/* A rule for malware does not answer for the host's code; an exemption may. */
static void hosts_code_must_be_named(void **state)
{
	assert_int_equal(load(
		"[rule all]\nmatch = *\nactions = report,kill,contain\n"
		"[rule host]\nmatch = Integrity.*\nkinds = integrity\nactions = report\n"
		"[exempt known]\nsignature = Integrity.kvm_amd\n"), 0);
	assert_string_equal(ask("Integrity.kvm", POLICY_INTEGRITY, "(host)", "").by->name, "host");
	assert_string_equal(ask("Integrity.kvm", OBJECT_FILE, "web", "").by->name, "all");
	assert_string_equal(ask("Integrity.kvm_amd", POLICY_INTEGRITY, "(host)", "").by->name, "known");
}

static void refusals_name_line_and_key(void **state)
{
	static const struct {
		const char *text, *line, *key;
	} bad[] = {
		{ "[rule a]\nmatch = *\nactions = destroy\n", "line 3", "actions" },
		{ "[rule a]\nmatch = *\nkinds = integrity\nactions = report,contain\n", "line 1", "actions" },
		{ "[rule a]\nmatch = *\nkinds = integrity,file\nactions = report,kill\n", "line 1", "actions" },
		{ "[rule a]\nmatch = *\nactions = kill\n", "line 3", "actions" },
		{ "[rule a]\nmatch = *\nactions = report,contain,contain\n", "line 3", "actions" },
		{ "[rule a]\nmatch = *\nactions = contain\n", "line 3", "actions" },
		{ "[rule a]\nmatch = *\nactions = report,release\n", "line 3", "actions" },
		{ "[rule a]\nmatch = *\nactions = report,kill\nfallback = contain+\n+\n", "line 5", "" },
		{ "[rule a]\nmatch = *\nactions = report,kill\nfallback = kill\n", "line 4", "fallback" },
		{ "[rule a]\nmatch = *\nactions = report,kill\nfallback = contain,+\n", "line 4", "fallback" },
		{ "[rule a]\nmatch = *\nactions = report,kill\nfallback = pause+pause\n", "line 4", "fallback" },
		{ "[rule a]\nmatch = *\nactions = report,kill\nfallback = \n", "line 4", "fallback" },
		{ "[rule a]\nmatch = *\nactions = report,kill\nfallback = pause,pause,pause,pause,pause,"
		  "pause,pause,pause,pause\n", "line 4", "fallback" },
		{ "[rule a]\nmatch = *\nactions = report\nfallback = contain\n", "line 1", "fallback" },
		{ "[rule a]\nmatch = *\nactions = report,kill\npatience = 5s\n", "line 1", "patience" },
		{ "[rule a]\nmatch = *\nactions = report,kill\npatience = 5h\n", "line 4", "patience" },
		{ "[rule a]\nmatch = *\nactions = report,kill\npatience = 0s\n", "line 4", "patience" },
		{ "[rule a]\nmatch = *\nactions = report,kill\npatience = s\n", "line 4", "patience" },
		{ "[rule a]\nmatch = *\nactions = report,contain\nexpiry = 5 d\n", "line 4", "expiry" },
		{ "[rule a]\nmatch = *\nactions = report,contain\nexpiry = 99999999h\n", "line 4", "expiry" },
		{ "[rule a]\nmatch = *\nactions = report,pause\nexpiry = 5m\n", "line 1", "expiry" },
		{ "[exempt a]\nexe = /x\nfallback = contain\n", "line 3", "fallback" },
		{ "[rule a]\nmatch = *\nkinds = file,socket\n", "line 3", "kinds" },
		{ "[rule a]\nmatch = *\nkinds = guard\nactions = report,kill\n", "line 1", "VMM" },
		{ "[rule a]\nmatch = *\nkinds = rest\nactions = report,kill\n", "line 1", "at rest" },
		{ "[rule a]\nmatch = *\nkinds = file,rest\nactions = report,kill\nfallback = pause\n", "line 1",
		  "fallback" },
		{ "[rule a]\nmatch = *\nactions = report\nlimit = 5\n", "line 4", "limit" },
		{ "[rule a]\nmatch = *\nactions = report\nlimit = 0/10m\n", "line 4", "limit" },
		{ "[rule a]\nmatch = *\nactions = report\nlimit = 5/10h\n", "line 4", "limit" },
		{ "[rule a]\nmatch = *\nactions = report\nlimit_host = x\n", "line 4", "limit_host" },
		{ "[rule a]\nmatch = *\ncolour = red\n", "line 3", "colour" },
		{ "[rule a]\nmatch = *\nmatch = b\n", "line 3", "match" },
		{ "[rule a]\nmatch = \n", "line 2", "match" },
		{ "[rule a]\nactions = report\n", "line 1", "match" },
		{ "[rule a]\nmatch = *\n\n[rule b]\nmatch = *\nactions = report\n", "line 1", "actions" },
		{ "[rule a]\n", "line 1", "match" },
		{ "\n[exempt a]\n", "line 2", "exe" },
		{ "[exempt a]\nmatch = *\n", "line 2", "match" },
		{ "[rule a]\nmatch = *\nactions = report\n[rule a]\n", "line 4", "rule a" },
		{ "[thing]\nx = y\n", "line 1", "thing" },
		{ "match = *\n", "line 1", "match" },
		{ "[rule a]\nnonsense\n", "line 2", "" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (load(bad[i].text) != -1)
			fail_msg("accepted: %s", bad[i].text);
		if (!strstr(error, bad[i].line) || !strstr(error, bad[i].key) ||
		    !strstr(error, "/tmp/warden-policy-"))
			fail_msg("%s: refused as: %s", bad[i].text, error);
	}
}

static void long_lines_are_refused(void **state)
{
	char text[512] = "[rule a]\nmatch = ";

	memset(text + strlen(text), 'x', 400);
	assert_int_equal(load(text), -1);
	assert_non_null(strstr(error, "line 2"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(missing_file_reports),
		cmocka_unit_test(first_match_wins),
		cmocka_unit_test(exemption_comes_before_rules),
		cmocka_unit_test(a_vmm_is_answered_for_by_name),
		cmocka_unit_test(files_at_rest_are_named),
		cmocka_unit_test(hosts_answers_keep_their_order),
		cmocka_unit_test(hosts_code_must_be_named),
		cmocka_unit_test(refusals_name_line_and_key),
		cmocka_unit_test(long_lines_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
