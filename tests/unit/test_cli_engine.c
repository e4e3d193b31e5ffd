// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * wardenctl and the real engine: what each verb prints is what the schema says,
 * and what it asks for is done.  While a verb waits, a child plays the rest.
 */
#include "test_engine_content.h"

#include <libgen.h>

#include "test_cli_schema.h"

static pid_t player;
static char policy_file[] = "[rule test]\nmatch = Test.*\nactions = report,quarantine\n";

/* ---- the rest of the daemon, all willing unless a test says else ---- */

static struct {
	enum done_status done;
	enum order_status order;
	enum verdict verdict;
	bool empty;			/* no code of any process is in memory */
	bool crowd;			/* of more processes than a list has */
} plays;

/* Of whatever was asked for. */
static void say_whole(uint64_t id)
{
	struct m_content m = content_of_file;

	m.resident = m.size;
	send_to(w.introspect, &msg_content, id, &m, memfd_of(m.size, ALL_SEALS));
}

static void play_introspector(void)
{
	struct m_done done = { .status = plays.done, .tasks = 1, .objects = 1 };
	struct m_probed gone = { .pid = PID, .start_ns = START, .state = PROBE_GONE };
	struct m_vma vma = { .start = 0x400000, .end = 0x401000, .flags = VMA_READ | VMA_EXEC,
			     .major = 0xfe, .inode = 9, .path = "/tmp/miner" };
	const struct m_kernel_facts facts = { .build_id = "00ff", .boot_ns = 1700000000000000000,
		.uptime_ns = 61000000000, .text_base = 0xffffffff81000000, .paging_levels = 4,
		.kpti = KPTI_ON, .symbols = 7, .release = "6.1.0-test", .banner = "Linux version 6.1.0-test",
		.command_line = "quiet" };
	const struct m_inode inode = { .ino = 42, .path = "/etc/secret", .fs = "ext4" };
	const struct m_module module = { "dummy", 0xffffffffc0000000, 16384, 0 };
	const struct msg_schema *answer = &msg_done;
	const void *value = &done;

	if (done.status != DONE_COMPLETE)
		strcpy(done.why, "incomplete; 1 tasks changed while read");
	switch (in.type) {
	case M_LIST:
		if (plays.crowd)
			done.status = DONE_INCOMPLETE;
		else
			show_task(in.id);
		break;
	case M_MAPS:
		msg_post(w.introspect, &msg_vma, in.id, &vma, -1);
		break;
	case M_TELL_KERNEL:
		msg_post(w.introspect, &msg_kernel_facts, in.id, &facts, -1);
		msg_post(w.introspect, &msg_module, in.id, &module, -1);
		break;
	case M_FILES:
		msg_post(w.introspect, &msg_inode, in.id, &inode, -1);
		break;
	case M_EXTRACT:
		if (done.status == DONE_COMPLETE)
			say_whole(in.id);
		break;
	case M_SWEEP:
	case M_LOOK_PID:
		show_task(in.id);
		if (!plays.empty)
			show_object(in.id);
		break;
	case M_PROBE:
		answer = &msg_probed;
		value = &gone;
		break;
	}
	msg_post(w.introspect, answer, in.id, value, -1);
}

static void play_channel(void)
{
	struct m_result r = { .status = plays.order, .elapsed_us = 900, .detail = "as it says" };
	struct m_agent_info info = { .name = NAME, .state = AGENT_PINNED, .key = "00ff" };
	struct m_agent_done done = { .status = AGENT_OK };
	struct m_agent_act act;

	if (in.type == M_ORDER)
		msg_post(w.channel, &msg_result, in.id, &r, -1);
	if (!msg_decode(&in, &msg_agent_act, &act))
		return;
	if (act.verb == AGENT_LIST)
		msg_post(w.channel, &msg_agent_info, in.id, &info, -1);
	if (act.verb == AGENT_ENROL)
		strcpy(done.token, "a-token-for-once");
	msg_post(w.channel, &msg_agent_done, in.id, &done, -1);
}

static void play_scanner(void)
{
	struct m_verdict v = { .verdict = plays.verdict, .hash = { 1, 2, 3 }, .bytes = 7 };

	if (v.verdict == VERDICT_INFECTED)
		strcpy(v.name, "Test.Miner");
	if (in.type == M_SCAN)
		msg_post(w.scan, &msg_verdict, in.id, &v, -1);
}

static void play_parent(void)
{
	struct m_acted acted = { .status = ACT_DONE, .elapsed_us = 100 };

	if (in.type == M_ACT)
		msg_post(w.parent, &msg_acted, in.id, &acted, -1);
}

