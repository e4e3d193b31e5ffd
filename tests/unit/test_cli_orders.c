// SPDX-License-Identifier: GPL-2.0-or-later
/* What wardenctl asks for, and every end of a scan and of an order. */
#include "test_cli_daemon.h"

#include <pty.h>

/* ---- what is sent ---- */

static void expect_request(const char *arguments, const char *line, const char *body)
{
	ctl(arguments);
	if (strncmp(requests, line, strlen(line)) || !strstr(requests, body))
		fail_msg("%s: sent: %s", arguments, requests);
	end_server();
}

static void requests_say_what_was_asked(void **state)
{
	NEEDS_PROGRAM();
	SERVE(OK("{}"));
	expect_request("freeze web --seconds 60 --pause --reason 'a b'",
		       "POST /v1/guests/web/freeze HTTP",
		       "{\"how\":\"pause\",\"seconds\":60,\"reason\":\"a b\"}");
	SERVE(OK("{}"));
	expect_request("freeze web", "POST /v1/guests/web/freeze HTTP", "{\"how\":\"contain\"}");
	SERVE(OK("{}"));
	expect_request("thaw 7", "POST /v1/guests/7/thaw HTTP", "\r\n\r\n{}");
	SERVE(OK("{}"));
	expect_request("enrol web --seconds 600", "POST /v1/agents HTTP",
		       "{\"name\":\"web\",\"seconds\":600}");
	SERVE(OK("{}"));
	expect_request("agents revoke web", "DELETE /v1/agents/web HTTP", "");
	SERVE(OK("{}"));
	expect_request("agents rotate web", "POST /v1/agents/web/rotate HTTP", "{}");
	SERVE(OK("{}"));
	expect_request("ps 'a..b?c=d e%'", "GET /v1/guests/a..b%3Fc%3Dd%20e%25/tasks HTTP", "");
	SERVE(OK("{}"));
	expect_request("ps +7", "GET /v1/guests/%2B7/tasks HTTP", "");
	SERVE(OK("{}"));
	expect_request("findings --guest 'a&b=/1'", "GET /v1/findings?limit=200&guest=a%26b%3D%2F1 HTTP", "");
	SERVE(OK("{}"));
	expect_request("journal --after 9 --limit 3", "GET /v1/journal?after=9&limit=3 HTTP", "");
	SERVE(BEGUN("{\"scan\":4}"), OK("{\"state\":\"done\"}"));
	expect_request("scan web 12", "POST /v1/guests/web/scan HTTP", "{\"pid\":12}");
	SERVE(BEGUN("{\"order\":4}"), OK("{\"state\":\"done\",\"verb\":\"restore\"}"));
	expect_request("quarantine restore 00ff --reason mine",
		       "POST /v1/quarantine/00ff/restore HTTP", "{\"reason\":\"mine\"}");
}

/* ---- scan ---- */

#define SCAN(state, total, done, infected, not_scanned, findings) OK("{\"scan\":4,\"guest\":7," \
	"\"pid\":null,\"state\":\"" state "\",\"complete\":true,\"why\":\"\",\"tasks\":3,\"contents_total\":" #total \
	",\"contents_done\":" #done ",\"infected\":" #infected ",\"not_scanned\":" #not_scanned \
	",\"findings\":[" findings "]}")

static int scan_ends_with(const char *end)
{
	int status;

	SERVE(BEGUN("{\"scan\":4}"), SCAN("running", 9, 2, 0, 0, ""), end);
	status = ctl("scan web");
	end_server();
	return status;
}

