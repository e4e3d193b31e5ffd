// SPDX-License-Identifier: GPL-2.0-or-later
/* wardenctl's own words: usage, errors, hostile texts, half an answer, tables, completion. */
#include "test_cli_daemon.h"

#include <pty.h>

static const char *const bad_usage[] = {
	"dance", "status now", "guests a b", "guests --all", "ps", "ps a b", "ps ''", "tree",
	"ps a/b", "guests 1/tasks", "thaw ../v1", "agents revoke a/rotate", "explain 1/explain",
	"maps web", "maps web x", "files", "files web x", "file web", "file web /x", "file web x --out y",
	"file web --inode 8 --out y", "read web 1 1", "read web 1 1 0 --out y", "read web x 1 1 --out y", "scan", "scan web x", "scan web 1 2", "scan web --watch 3",
	"scan --watch 0", "scan --watch", "findings web", "findings --guest",
	"findings --guest ''", "findings --limit 0", "findings --limit x", "findings --limit 5001",
	"explain", "explain x", "explain -1", "quarantine dance", "quarantine restore",
	"quarantine restore a b", "quarantine list b", "quarantine --reason x", "freeze",
	"freeze web --seconds 0", "freeze web --seconds -1", "freeze web --seconds 99999999999",
	"freeze web --forever", "freeze web --reason \"$(printf '\\377')\"", "thaw", "thaw a b",
	"kill web", "kill web x --yes", "kill web 1", "enrol", "enrol a --seconds x",
	"enrol a --seconds 604801", "enrol a b",
	"agents revoke", "agents dance a", "agents dance", "journal dance", "journal --after x",
	"journal verify now", "doctor now", "doctor --config",
};

static void usage_is_told_for_each_verb(void **state)
{
	NEEDS_PROGRAM();
	for (size_t i = 0; i < sizeof(bad_usage) / sizeof(bad_usage[0]); i++)
		expect_error(bad_usage[i], 2, "usage");
	assert_int_equal(ctl("--socket"), 2);
	assert_int_equal(ctl("freeze"), 2);
	assert_non_null(strstr(err, "usage: wardenctl freeze GUEST [--seconds N | --pause]"));
	assert_string_equal(out, "");
}

static const char *const verbs[] = {
	"", "status", "guests", "guests web", "ps web", "tree web", "maps web 1", "files web --all", "file web /x --out wardenctl-test-out",
	"read web 1 1 1 --out wardenctl-test-out", "scan web",
	"scan web 1", "scan --watch 1", "findings", "findings --guest web --limit 9", "explain 1",
	"quarantine", "quarantine list --guest web", "quarantine restore 00ff",
	"freeze web --seconds 9 --pause --reason x", "thaw web", "kill web 1 --yes", "enrol web",
	"agents", "agents revoke web", "agents rotate web", "journal --after 3", "journal verify",
};

#define EVERY(v) for (size_t v = 0; v < sizeof(verbs) / sizeof(verbs[0]); v++)

static void help_is_there(void **state)
{
	char command[64];

	NEEDS_PROGRAM();
	assert_int_equal(ctl("--help"), 0);
	EVERY(v) {
		snprintf(command, sizeof(command), "%.*s --help", (int)strcspn(verbs[v], " "), verbs[v]);
		assert_int_equal(ctl(command), 0);
		assert_non_null(strstr(out, "usage: wardenctl "));
	}
}

/* Of a program beside wardenctl; no daemon is needed, nor root. */
static void expect_version(const char *program)
{
	char command[256], expected[64];

	snprintf(command, sizeof(command), "%s/%s --version >%s/out", getenv("WARDENCTL_DIR"), program,
		 dir);
	snprintf(expected, sizeof(expected), "%s " WARDEN_VERSION "\n", program);
	assert_int_equal(system(command), 0);
	read_back("out", out, sizeof(out));
	assert_string_equal(out, expected);
}

static void versions_are_told(void **state)
{
	NEEDS_PROGRAM();
	expect_version("wardenctl");
	expect_version("wardend");
}

static void nobody_answers(void **state)
{
	NEEDS_PROGRAM();
	EVERY(v)
		expect_error(verbs[v], 3, "unreachable");
	ctl("guests");
	assert_non_null(strstr(err, "systemctl status wardend"));
	/* A socket that nobody listens on any more. */
	close(listening());
	expect_error("guests", 3, "unreachable");
}

