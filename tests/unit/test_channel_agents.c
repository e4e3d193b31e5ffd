// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Enrolment, revocation and new keys: by the real programs, and across deaths
 * of either.
 */
#include "test_channel_harness.h"

#include "channel/proof.h"
#include "channel/token.h"

static uint64_t act(uint32_t verb, const char *name, uint32_t seconds)
{
	struct m_agent_act m = { .verb = verb, .seconds = seconds };
	uint64_t id = next_id++;

	strcpy(m.name, name);
	assert_int_equal(msg_post(engine, &msg_agent_act, id, &m, -1), 0);
	return id;
}

static struct m_agent_done hear_done(uint64_t id)
{
	struct m_agent_done m;
	uint64_t got;

	assert_true(hear(&msg_agent_done, &got, &m, HEAR_MS));
	assert_int_equal(got, id);
	print_message("  done %u %s\n", m.status, m.why);
	return m;
}

static struct token invite(const char *name, uint32_t seconds)
{
	struct m_agent_done m = hear_done(act(AGENT_ENROL, name, seconds));
	struct token token;

	assert_int_equal(m.status, AGENT_OK);
	assert_true(token_parse(m.token, &token));
	assert_memory_equal(token.host, host_keys.key[0], WIRE_KEY);
	return token;
}

/* The states of that name: how many are pinned, invited, revoked. */
struct counts {
	int pinned, invited, revoked;
};

static struct counts count(const char *name)
{
	struct counts n = { 0 };
	uint64_t id = act(AGENT_LIST, name, 0);
	struct msg m;

	for (;;) {
		struct m_agent_info info;
		struct m_agent_done done;

		assert_int_equal(msg_recv(engine, &m, 0), 1);
		assert_int_equal(m.id, id);
		if (msg_decode(&m, &msg_agent_done, &done)) {
			assert_int_equal(done.status, AGENT_OK);
			return n;
		}
		assert_true(msg_decode(&m, &msg_agent_info, &info));
		assert_string_equal(info.name, name);
		assert_int_equal(strlen(info.key), info.state == AGENT_INVITED ? 0 : 64);
		n.pinned += info.state == AGENT_PINNED;
		n.invited += info.state == AGENT_INVITED;
		n.revoked += info.state == AGENT_REVOKED;
	}
}

static void assert_counts(const char *name, int pinned, int invited, int revoked)
{
	struct counts n = count(name);

	assert_int_equal(n.pinned, pinned);
	assert_int_equal(n.invited, invited);
	assert_int_equal(n.revoked, revoked);
}

static void restart_channel(void)
{
	stop(&channel_pid);
	close(engine);
	unlink(in_folder("sock"));
	start_channel();
}