static void scan_says_clean_only_of_what_was_scanned(void **state)
{
	json_t *json;

	NEEDS_PROGRAM();
	assert_int_equal(scan_ends_with(SCAN("done", 9, 9, 0, 0, "")), 0);
	assert_non_null(strstr(out, "2 of 9 contents"));
	assert_non_null(strstr(out, "\nClean\n"));
	assert_int_equal(scan_ends_with(SCAN("done", 9, 9, 2, 1, "17,18")), 1);
	assert_non_null(strstr(out, "Infected: 2"));
	assert_non_null(strstr(out, "wardenctl explain 18"));
	assert_int_equal(scan_ends_with(SCAN("done", 9, 9, 0, 1, "")), 4);
	assert_null(strstr(out, "\nClean\n"));
	assert_int_equal(scan_ends_with(SCAN("failed", 9, 3, 0, 0, "")), 3);
	assert_null(strstr(out, "\nClean\n"));
	assert_int_equal(scan_ends_with(SCAN("failed", 9, 3, 1, 0, "17")), 1);
	SERVE(BEGUN("{\"scan\":4}"), SCAN("running", 9, 2, 0, 0, ""), SCAN("done", 9, 9, 0, 0, ""));
	json = ctl_json("scan web", 0);
	assert_true(fits_verb("scan", json));
	json_decref(json);
}

static void interrupted_scan_goes_on(void **state)
{
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	NEEDS_PROGRAM();
	SERVE(BEGUN("{\"scan\":4}"), SCAN("running", 9, 2, 0, 0, ""));
	assert_int_equal(pipe(fds), 0);
	pid = child_fork();
	if (!pid) {
		dup2(fds[1], 1);
		dup2(fds[1], 2);
		execl(getenv("WARDENCTL"), "wardenctl", "--socket", sock, "scan", "web", NULL);
		_exit(98);
	}
	close(fds[1]);
	assert_true(read(fds[0], out, sizeof(out)) > 0);	/* it shows progress */
	kill(pid, SIGINT);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 130);
	n = read(fds[0], out, sizeof(out) - 1);
	out[n > 0 ? n : 0] = '\0';
	assert_non_null(strstr(out, "scan 4 goes on"));
	assert_non_null(strstr(out, "wardenctl scan --watch 4"));
	close(fds[0]);
}

/* Interrupted while it waits for an answer, or to be let in. */
static void interrupted_before_a_daemon_that_hangs(const char *how)
{
	int status = 0;
	pid_t pid;

	SERVE(BEGUN("{\"scan\":4}"), SCAN("running", 9, 2, 0, 0, ""), how);
	pid = child_fork();
	if (!pid) {
		execl(getenv("WARDENCTL"), "wardenctl", "--json", "--socket", sock, "scan", "web", NULL);
		_exit(98);
	}
	for (int i = 0; i < 200 && !strstr(requests, "hangs"); i++)
		usleep(50000);
	usleep(700000);		/* it asks again, and waits */
	kill(pid, SIGSTOP);	/* to go on is no interruption */
	kill(pid, SIGCONT);
	usleep(100000);
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	kill(pid, SIGINT);
	for (int i = 0; i < 200 && !waitpid(pid, &status, WNOHANG); i++)
		usleep(50000);
	end_server();
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 130);
}

static void interrupt_needs_no_answer(void **state)
{
	NEEDS_PROGRAM();
	interrupted_before_a_daemon_that_hangs(HANG);
	interrupted_before_a_daemon_that_hangs(HANG_FULL);
}

/* ---- kill ---- */

#define TASKS(complete) OK("{\"guest\":7,\"name\":\"web\",\"fresh\":true,\"complete\":" \
	#complete ",\"tasks\":[{\"pid\":12,\"start_ns\":777,\"comm\":\"miner\",\"exe\":\"/tmp/miner\"}]}")
#define ORDER(verb, state, outcome) OK("{\"order\":4,\"guest\":7,\"finding\":null,\"verb\":\"" verb \
	"\",\"pid\":12,\"path\":\"\",\"state\":\"" state "\",\"outcome\":\"" outcome "\",\"wall_ns\":1," \
	"\"results\":[]}")