static void stranger_is_told_what_to_do(void **state)
{
	int status, fd;
	char path[128];

	NEEDS_PROGRAM();
	if (geteuid())
		skip();
	SERVE(OK("{\"guests\":[]}"));
	assert_int_equal(chmod(dir, 0755) | chmod(sock, 0660), 0);
	snprintf(path, sizeof(path), "%s/err", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (!child_fork()) {
		char *argv[] = { "wardenctl", "--socket", sock, "guests", NULL };
		/* The checkout may lie where a stranger cannot go. */
		int program = open(getenv("WARDENCTL"), O_PATH | O_CLOEXEC);

		dup2(fd, 2);
		if (setgid(65534) || setuid(65534))
			_exit(99);
		execveat(program, "", argv, environ, AT_EMPTY_PATH);
		_exit(98);
	}
	close(fd);
	while (wait(&status) == server)
		;
	assert_int_equal(WEXITSTATUS(status), 3);
	read_back("err", err, sizeof(err));
	assert_non_null(strstr(err, "Permission denied"));
	assert_non_null(strstr(err, "usermod -aG warden"));
}

static void half_an_answer_is_none(void **state)
{
	static const char *const halves[] = {
		"", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\n\r\n", OK("{\"guests\":[{\"id\""),
		"nonsense\r\n\r\n{}", "HTTP/1.1 500 X\r\n\r\n{\"guests\":[]}",
		"HTTP/1.1 500 X\r\n\r\n{\"err",
	};

	NEEDS_PROGRAM();
	for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
		SERVE(halves[i]);
		EVERY(v)
			expect_error(verbs[v], 3, "bad_answer");
		end_server();
	}
}

/* BLAKE2b-256 of "hello". */
#define HELLO "324dcf027dd4a30a932c441f365a25e86b173defa4b8e58948253471b81b72cf"
#define BYTES(n, hash) OK("{\"complete\":true,\"missing\":[],\"bytes\":" n ",\"blake2b\":\"" hash "\"}\nhello")

/* A guest's bytes are those that were announced, or an error and no file. */
static void other_bytes_are_none(void **state)
{
	static const char *const wrong[] = {
		BYTES("6", HELLO), BYTES("4", HELLO), BYTES("-1", HELLO), BYTES("5", "00"),
		OK("{\"bytes\":0}"), OK("hello\nhello"), OK(""), "HTTP/1.1 200 OK\r\n",
	};
	char command[256], path[128];
	struct stat st;

	NEEDS_PROGRAM();
	snprintf(path, sizeof(path), "%s/taken", dir);
	snprintf(command, sizeof(command), "file web /x --out %s", path);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		SERVE(wrong[i]);
		expect_error(command, 3, "bad_answer");
		assert_int_equal(access(path, F_OK), -1);
		end_server();
	}
	SERVE(BYTES("5", HELLO));
	assert_int_equal(ctl(command), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 5);
	assert_non_null(strstr(requests, "GET /v1/guests/web/file?path=%2Fx HTTP"));
	assert_int_equal(unlink(path), 0);
	end_server();
	SERVE(BYTES("5", HELLO));
	assert_int_equal(ctl("read web kernel 0x10 5"), 0);
	assert_string_equal(out, "hello");
	assert_non_null(strstr(requests, "/memory?pid=0&address=16&length=5 HTTP"));
}

static void errors_of_the_daemon_pass(void **state)
{
	static const struct {
		const char *answer, *code;
		int status;
	} errors[] = {
		{ REFUSED(400, "bad_request"), "bad_request", 2 },
		{ REFUSED(403, "forbidden"), "forbidden", 1 },
		{ REFUSED(404, "not_found"), "not_found", 1 },
		{ REFUSED(409, "conflict"), "conflict", 1 },
		{ REFUSED(409, "ambiguous"), "ambiguous", 1 },
		{ REFUSED(413, "too_large"), "too_large", 2 },
		{ REFUSED(500, "internal"), "internal", 3 },
		{ REFUSED(503, "unavailable"), "unavailable", 3 },
		{ REFUSED(504, "timeout"), "timeout", 3 },
	};

	NEEDS_PROGRAM();
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		SERVE(errors[i].answer);
		EVERY(v)
			expect_error(verbs[v], errors[i].status, errors[i].code);
		ctl("guests");
		assert_non_null(strstr(err, "why"));
		assert_non_null(strstr(err, "do that"));
		end_server();
	}
}