static void play(void)
{
	const struct {
		int fd;
		void (*answer)(void);
	} parts[] = {
		{ w.introspect, play_introspector }, { w.channel, play_channel },
		{ w.scan, play_scanner }, { w.parent, play_parent },
	};
	struct pollfd p[4];

	for (;;) {
		for (int i = 0; i < 4; i++)
			p[i] = (struct pollfd){ parts[i].fd, POLLIN, 0 };
		poll(p, 4, -1);
		for (int i = 0; i < 4; i++) {
			if (!p[i].revents)
				continue;
			if (msg_recv(parts[i].fd, &in, 0) != 1)
				_exit(0);
			parts[i].answer();
			msg_release(&in);
		}
	}
}

static void start_player(void)
{
	player = child_fork();
	if (!player)
		play();
}

static int stop_player(void **state)
{
	if (player > 0) {
		kill(player, SIGKILL);
		waitpid(player, NULL, 0);
	}
	player = 0;
	return teardown(state);
}

static int setup_all(void **state)
{
	static char copy[256];

	if (missing())
		return 0;
	snprintf(copy, sizeof(copy), "%s", getenv("WARDENCTL"));
	setenv("WARDENCTL_DIR", dirname(copy), 1);
	memset(&plays, 0, sizeof(plays));
	plays.done = DONE_COMPLETE;
	plays.order = ORDER_DONE;
	plays.verdict = VERDICT_INFECTED;
	return setup(state);
}

/* What is printed for VERB ARGUMENTS fits the schema; the caller's to free. */
static json_t *said(const char *verb, const char *arguments, int expected)
{
	json_t *json = ctl(arguments, expected);

	if (!fits_verb(verb, json)) {
		json_dumpf(json, stderr, JSON_INDENT(1));
		fail_msg("%s is not as its schema says", arguments);
	}
	return json;
}

static void say(const char *verb, const char *arguments, int expected)
{
	json_decref(said(verb, arguments, expected));
}

/* What an operator reads. */
static const char *told(const char *arguments, int expected)
{
	static char shown[1 << 16];
	char command[512];
	int status;
	FILE *f;

	snprintf(command, sizeof(command), "%s --socket %s %s 2>&1", getenv("WARDENCTL"),
		 w.socket, arguments);
	f = popen(command, "r");
	assert_non_null(f);
	shown[fread(shown, 1, sizeof(shown) - 1, f)] = '\0';
	status = pclose(f);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != expected)
		fail_msg("%s: status %x: %s", arguments, status, shown);
	return shown;
}

static void expect_told(const char *arguments, int expected, const char *like)
{
	const char *shown = told(arguments, expected);

	if (!strstr(shown, like))
		fail_msg("%s: %s", arguments, shown);
}

static const char *explain_first(void)
{
	static char arguments[48];
	json_t *json = said("findings", "findings", 0);

	snprintf(arguments, sizeof(arguments), "explain %lld", (long long)
		 number(json_array_get(json_object_get(json, "findings"), 0), "id"));
	json_decref(json);
	return arguments;
}

static const char *into(const char *arguments, const char *name)
{
	static char text[256];

	snprintf(text, sizeof(text), "%s --out %s/%s", arguments, w.dir, name);
	return text;
}

/* ---- tests ---- */

static void answers_are_as_documented(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	infected();
	send_result(expect_order(), ORDER_DONE);
	answer_probe(PROBE_GONE);
	await_order("done", "killed");
	start_player();
	say("status", "", 0);
	expect_told("status", 0, "Version    " WARDEN_VERSION "\n");
	say("guests", "guests", 0);
	say("guests GUEST", "guests " NAME, 0);
	say("kernel", "kernel " NAME, 0);
	say("ps", "ps " NAME, 0);
	say("tree", "tree 7", 0);
	say("maps", "maps 7 1234", 0);
	say("files", "files 7", 0);
	say("file", into("file 7 /etc/secret", "f1"), 0);
	say("file", into("file 7 1234 --exe", "f2"), 0);
	say("read", into("read 7 kernel 0xffffffff81000000 8292", "f3"), 0);
	say("explain", explain_first(), 0);
	say("quarantine", "quarantine", 0);
	say("agents", "agents", 0);
	say("journal", "journal --after 0 --limit 5", 0);
	say("journal verify", "journal verify", 0);
	say("error", "ps nobody", 1);
	say("error", "explain 999999", 1);
	say("error", "quarantine --guest nobody", 1);
	say("error", "quarantine restore 00112233445566778899aabbccddeeff", 1);
	say("error", "scan --watch 77", 1);
	say("error", "metrics /nowhere/metrics", 3);
}