static void kill_tells_what_was_seen(void **state)
{
	static const struct {
		const char *end;
		int status;
	} ends[] = {
		{ ORDER("kill", "done", "killed"), 0 }, { ORDER("kill", "done", "gone"), 0 },
		{ ORDER("kill", "done", "running"), 1 }, { ORDER("kill", "done", "unconfirmed"), 4 },
		{ ORDER("kill", "undeliverable", ""), 1 }, { ORDER("kill", "refused", ""), 1 },
		{ ORDER("kill", "another process", ""), 1 },
	};

	NEEDS_PROGRAM();
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		json_t *json;

		/* "done" by the agent's word is not the end. */
		SERVE(BEGUN("{\"order\":4}"), ORDER("kill", "queued", ""),
		      ORDER("kill", "done", ""), ends[i].end);
		json = ctl_json("kill web 12 --yes --reason why", ends[i].status);
		assert_true(fits_verb("kill", json));
		json_decref(json);
		assert_non_null(strstr(requests, "{\"pid\":12,\"reason\":\"why\"}"));
		end_server();
	}
}

/* Nobody sees from outside where a file is: its order's state decides. */
static void restore_tells_what_the_agent_said(void **state)
{
	static const struct {
		const char *end;
		int status;
	} ends[] = {
		{ ORDER("restore", "done", "said by the agent"), 0 },
		{ ORDER("restore", "done", ""), 0 },
		{ ORDER("restore", "no answer in time", "not done"), 4 },
		{ ORDER("restore", "unknown after restart", "not done"), 4 },
		{ ORDER("restore", "failed", "not done"), 1 },
		{ ORDER("restore", "refused", "not done"), 1 },
		{ ORDER("restore", "undeliverable", ""), 1 },
	};

	NEEDS_PROGRAM();
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		json_t *json;

		SERVE(BEGUN("{\"order\":4}"), ORDER("restore", "queued", ""), ends[i].end);
		json = ctl_json("quarantine restore 00ff", ends[i].status);
		assert_true(fits_verb("quarantine restore", json));
		json_decref(json);
		end_server();
	}
}

/* On a terminal it asks; anything but yes does nothing. */
static int kill_answered(const char *list, const char *who, const char *question,
			 const char *answer)
{
	int fd, status;
	pid_t pid;
	ssize_t n;

	SERVE(list, BEGUN("{\"order\":4}"), ORDER("kill", "done", "killed"));
	pid = forkpty(&fd, NULL, NULL, NULL);
	if (!pid) {
		execl(getenv("WARDENCTL"), "wardenctl", "--socket", sock, "kill", "web", who, NULL);
		_exit(98);
	}
	n = read(fd, out, sizeof(out) - 1);
	out[n > 0 ? n : 0] = '\0';
	if (!strstr(out, question))
		fail_msg("%s", out);
	assert_true(write(fd, answer, strlen(answer)) > 0);
	while (read(fd, out, sizeof(out)) > 0)
		;
	close(fd);
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static void kill_asks(void **state)
{
	static const char question[] = "Kill process 12, miner, /tmp/miner, of guest web? [y/N]";

	NEEDS_PROGRAM();
	assert_int_equal(kill_answered(TASKS(true), "12", question, "n\n"), 1);
	assert_null(strstr(requests, "POST"));
	end_server();
	assert_int_equal(kill_answered(TASKS(true), "12", question, "\n"), 1);
	assert_null(strstr(requests, "POST"));
	end_server();
	assert_int_equal(kill_answered(TASKS(true), "12", question, "y\n"), 0);
	assert_non_null(strstr(requests, "POST /v1/guests/web/kill"));
	assert_non_null(strstr(requests, "{\"pid\":12,\"start_ns\":777}"));
	end_server();
	assert_int_equal(kill_answered(TASKS(true), "13", "no such process", "y\n"), 1);
	assert_null(strstr(requests, "POST"));
	end_server();
	/* A guest may have more processes than a list: the daemon looks for that one. */
	assert_int_equal(kill_answered(TASKS(false), "13", "process 13, which is not in the list",
				       "y\n"), 0);
	assert_non_null(strstr(requests, "{\"pid\":13}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(requests_say_what_was_asked), T(scan_says_clean_only_of_what_was_scanned),
		T(interrupted_scan_goes_on), T(interrupt_needs_no_answer), T(kill_tells_what_was_seen),
		T(restore_tells_what_the_agent_said), T(kill_asks),
	};

	share_requests();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