/* Every key that any verb prints, and each text an attack. */
#define EVIL "\\u001b[2J\\nroot\\r\\t\\u0007\\u009b1A\\u007fx\\u00e4"
#define E "\"" EVIL "\""

static const char evil[] = OK("{"
	"\"version\":" E ",\"id\":1,\"name\":" E ",\"vmm_pid\":5,\"cid\":3,\"cid_source\":" E ",\"strategy\":" E
	",\"strategy_why\":" E ",\"kernel\":{\"state\":" E ",\"release\":" E ",\"why\":" E "},"
	"\"contained\":true,\"containment\":{\"by\":" E ",\"since_wall_ns\":1,\"finding\":3},"
	"\"session\":{\"state\":" E ",\"agent\":" E ",\"version\":" E ",\"why\":" E
	",\"capabilities\":[" E "]},\"objects\":{\"reasons\":{" E ":1}," E ":2},\"counters\":{" E ":1},"
	"\"last_sweep\":{\"status\":" E ",\"why\":" E "},\"sweep\":{\"status\":" E ",\"why\":" E "},"
	"\"guests\":[{\"id\":1,\"name\":" E ",\"kernel\":{\"release\":" E ",\"why\":" E ",\"state\":" E "}}],"
	"\"roles\":[{\"role\":" E ",\"state\":" E ",\"why\":" E "}],\"bpf\":{\"how\":" E "},\"cids\":{\"why\":" E "},"
	"\"database\":{\"why\":" E ",\"engine\":" E ",\"epoch\":" E "},\"journal\":{\"head\":" E ",\"why\":" E "},"
	"\"orders\":{" E ":3},\"outcomes\":{" E ":3},\"acts\":[],"
	"\"tasks\":[{\"pid\":1,\"ppid\":0,\"comm\":" E ",\"exe\":" E ",\"verdict\":\"infected\",\"why\":" E "},"
	"{\"pid\":2,\"ppid\":1,\"comm\":" E ",\"exe\":" E ",\"verdict\":" E "}],"
	"\"maps\":[{\"start\":" E ",\"end\":" E ",\"perms\":" E ",\"dev\":" E ",\"path\":" E "}],\"why\":" E ","
	"\"findings\":[{\"id\":1,\"guest_name\":" E ",\"comm\":" E ",\"signature\":" E ",\"path\":" E
	",\"object_kind\":" E ",\"found_by\":" E ",\"decisions\":[{\"note\":" E ",\"action\":" E "}],"
	"\"acts\":[{\"verb\":" E ",\"state\":" E "}],"
	"\"orders\":[{\"state\":" E ",\"outcome\":" E ",\"verb\":" E ",\"killed_after_us\":3}]}],"
	"\"guest_name\":" E ",\"signature\":" E ",\"object_kind\":" E ",\"path\":" E ",\"comm\":" E ",\"exe\":" E
	",\"content_hash\":" E ",\"chain\":[{\"text\":" E ",\"wall_ns\":1}],"
	"\"items\":[{\"item\":" E ",\"guest_name\":" E ",\"path\":" E ",\"state\":" E ",\"signature\":" E ",\"why\":" E "}],"
	"\"agents\":[{\"name\":" E ",\"state\":" E ",\"key\":" E "}],\"token\":" E ","
	"\"rows\":[{\"seq\":1,\"table\":" E "," E ":" E ",\"x\":{\"y\":" E "}}],"
	"\"scan\":1,\"order\":1,\"state\":" E ",\"outcome\":" E ",\"verb\":" E ",\"results\":[{\"detail\":" E "}],"
	"\"intact\":false}");

static void nothing_moves_the_cursor(void **state)
{
	char command[128];

	NEEDS_PROGRAM();
	SERVE(evil);
	EVERY(v) {
		ctl(verbs[v]);
		expect_printable(verbs[v], out);
		expect_printable(verbs[v], err);
		if (strstr(out, "\nroot"))
			fail_msg("%s: a guest's text began a line: %s", verbs[v], out);
		snprintf(command, sizeof(command), "--json %s", verbs[v]);
		ctl(command);
		expect_printable(command, out);
	}
	ctl("guests");
	assert_non_null(strstr(out, "\\x1b[2J"));
	end_server();
	SERVE("HTTP/1.1 404 X\r\n\r\n{\"error\":{\"code\":" E ",\"message\":" E ",\"what_to_do\":" E "}}");
	EVERY(v) {
		assert_int_equal(ctl(verbs[v]), 1);
		expect_printable(verbs[v], err);
	}
}