static void what_is_asked_is_done(void **state)
{
	json_t *json;

	NEEDS_PROGRAMS();
	all_up();
	start_player();
	json = said("freeze", "freeze web-1 --seconds 60 --reason 'a test'", 0);
	assert_true(json_is_true(json_object_get(json, "contained")));
	json_decref(json);
	json = said("guests GUEST", "guests 7", 0);
	assert_true(number(json_object_get(json, "containment"), "until_wall_ns") > 0);
	json_decref(json);
	json = said("thaw", "thaw web-1", 0);
	assert_true(json_is_false(json_object_get(json, "contained")));
	json_decref(json);
	json = said("enrol", "enrol web-2 --seconds 600", 0);
	assert_string_equal(text(json, "token"), "a-token-for-once");
	json_decref(json);
	say("agents revoke", "agents revoke web-1", 0);
	say("agents rotate", "agents rotate web-1", 0);
}

static void killed_process_is_seen_gone(void **state)
{
	json_t *json;

	NEEDS_PROGRAMS();
	all_up();
	start_player();
	json = said("kill", "kill web-1 1234 --yes --reason 'a test'", 0);
	assert_string_equal(text(json, "outcome"), "killed");
	json_decref(json);
	say("error", "kill web-1 4321 --yes", 1);
}

static void crowd_hides_nobody_from_a_kill(void **state)
{
	NEEDS_PROGRAMS();
	plays.crowd = true;
	all_up();
	start_player();
	expect_told("ps web-1", 0, "The list is not complete");
	expect_told("kill web-1 1234 --yes", 0, "done; seen from outside: killed");
}

static void kernel_is_told(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	start_player();
	expect_told("kernel web-1", 0, "Kernel        6.1.0-test\n");
	expect_told("kernel web-1", 0, "BUILD-ID      00ff\n");
	expect_told("kernel web-1", 0, ", up 61 s\n");
	expect_told("kernel web-1", 0, "Text          at 0xffffffff81000000, 7 symbols\n"
		    "Paging        4 levels, KPTI on\n");
	expect_told("kernel web-1", 0, "dummy  0xffffffffc0000000 16384 live\n");
	assert_null(strstr(told("kernel web-1", 0), "not complete"));
	say("error", "kernel nobody", 1);
	expect_told("kernel", 2, "kernel GUEST");
}

static void bytes_go_to_a_pipe(void **state)
{
	char hash[2 * HASH_BYTES + 1], said_hash[2 * HASH_BYTES + 1];
	static char bytes[FILE_SIZE + 1];
	char command[300];
	json_t *json;
	FILE *f;

	NEEDS_PROGRAMS();
	all_up();
	start_player();
	json = said("read", into("read 7 1234 0x1000 8292", "f"), 0);
	strcpy(said_hash, text(json, "blake2b"));
	json_decref(json);
	snprintf(command, sizeof(command), "%s --socket %s read 7 1234 0x1000 8292", getenv("WARDENCTL"), w.socket);
	f = popen(command, "r");
	assert_int_equal(fread(bytes, 1, sizeof(bytes), f), FILE_SIZE);
	assert_int_equal(pclose(f), 0);
	blake2b(bytes, FILE_SIZE, hash);
	assert_string_equal(hash, said_hash);
	expect_told("files 7", 0, "00:00:42");
	expect_told("files 7", 0, "/etc/secret");
	expect_told(into("file 7 /etc/secret", "g"), 0, "/etc/secret: 8292 of 8292 bytes");
	/* Nowhere to go, or no question. */
	say("error", "read 7 1234 0x1000 8292", 2);
	say("error", "file 7 /etc/secret", 2);
	say("error", into("file 7 secret", "h"), 2);
	say("error", into("file 7 --inode 8:x", "h"), 2);
	say("error", into("read 7 x 1 1", "h"), 2);
	say("error", into("read 7 1 0x 1", "h"), 2);
}

static void part_of_a_kernel_is_told_as_such(void **state)
{
	NEEDS_PROGRAMS();
	plays.done = DONE_INCOMPLETE;
	all_up();
	start_player();
	expect_told("kernel web-1", 0, "It is not complete: incomplete;");
}

static void another_guest(uint64_t id, const char *name)
{
	struct m_guest_up up = { .level = KVM_WARDEN_LEVEL_CONTENT, .guest = id, .vmm_pid = VMM + id };
	int s[2];

	pair(s);
	strcpy(up.name, name);
	guest_comes(&up, s[1]);
}

/* Tenants name their guests: what means another one too means none. */
static void name_takes_no_guests_place(void **state)
{
	json_t *json;

	NEEDS_PROGRAMS();
	all_up();
	another_guest(9, "7");
	another_guest(10, "12");
	another_guest(11, "+7");
	start_player();
	expect_told("guests 11", 0, "Guest       11 +7");
	say("error", "freeze 7", 1);
	say("error", "findings --guest 7", 1);
	say("error", "quarantine --guest 7", 1);
	expect_told("thaw 7", 1, "one has it as its id");
	expect_told("guests +7", 0, "Guest       7 web-1");
	expect_told("guests web-1", 0, "Guest       7 web-1");
	expect_told("guests 9", 0, "Guest       9 7");
	expect_told("guests 12", 0, "Guest       10 12");
	say("findings", "findings --guest +7", 0);
	say("quarantine", "quarantine --guest +7", 0);
	json = said("guests GUEST", "guests +7", 0);
	assert_int_equal(number(json, "id"), 7);
	json_decref(json);
	assert_string_equal(told("_words guests", 0), "web-1\n+9\n+10\n+11\n");
}

