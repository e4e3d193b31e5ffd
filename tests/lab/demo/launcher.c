// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * launcher PLAN SHARE [MS]: starts what the plan says, inside the guest, and
 * keeps writing down what lives.  It is the demo's witness: it knows nothing of
 * signatures and nothing of the agent.  With MS it starts another infected
 * process each MS milliseconds, until SHARE/enough appears.
 *
 * SHARE/truth   KIND PID START NAME, a line each, once all have started
 * SHARE/census  PID alive|dead, a line each, anew twice a second
 * SHARE/beat    a number that grows as long as this guest runs
 * When SHARE/last-act appears, the agent (AGENT_PID) is killed and a copy of the
 * infected file starts again; SHARE/act then has
 *               removed|present   is the infected file where it was?
 *               again PID START NAME
 * It ends when SHARE/finish appears.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX 512
#define LINE_BYTES 256

struct process {
	char kind[16], name[32];
	pid_t pid;
	unsigned long long start;
};

static struct process processes[MAX];
static size_t n;
static const char *share;
static char infected[64], copy_of_it[64];
static char repeated[4][LINE_BYTES];	/* of the plan: what comes again and again */
static size_t nrepeated;

/* Field 22 of /proc/PID/stat, and its state; 0 if there is no such process. */
static unsigned long long start_time(pid_t pid, char *ret_state)
{
	char path[32], text[1024], *at;
	unsigned long long start = 0;
	ssize_t len;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return 0;
	len = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (len <= 0)
		return 0;
	text[len] = '\0';
	at = strrchr(text, ')');
	if (!at || sscanf(at + 2, "%c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
			  ret_state, &start) != 2)
		return 0;
	return start;
}

/*
 * What the kernel calls it, for the host to find the same: a name changes with
 * each exec, so it is read late.  One that is dead already keeps its planned one.
 */
static void read_name(pid_t pid, char name[32])
{
	char path[32];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%31s", name) != 1)
		warnx("%s is empty", path);
	if (f)
		fclose(f);
}

static void burn_pids(unsigned int count)
{
	while (count--) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
}

static void copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	struct stat st;

	if (in < 0 || out < 0 || fstat(in, &st) || sendfile(out, in, NULL, st.st_size) != st.st_size)
		err(1, "%s", to);
	close(in);
	close(out);
}

/*
 * Returns once the program runs: exec has closed the pipe.  It may be killed by
 * then, and is left to be waited for: its start time can still be read.
 */