static void columns_fit_the_terminal(void **state)
{
	const char *guests = OK("{\"guests\":[{\"id\":1,\"vmm_pid\":4000000,\"name\":"
		"\"a-name-that-is-longer-than-any-other-name-in-the-whole-house\","
		"\"kernel\":{\"release\":\"6.1.0-a-kernel-with-a-long-name-too\"}},"
		"{\"id\":22,\"name\":\"b\",\"kernel\":{\"state\":\"looking\"}}]}");
	struct winsize size = { .ws_col = 90, .ws_row = 24 };
	unsigned lines = 0, cut = 0;
	size_t used = 0;
	pid_t pid;
	int fd;

	NEEDS_PROGRAM();
	SERVE(guests);
	pid = forkpty(&fd, NULL, NULL, &size);
	if (!pid) {
		execl(getenv("WARDENCTL"), "wardenctl", "--socket", sock, "guests", NULL);
		_exit(98);
	}
	for (ssize_t n; (n = read(fd, out + used, sizeof(out) - 1 - used)) > 0; used += n)
		;
	out[used] = '\0';
	waitpid(pid, NULL, 0);
	for (char *rest = out, *line; (line = strsep(&rest, "\r\n"));) {
		if (strlen(line) > 90)
			fail_msg("%zu columns: %s", strlen(line), line);
		lines += line[0] != '\0';
		cut += strchr(line, '~') != NULL;
	}
	assert_int_equal(lines, 3);
	assert_int_equal(cut, 1);
	ctl("guests");		/* no terminal: nothing is cut */
	assert_null(strstr(out, "~"));
	assert_non_null(strstr(out, "whole-house"));
}

/* A guest may claim that its processes are each other's parents. */
static void tree_ends_and_loses_nobody(void **state)
{
	unsigned lines = 0;

	NEEDS_PROGRAM();
	SERVE(OK("{\"fresh\":true,\"complete\":true,\"tasks\":[{\"pid\":5,\"ppid\":6,\"comm\":\"ring\"},"
		 "{\"pid\":6,\"ppid\":5,\"comm\":\"ring\"},{\"pid\":7,\"ppid\":7,\"comm\":\"own\"},"
		 "{\"pid\":1,\"ppid\":0,\"comm\":\"init\"},{\"pid\":9,\"ppid\":1,\"comm\":\"child\"}]}"));
	assert_int_equal(ctl("tree web"), 0);
	for (const char *p = out; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, 6);
	assert_non_null(strstr(out, "  child  [kernel]"));
}

static int ctl_to_full(const char *arguments)
{
	char command[512];
	int status;

	snprintf(command, sizeof(command), "%s --socket %s %s >/dev/full 2>%s/err </dev/null",
		 getenv("WARDENCTL"), sock, arguments, dir);
	status = system(command);
	read_back("err", err, sizeof(err));
	return WEXITSTATUS(status);
}

/* A disk that is full: who reads the status must not take it for an answer. */
static void lost_output_is_an_error(void **state)
{
	static const char *const asked[] = {
		"--help", "freeze --help", "guests", "--json guests", "ps web", "journal --follow",
	};

	NEEDS_PROGRAM();
	if (access("/dev/full", W_OK))
		skip();
	SERVE(OK("{\"guests\":[],\"tasks\":[],\"rows\":[{\"seq\":1}]}"));
	for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
		if (ctl_to_full(asked[i]) != 3)
			fail_msg("%s: not 3", asked[i]);
		assert_non_null(strstr(err, "wardenctl: standard output: "));
	}
}

static void odd_socket_is_named(void **state)
{
	char command[256];
	json_error_t error;
	json_t *json;

	NEEDS_PROGRAM();
	snprintf(command, sizeof(command), "%s --json --socket \"$(printf '/tmp/\\377')\" >%s/out",
		 getenv("WARDENCTL"), dir);
	assert_int_equal(WEXITSTATUS(system(command)), 3);
	read_back("out", out, sizeof(out));
	json = json_loads(out, 0, &error);
	assert_true(json && fits_verb("error", json));
	json_decref(json);
	assert_non_null(strstr(out, "/tmp/\\\\xff: "));
}