/* `warden-agent enrol`, its exit status. */
static int run_enrol(const char *token, const char *key, const char *host_key)
{
	char transport[160];
	char *argv[] = { getenv("WARDEN_AGENT"), "--key", (char *)in_folder(key), "--host-key",
		(char *)in_folder(host_key), "--transport", transport, "--test-cid", "9", "enrol",
		(char *)token, NULL };
	int status;
	pid_t pid;

	snprintf(transport, sizeof(transport), "unix:%s", in_folder("sock"));
	pid = spawn(argv, -1);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static pid_t start_enrolled(const char *key, const char *host_key)
{
	char transport[160];
	char *argv[] = { getenv("WARDEN_AGENT"), "--key", (char *)in_folder(key), "--host-key",
		(char *)in_folder(host_key), "--quarantine", (char *)in_folder("quarantine"),
		"--transport", transport, "--test-cid", "9", NULL };

	snprintf(transport, sizeof(transport), "unix:%s", in_folder("sock"));
	return spawn(argv, -1);
}

static bool there(const char *name)
{
	return !access(in_folder(name), F_OK);
}

static void expect_up(const char *name)
{
	struct m_session m = hear_session();

	assert_int_equal(m.up, 1);
	assert_string_equal(m.agent, name);
	bind_session(&m, true, "");
}

static void expect_down(const char *why)
{
	struct m_session m = hear_session();

	assert_int_equal(m.up, 0);
	assert_non_null(strstr(m.why, why));
}

static void test_token(void **state)
{
	struct token token, out;
	char text[TOKEN_TEXT], bad[TOKEN_TEXT + 1];

	randombytes_buf(&token, sizeof(token));
	token_text(text, &token);
	assert_true(token_parse(text, &out));
	assert_memory_equal(&token, &out, sizeof(token));
	for (size_t i = 0; i < TOKEN_TEXT - 1; i++) {
		strcpy(bad, text);
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		assert_false(token_parse(bad, &out));
		bad[i] = '\0';
		assert_false(token_parse(bad, &out));
		bad[i] = '!';
		assert_false(token_parse(bad, &out));
	}
	snprintf(bad, sizeof(bad), "%sA", text);
	assert_false(token_parse(bad, &out));
	assert_false(token_parse("", &out));
}

/* The whole way of a new guest; the token is of no use afterwards. */
static void test_enrol(void **state)
{
	struct m_agent_done m = hear_done(act(AGENT_ENROL, "web2", 600));
	struct stat st;

	assert_int_equal(m.status, AGENT_OK);
	assert_counts("web2", 0, 1, 0);
	assert_int_equal(run_enrol("AQ", "new.key", "new.host"), 1);
	assert_int_equal(run_enrol(m.token, "new.key", "new.host"), 0);
	expect_down("refused: the agent closed the connection");
	assert_counts("web2", 1, 0, 0);
	assert_true(there("new.key") && there("new.host") && !there("new.key.enrol"));
	assert_int_equal(stat(in_folder("new.key"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_true(there("agents/web2.pub") && !there("agents/web2.invited"));
	agent_pid = start_enrolled("new.key", "new.host");
	expect_up("web2");
	agent_down();
	/* used */
	assert_int_equal(run_enrol(m.token, "other-new.key", "other-new.host"), 1);
	assert_false(there("other-new.key"));
	expect_down("key is not pinned");
	/* enrolled already: nothing is overwritten */
	assert_int_equal(run_enrol(m.token, "new.key", "new.host"), 1);
}

/* Only the hash of it is on the host: what is read there enrols nobody. */
static void test_invitation_survives(void **state)
{
	struct m_agent_done m = hear_done(act(AGENT_ENROL, "web3", 600));
	char line[512] = "", hex[2 * WIRE_TOKEN_SECRET + 1];
	struct token token;
	FILE *f;

	assert_true(token_parse(m.token, &token));
	hex_encode(hex, token.secret, WIRE_TOKEN_SECRET);
	f = fopen(in_folder("agents/web3.invited"), "r");
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	assert_null(strstr(line, hex));
	assert_null(strstr(line, m.token));
	restart_channel();
	assert_counts("web3", 0, 1, 0);
	assert_int_equal(run_enrol(m.token, "web3.key", "web3.host"), 0);
	expect_down("refused: the agent closed the connection");
	restart_channel();
	assert_counts("web3", 1, 0, 0);
}

/* The token's time is over: for who waits, and for a channel that was not there. */
static void test_expired(void **state)
{
	struct m_agent_done m = hear_done(act(AGENT_ENROL, "late", 1));

	sleep(1);
	usleep(100000);
	assert_int_equal(run_enrol(m.token, "late.key", "late.host"), 1);
	expect_down("key is not pinned");
	assert_counts("late", 0, 0, 0);
	assert_false(there("agents/late.invited"));
	m = hear_done(act(AGENT_ENROL, "late", 1));
	stop(&channel_pid);
	sleep(1);
	restart_channel();
	assert_counts("late", 0, 0, 0);
}

/* The test as an agent with that identity and proof; what the host answers. */
static struct identity fresh;

static void connect_fresh(uint32_t cid)
{
	crypto_sign_keypair(fresh.public, fresh.secret);
	connect_raw(cid);
	link_agent(&mine, &fresh, &host_keys);
	assert_int_equal(pump(), LINK_UP);
}

static void send_enrol(const struct token *token, const uint8_t *transcript)
{
	struct record_enrol enrol;
	struct identity key;
	uint8_t record[RECORD_MAX];

	token_identity(token, &key);
	memcpy(enrol.key, key.public, WIRE_KEY);
	proof_sign(enrol.signature, &key, WIRE_LABEL_ENROL, transcript, NULL);
	send_raw(record, record_put_enrol(record, &enrol));
}

static void expect_refused(const char *why)
{
	struct record_text bye;

	assert_int_equal(pump(), LINK_RECORD);
	assert_true(record_get_text(mine.record, mine.record_len, WIRE_CLOSE, &bye));
	assert_non_null(strstr(bye.text, why));
	assert_int_equal(pump(), LINK_FAILED);
	close(sock);
	expect_down(why);
}

/* While somebody is invited, others get through the handshake and no further. */
static void test_uninvited(void **state)
{
	struct token token = invite("web4", 600), wrong = token;
	struct record_login login = { .version = "raw" };
	uint8_t record[RECORD_MAX], other_session[WIRE_TRANSCRIPT] = { 1 };

	connect_fresh(30);
	send_raw(record, record_put_login(record, &login));
	expect_refused("key is not pinned");
	connect_fresh(31);
	wrong.secret[0] ^= 1;
	send_enrol(&wrong, mine.handshake.transcript);
	expect_refused("its token is wrong");
	/* the right token, proved in another session: overheard */
	connect_fresh(32);
	send_enrol(&token, other_session);
	expect_refused("its token is wrong");
	/* nothing of it used the token up */
	connect_fresh(33);
	send_enrol(&token, mine.handshake.transcript);
	{
		struct record_text name;

		assert_int_equal(pump(), LINK_RECORD);
		assert_true(record_get_text(mine.record, mine.record_len, WIRE_ENROLLED, &name));
		assert_string_equal(name.text, "web4");
	}
	/* the answer was lost: the same again, with the same key */
	send_enrol(&token, mine.handshake.transcript);
	assert_int_equal(pump(), LINK_RECORD);
	send_raw(record, record_put_login(record, &login));
	assert_string_equal(hear_session().agent, "web4");
	assert_int_equal(pump(), LINK_RECORD);
	/* no second enrolment once it is in */
	send_enrol(&token, mine.handshake.transcript);
	expect_down("malformed or unexpected record");
	close(sock);
}

static void test_guessing(void **state)
{
	struct token token = invite("web5", 600), wrong = token;

	wrong.secret[3] ^= 4;
	for (int i = 0; i < 5; i++) {
		connect_fresh(40);
		send_enrol(&wrong, mine.handshake.transcript);
		expect_refused("its token is wrong");
	}
	connect_fresh(40);
	send_enrol(&token, mine.handshake.transcript);
	assert_int_equal(pump(), LINK_RECORD);
	while (pump() == LINK_RECORD)
		;
	close(sock);
	assert_counts("web5", 0, 1, 0);	/* the engine hears no more of CID 40 for a while */
	/* another guest is not in its way */
	connect_fresh(41);
	send_enrol(&token, mine.handshake.transcript);
	assert_int_equal(pump(), LINK_RECORD);
	assert_int_equal(mine.record[0], WIRE_ENROLLED);
	close(sock);
	expect_down("the agent closed the connection");
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", ".", "../x", "a/b", "a b", "-a", ".pub", "a\\x41" };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(hear_done(act(AGENT_ENROL, bad[i], 9)).status, AGENT_ERROR);
	assert_int_equal(hear_done(act(AGENT_ENROL, "web2", 9)).status, AGENT_EXISTS);
	assert_int_equal(hear_done(act(AGENT_REVOKE, "nobody", 0)).status, AGENT_NOT_FOUND);
	assert_int_equal(hear_done(act(AGENT_ROTATE, "nobody", 0)).status, AGENT_NOT_FOUND);
	assert_int_equal(hear_done(act(AGENT_ROTATE, "web2", 0)).status, AGENT_NO_SESSION);
	assert_int_equal(hear_done(act(99, "web2", 0)).status, AGENT_ERROR);
	/* an invitation can be taken back */
	invite("web6", 600);
	assert_int_equal(hear_done(act(AGENT_REVOKE, "web6", 0)).status, AGENT_OK);
	assert_counts("web6", 0, 0, 0);
}

/* A new key, while orders go on; the old one is void, after a restart too. */
static void test_rotate(void **state)
{
	uint8_t before[WIRE_KEY], after[WIRE_KEY];
	pid_t child = start_child();
	struct m_order o = order_for(child, 9);

	assert_int_equal(key_file_read(in_folder("agents/web2.pub"), before, WIRE_KEY, false), 0);
	{
		char command[300];

		snprintf(command, sizeof(command), "cp '%s' '%s'", in_folder("new.key"),
			 in_folder("stolen.key"));
		assert_int_equal(system(command), 0);
	}
	agent_pid = start_enrolled("new.key", "new.host");
	expect_up("web2");
	assert_int_equal(hear_done(act(AGENT_ROTATE, "web2", 0)).status, AGENT_OK);
	expect_down("its key was changed");
	expect_up("web2");
	assert_int_equal(key_file_read(in_folder("agents/web2.pub"), after, WIRE_KEY, false), 0);
	assert_memory_not_equal(before, after, WIRE_KEY);
	assert_int_equal(hear_result(give(&o)).status, ORDER_DONE);
	assert_killed(child);
	assert_false(there("agents/web2.next") || there("new.key.next"));
	agent_down();
	restart_channel();
	agent_pid = start_enrolled("stolen.key", "new.host");
	expect_down("key is not pinned");
	stop(&agent_pid);
	agent_pid = start_enrolled("new.key", "new.host");
	expect_up("web2");
	agent_down();
}

/* The host fell before it kept the new key, and the agent after it had made it. */
static void test_rotate_cut_off(void **state)
{
	struct identity next;

	assert_int_equal(identity_make(in_folder("new.key.next"), &next), 0);
	agent_pid = start_enrolled("new.key", "new.host");
	expect_down("key is not pinned");
	expect_up("web2");		/* with the old one */
	assert_true(there("new.key.next"));
	agent_down();
	/* the host has kept it by now, and the agent never heard so */
	{
		char hex[2 * WIRE_KEY + 1], path[160];
		FILE *f;

		stop(&channel_pid);
		snprintf(path, sizeof(path), "%s", in_folder("agents/web2.next"));
		f = fopen(path, "w");
		hex_encode(hex, next.public, WIRE_KEY);
		fprintf(f, "%s\n", hex);
		fclose(f);
		restart_channel();
	}
	agent_pid = start_enrolled("new.key", "new.host");
	expect_up("web2");
	assert_false(there("agents/web2.next"));
	usleep(100000);
	assert_false(there("new.key.next"));
	agent_down();
	agent_pid = start_enrolled("new.key", "new.host");
	expect_up("web2");
	agent_down();
}

/* A new key that is somebody else's, and one that the agent does not hold. */
static void test_rotate_hostile(void **state)
{
	struct record_new_key new_key;
	uint8_t record[RECORD_MAX];

	for (int i = 0; i < 2; i++) {
		uint64_t id;

		login_raw(50);
		id = act(AGENT_ROTATE, "web 1", 0);
		assert_int_equal(pump(), LINK_RECORD);
		assert_true(record_is_rotate(mine.record, mine.record_len));
		memcpy(new_key.key, i ? other_id.public : pinned_id.public, WIRE_KEY);
		proof_sign(new_key.by_old, &pinned_id, WIRE_LABEL_ROTATE, mine.handshake.transcript,
			   new_key.key);
		proof_sign(new_key.by_new, &pinned_id, WIRE_LABEL_ROTATE, mine.handshake.transcript,
			   new_key.key);
		send_raw(record, record_put_new_key(record, WIRE_ROTATED, &new_key));
		assert_int_equal(hear_done(id).status, AGENT_ERROR);
		expect_down("a new key that is not its own");
		close(sock);
	}
	/* one that nobody asked for */
	login_raw(50);
	send_raw(record, record_put_new_key(record, WIRE_ROTATED, &new_key));
	expect_down("malformed or unexpected");
	close(sock);
	/* one that never comes: told once, and the session lives on */
	login_raw(50);
	assert_int_equal(hear_done(act(AGENT_ROTATE, "web 1", 0)).status, AGENT_ERROR);
	assert_int_equal(pump(), LINK_RECORD);
	close(sock);
	expect_down("closed the connection");
}

/* Its session ends at once, and its key is never accepted again. */
static void test_revoke(void **state)
{
	struct m_session m;

	agent_pid = start_enrolled("new.key", "new.host");
	expect_up("web2");
	assert_int_equal(msg_post(engine, &msg_agent_act, 77,
				  &(struct m_agent_act){ .verb = AGENT_REVOKE, .name = "web2" }, -1), 0);
	expect_down("its key was revoked");
	assert_int_equal(hear_done(77).status, AGENT_OK);
	expect_down("key is revoked");
	assert_counts("web2", 0, 0, 1);
	stop(&agent_pid);
	restart_channel();
	assert_counts("web2", 0, 0, 1);
	agent_pid = start_enrolled("new.key", "new.host");
	expect_down("key is revoked");
	stop(&agent_pid);
	while (hear(&msg_session, &(uint64_t){ 0 }, &m, 100))
		;
	/* not even by hand, nor by a token */
	{
		char command[400];

		stop(&channel_pid);
		snprintf(command, sizeof(command), "cp '%s' '%s'", in_folder("new.key.pub"),
			 in_folder("agents/again.pub"));
		assert_int_equal(system(command), 0);
		restart_channel();
	}
	assert_counts("again", 0, 0, 0);
	/* the name is free for another key */
	{
		struct m_agent_done d = hear_done(act(AGENT_ENROL, "web2", 600));

		assert_int_equal(run_enrol(d.token, "second.key", "second.host"), 0);
		expect_down("the agent closed the connection");
		assert_counts("web2", 1, 0, 1);
	}
}

static int run_channel(const char *flag)
{
	char *argv[] = { getenv("WARDEN_CHANNEL"), "--config", (char *)in_folder("conf"),
		(char *)flag, NULL };
	pid_t pid = spawn(argv, -1);
	int status;

	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* The host's key changes under agents that were told, and one that was not. */
static void test_host_key(void **state)
{
	uint8_t old[WIRE_KEY], key[WIRE_KEY];
	char command[400];

	memcpy(old, host_keys.key[0], WIRE_KEY);
	snprintf(command, sizeof(command), "cp '%s' '%s'", in_folder("second.host"),
		 in_folder("untold.host"));
	assert_int_equal(system(command), 0);
	assert_int_equal(run_channel("--adopt-host-key"), 1);	/* none is under way */
	assert_int_equal(run_channel("--rotate-host-key"), 0);
	assert_int_equal(run_channel("--rotate-host-key"), 1);
	restart_channel();
	assert_memory_equal(host_keys.key[0], old, WIRE_KEY);
	agent_pid = start_enrolled("second.key", "second.host");
	expect_up("web2");
	usleep(200000);
	assert_true(there("second.host.next"));
	agent_down();
	assert_int_equal(run_channel("--adopt-host-key"), 0);
	restart_channel();
	assert_memory_not_equal(host_keys.key[0], old, WIRE_KEY);
	agent_pid = start_enrolled("second.key", "untold.host");
	expect_down("closed the connection");
	stop(&agent_pid);
	{
		struct m_session m;

		while (hear(&msg_session, &(uint64_t){ 0 }, &m, 100))
			;
	}
	agent_pid = start_enrolled("second.key", "second.host");
	expect_up("web2");
	usleep(200000);
	assert_false(there("second.host.next"));
	assert_int_equal(key_file_read(in_folder("second.host"), key, WIRE_KEY, false), 0);
	assert_memory_equal(key, host_keys.key[0], WIRE_KEY);
	agent_down();
}


static void test_needs(void **state)
{
	print_message("skipped: needs root, and WARDEN_CHANNEL and WARDEN_AGENT, the programs' paths\n");
	skip();
}

int main(void)
{
	const struct CMUnitTest needs[] = { cmocka_unit_test(test_needs) };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_enrol),
		cmocka_unit_test(test_invitation_survives),
		cmocka_unit_test(test_expired),
		cmocka_unit_test(test_uninvited),
		cmocka_unit_test(test_guessing),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_rotate),
		cmocka_unit_test(test_rotate_cut_off),
		cmocka_unit_test(test_rotate_hostile),
		cmocka_unit_test(test_revoke),
		cmocka_unit_test(test_host_key),
	};

	alarm(200);
	if (!getenv("WARDEN_CHANNEL") || !getenv("WARDEN_AGENT") || geteuid())
		return cmocka_run_group_tests(needs, NULL, NULL);
	return cmocka_run_group_tests(tests, setup, teardown);
}