/* An old list is shown as such, however young its sweep. */
static void old_list_is_told(void **state)
{
	NEEDS_PROGRAMS();
	all_up();
	look();
	answer_scan(VERDICT_CLEAN, "");
	close(w.introspect);
	w.introspect = -1;
	for (int i = 0; i < 100 && !strstr(told("guests web-1", 0), "Kernel      not"); i++)
		usleep(50000);
	expect_told("ps web-1", 0, "/tmp/miner");
	expect_told("ps web-1", 0, "The list is not of now: the guest is not introspected now\n"
		    "The last sweep ended ");
	expect_told("tree web-1", 0, "The list is not of now: ");
	say("ps", "ps web-1", 0);
}

static void scan_finds_what_is_infected(void **state)
{
	json_t *json;

	NEEDS_PROGRAMS();
	all_up();
	start_player();
	json = said("scan", "scan web-1 1234", 1);
	assert_int_equal(number(json, "infected"), 1);
	assert_int_equal(json_array_size(json_object_get(json, "findings")), 1);
	json_decref(json);
}

/* The real engine's items and orders, to their ends. */
static void restore(enum order_status answer, int status, const char *like)
{
	char arguments[96];
	json_t *items;

	plays.order = answer;
	all_up();
	infected();
	send_result(expect(w.channel, &msg_order, &(struct m_order){ 0 }), ORDER_DONE);
	start_player();
	items = said("quarantine", "quarantine", 0);
	snprintf(arguments, sizeof(arguments), "quarantine restore %s",
		 text(json_array_get(json_object_get(items, "items"), 0), "item"));
	json_decref(items);
	expect_told(arguments, status, like);
	assert_null(strstr(told("findings", 0), "seen from outside"));
	assert_null(strstr(told(explain_first(), 0), "Seen from outside"));
}

static void restored_file_is_told_as_done(void **state)
{
	NEEDS_PROGRAMS();
	restore(ORDER_DONE, 0, ": done, by the agent's word: as it says\n");
}

static void file_that_is_not_put_back(void **state)
{
	NEEDS_PROGRAMS();
	restore(ORDER_FAILED, 1, ": failed: as it says\n");
}

static void restore_without_an_answer(void **state)
{
	NEEDS_PROGRAMS();
	restore(ORDER_EXPIRED, 4, ": no answer in time");
}

/* A guest that tears its task list is not clean. */
static void scan_is_clean_if_all_was_seen(void **state)
{
	NEEDS_PROGRAMS();
	plays.verdict = VERDICT_CLEAN;
	all_up();
	start_player();
	expect_told("scan web-1", 0, "\nClean\n");
	say("scan", "scan web-1", 0);
}

static void scan_of_a_part_is_undecided(void **state)
{
	NEEDS_PROGRAMS();
	plays.verdict = VERDICT_CLEAN;
	plays.done = DONE_INCOMPLETE;
	all_up();
	start_player();
	expect_told("scan web-1", 4, "not clean: not all was seen: incomplete; 1 tasks changed");
	assert_null(strstr(told("scan web-1 1234", 4), "\nClean"));
	say("scan", "scan web-1", 4);
}

static void scan_of_nothing_is_undecided(void **state)
{
	NEEDS_PROGRAMS();
	plays.empty = true;
	all_up();
	start_player();
	expect_told("scan web-1 1234", 4, "Nothing could be scanned");
	assert_null(strstr(told("scan web-1", 4), "\nClean"));
}

int main(void)
{
#undef T
#define T(f) cmocka_unit_test_setup_teardown(f, setup_all, stop_player)
#define F(f) cmocka_unit_test_prestate_setup_teardown(f, setup_all, stop_player, policy_file)
	const struct CMUnitTest tests[] = {
		T(answers_are_as_documented), T(what_is_asked_is_done),
		T(killed_process_is_seen_gone), T(scan_finds_what_is_infected),
		T(crowd_hides_nobody_from_a_kill), T(old_list_is_told),
		T(name_takes_no_guests_place), T(kernel_is_told), T(bytes_go_to_a_pipe), T(part_of_a_kernel_is_told_as_such),
		T(scan_is_clean_if_all_was_seen), T(scan_of_a_part_is_undecided),
		T(scan_of_nothing_is_undecided), F(restored_file_is_told_as_done),
		F(file_that_is_not_put_back), F(restore_without_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