static void expect_row(const char *row, const char *fields)
{
	char answer[512];

	snprintf(answer, sizeof(answer), OK("{\"rows\":[{\"seq\":1,\"table\":\"findings\",%s}]}"), row);
	SERVE(answer);
	assert_int_equal(ctl("journal"), 0);
	end_server();
	if (!strstr(out, fields) || strchr(out, '\n') != out + strlen(out) - 1 ||
	    strcmp(strstr(out, fields) + strlen(fields), "\n"))
		fail_msg("%s", out);
}

/* A guest's process may be called like the rest of a row. */
static void no_text_forges_a_field(void **state)
{
	NEEDS_PROGRAM();
	expect_row("\"comm\":\"x state=done\",\"state\":\"sent\"",
		   " comm=\"x state=done\" state=sent");
	expect_row("\"comm\":\"a=b\",\"exe\":\"\\\" c=d\"", " comm=\"a=b\" exe=\"\\\" c=d\"");
	expect_row("\"comm\":\"/bin/plain-1\",\"pid\":3", " comm=/bin/plain-1 pid=3");
	/* What the daemon itself keeps as JSON ends by itself. */
	expect_row("\"detail\":\"{\\\"a\\\":\\\"b c\\\"}\",\"pid\":3", " detail={\"a\":\"b c\"} pid=3");
	expect_row("\"comm\":\"{} state=done\"", " comm=\"{} state=done\"");
}

/* ---- doctor ---- */

static void doctor_works_without_the_daemon(void **state)
{
	char config[128], arguments[200];
	json_t *json;
	FILE *f;

	NEEDS_PROGRAM();
	json = ctl_json("doctor", 1);
	assert_true(fits_verb("doctor", json));
	assert_true(json_is_false(json_object_get(json, "ok")));
	json_decref(json);
	snprintf(config, sizeof(config), "%s/bad.conf", dir);
	f = fopen(config, "w");
	assert_non_null(f);
	fputs("[wardend]\ndance = yes\n", f);
	fclose(f);
	snprintf(arguments, sizeof(arguments), "doctor --config %s", config);
	assert_int_equal(ctl(arguments), 1);
	assert_non_null(strstr(out, "FAIL  config"));
	assert_null(strchr(out, '\033'));
}

static void integrity_is(const char *what, const char *status, unsigned age_s, const char *said)
{
	char answer[512];

	snprintf(answer, sizeof(answer), OK("{\"now_wall_ns\":9000000000000,\"integrity\":{\"seconds\":300,"
		 "\"checked\":[{\"what\":\"%s\",\"guest\":0,\"status\":\"%s\",\"why\":\"\","
		 "\"checked_wall_ns\":%llu}]}}"), what, status, 9000000000000ull - age_s * 1000000000ull);
	SERVE(answer, OK("{\"agents\":[]}"));
	ctl("doctor");
	if (!strstr(out, said))
		fail_msg("\"%s\" is not in:\n%s", said, out);
	end_server();
}

static void doctor_names_what_the_daemon_tells(void **state)
{
	json_t *json;

	NEEDS_PROGRAM();
	SERVE(OK("{\"roles\":[{\"role\":\"scan\",\"state\":\"down\",\"why\":\"killed by signal 11\"}],"
		 "\"bpf\":{\"on\":false,\"how\":\"no BTF\"},"
		 "\"cids\":{\"on\":false,\"why\":\"no module\"},\"database\":{\"ready\":false,\"why\":\"empty\"},"
		 "\"journal\":{\"writable\":false,\"why\":\"no space\"},\"guests\":[{\"id\":1,\"name\":"
		 "\"win\",\"kernel\":{\"state\":\"unobservable\",\"why\":\"not Linux\"}}]}"),
	      OK("{\"agents\":[]}"));
	assert_int_equal(ctl("doctor"), 1);
	assert_non_null(strstr(out, "FAIL  roles     scan is down: killed by signal 11"));
	assert_non_null(strstr(out, "warn  events"));
	assert_non_null(strstr(out, "warn  vsock     CIDs are read from VMMs' command lines: no module"));
	assert_non_null(strstr(out, "FAIL  scanner"));
	assert_non_null(strstr(out, "FAIL  journal"));
	assert_non_null(strstr(out, "1 win cannot be observed: not Linux"));
	assert_non_null(strstr(out, "warn  integrity the host's code is not checked: switched off"));
	end_server();
	integrity_is("kvm", "clean", 10, "ok    integrity 1 checked, each as its file");
	integrity_is("kvm", "differs", 10, "FAIL  integrity code differs from its file: 1 of 1; kvm, 10 s ago: differs");
	integrity_is("kvm_amd", "unavailable", 10, "warn  integrity not checked: 1 of 1, not checked for long: 0; kvm_amd, 10 s ago");
	integrity_is("kvm", "clean", 9000, "warn  integrity not checked: 0 of 1, not checked for long: 1; kvm, 9000 s ago");
	SERVE(evil);
	json = ctl_json("doctor", 1);
	assert_true(fits_verb("doctor", json));
	json_decref(json);
	ctl("doctor");
	expect_printable("doctor", out);
}