static pid_t start(char **argv)
{
	siginfo_t info = { 0 };
	int pipefd[2], null;
	char byte;
	pid_t pid;

	if (pipe2(pipefd, O_CLOEXEC))
		err(1, "pipe");
	pid = fork();
	if (pid == 0) {
		null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		setsid();
		execv(argv[0], argv);
		dprintf(2, "launcher: %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(pipefd[1]);
	while (read(pipefd[0], &byte, 1) < 0 && errno == EINTR)
		;
	close(pipefd[0]);
	usleep(50000);
	if (!waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid == pid &&
	    info.si_code == CLD_EXITED)
		errx(1, "%s ended at once", argv[0]);
	return pid;
}

/* Its program executes another one out of a memfd, and only then is what it is (or dead). */
static pid_t start_memfd(char **argv)
{
	char path[32], exe[64];
	pid_t pid = start(argv);

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	for (int i = 0; i < 600; i++) {
		ssize_t len = readlink(path, exe, sizeof(exe));

		if (len < 0 || (len >= 7 && !memcmp(exe, "/memfd:", 7)))
			return pid;
		usleep(50000);
	}
	errx(1, "%s executes no memfd", argv[0]);
}

/* What comes back in the last act lies ready, and is executed by nobody until then. */
static pid_t start_file(char **argv, const char *name)
{
	snprintf(infected, sizeof(infected), "%s", argv[0]);
	snprintf(copy_of_it, sizeof(copy_of_it), "/var/tmp/%s", name);
	copy_file(infected, copy_of_it);
	return start(argv);
}

static pid_t start_deleted(char **argv, const char *name)
{
	char copy[64], *moved[] = { copy, NULL };
	pid_t pid;

	snprintf(copy, sizeof(copy), "/var/tmp/%s", name);
	copy_file(argv[0], copy);
	pid = start(moved);
	unlink(copy);
	unlink(argv[0]);
	return pid;
}

static void run_line(const char *text)
{
	char line[LINE_BYTES], *words[16], *save = NULL, *word;
	struct process *p = &processes[n];
	size_t count = 0;
	char state;

	snprintf(line, sizeof(line), "%s", text);
	for (word = strtok_r(line, " \n", &save); word && count < 15; word = strtok_r(NULL, " \n", &save))
		words[count++] = word;
	words[count] = NULL;
	if (count < 4 || n == MAX)
		errx(1, "bad plan");
	burn_pids(atoi(words[1]));
	snprintf(p->kind, sizeof(p->kind), "%s", words[0]);
	snprintf(p->name, sizeof(p->name), "%s", strcmp(words[2], "-") ? words[2] : strrchr(words[3], '/') + 1);
	if (!strcmp(p->kind, "deleted"))
		p->pid = start_deleted(words + 3, p->name);
	else if (!strcmp(p->kind, "file"))
		p->pid = start_file(words + 3, p->name);
	else
		p->pid = strcmp(p->kind, "memfd") ? start(words + 3) : start_memfd(words + 3);
	p->start = start_time(p->pid, &state);
	n++;
}

static FILE *open_new(const char *name)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.new", share, name);
	f = fopen(path, "w");
	if (!f)
		err(1, "%s", path);
	return f;
}

static void publish(FILE *f, const char *name)
{
	char from[128], to[128];

	snprintf(from, sizeof(from), "%s/%s.new", share, name);
	snprintf(to, sizeof(to), "%s/%s", share, name);
	if (fclose(f) || rename(from, to))
		err(1, "%s", to);
}

static void write_truth(void)
{
	FILE *f = open_new("truth");

	for (size_t i = 0; i < n; i++) {
		read_name(processes[i].pid, processes[i].name);
		fprintf(f, "%s %d %llu %s\n", processes[i].kind, processes[i].pid,
			processes[i].start, processes[i].name);
	}
	publish(f, "truth");
}

static void write_census(void)
{
	FILE *f = open_new("census");

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	for (size_t i = 0; i < n; i++) {
		char state = 'X';
		unsigned long long now = start_time(processes[i].pid, &state);
		int alive = now == processes[i].start && state != 'Z' && state != 'X';

		fprintf(f, "%d %s\n", processes[i].pid, alive ? "alive" : "dead");
	}
	publish(f, "census");
}

static int exists(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", share, name);
	return !access(path, F_OK);
}

static void beat(void)
{
	static unsigned long beats;
	FILE *f = open_new("beat");

	fprintf(f, "%lu\n", ++beats);
	publish(f, "beat");
}

static void last_act(void)
{
	const char *agent = getenv("AGENT_PID");
	char *argv[] = { copy_of_it, NULL }, state;
	FILE *f;
	pid_t pid;

	if (!agent || kill(atoi(agent), SIGKILL))
		err(1, "the agent");
	pid = start(argv);
	f = open_new("act");
	fprintf(f, "%s\nagain %d %llu %s\n", access(infected, F_OK) ? "removed" : "present", pid,
		start_time(pid, &state), strrchr(copy_of_it, '/') + 1);
	publish(f, "act");
}

/* A deleted file cannot be started again, a clean process needs not be. */
static void keep(const char *line)
{
	if (strncmp(line, "clean ", 6) && strncmp(line, "deleted ", 8) && nrepeated < 4)
		strcpy(repeated[nrepeated++], line);
}

static void run_plan(const char *path)
{
	char line[LINE_BYTES];
	FILE *plan = fopen(path, "r");

	if (!plan || (mkfifo("/demo-fifo", 0600) && errno != EEXIST))
		err(1, "%s", path);
	while (fgets(line, sizeof(line), plan)) {
		run_line(line);
		keep(line);
	}
	fclose(plan);
}

static void repeat(unsigned int ms)
{
	for (size_t i = 0; nrepeated && n < MAX && !exists("enough"); i++) {
		run_line(repeated[i % nrepeated]);
		beat();
		usleep(ms * 1000);
	}
}

int main(int argc, char **argv)
{
	int acted = 0;

	if (argc < 3)
		errx(2, "usage: launcher PLAN SHARE [MS]");
	share = argv[2];
	run_plan(argv[1]);
	if (argc > 3)
		repeat(atoi(argv[3]));
	write_truth();
	while (!exists("finish")) {
		beat();
		write_census();
		if (!acted && exists("last-act")) {
			last_act();
			acted = 1;
		}
		usleep(500000);
	}
	write_census();
	return 0;
}