/* ---- completion ---- */

/* What bash would offer, words separated by spaces. */
static void complete(const char *words)
{
	char command[2048];

	snprintf(command, sizeof(command),
		 "cd %s; bash -c 'source %s/../../completion/wardenctl; COMP_WORDS=(%s --socket %s %s);"
		 " COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _wardenctl; echo \"${COMPREPLY[*]}\"' >%s/out 2>&1",
		 dir, getenv("WARDENCTL_DIR"), getenv("WARDENCTL"), sock, words, dir);
	assert_int_equal(system(command), 0);
	read_back("out", out, sizeof(out));
}

static void expect_completion(const char *words, const char *expected)
{
	complete(words);
	out[strcspn(out, "\n")] = '\0';
	if (strcmp(out, expected))
		fail_msg("%s: '%s', not '%s'", words, out, expected);
}

static void words_are_completed(void **state)
{
	char path[128];

	NEEDS_PROGRAM();
	expect_completion("thaw \"\"", "");		/* nobody answers: quietly */
	expect_completion("fr", "freeze");
	expect_completion("--v", "--version");
	expect_completion("freeze web --s", "--seconds --socket");
	expect_completion("agents r", "revoke rotate");
	expect_completion("fil", "files file");
	expect_completion("file web --o", "--out");
	SERVE(OK("{\"guests\":[{\"id\":1,\"name\":\"web-1\"},{\"id\":2,\"name\":\"web 2\"},"
		 "{\"id\":3,\"name\":\"$(touch pwned)\"},{\"id\":44,\"name\":\"\"},{\"id\":55,\"name\":\"3\"},"
		 "{\"id\":56,\"name\":\"a/b\"},{\"id\":57,\"name\":\"+44\"}],"
		 "\"tasks\":[{\"pid\":12},{\"pid\":130},{\"pid\":7}],"
		 "\"findings\":[{\"id\":17},{\"id\":18}],\"items\":[{\"item\":\"00ff\"}],"
		 "\"agents\":[{\"name\":\"web-1\"}]}"));
	expect_completion("ps we", "web-1 web\\ 2");
	expect_completion("ps 4", "44");
	expect_completion("ps 3", "");		/* a name that would mean another guest */
	expect_completion("ps +", "+55 +56 +57");
	complete("ps \"\"");
	assert_non_null(strstr(out, "\\$\\(touch\\ pwned\\)"));
	snprintf(path, sizeof(path), "%s/pwned", dir);
	assert_int_equal(access(path, F_OK), -1);
	expect_completion("kill web-1 1", "12 130");
	expect_completion("maps --json web-1 7", "7");
	expect_completion("explain 1", "17 18");
	expect_completion("quarantine restore 0", "00ff");
	expect_completion("findings --guest web-", "web-1");
	expect_completion("agents revoke w", "web-1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(usage_is_told_for_each_verb), T(help_is_there), T(versions_are_told), T(nobody_answers),
		T(stranger_is_told_what_to_do), T(half_an_answer_is_none), T(other_bytes_are_none),
		T(errors_of_the_daemon_pass), T(nothing_moves_the_cursor),
		T(columns_fit_the_terminal), T(tree_ends_and_loses_nobody),
		T(lost_output_is_an_error), T(odd_socket_is_named), T(no_text_forges_a_field),
		T(doctor_works_without_the_daemon), T(doctor_names_what_the_daemon_tells),
		T(words_are_completed),
	};

	share_requests();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
