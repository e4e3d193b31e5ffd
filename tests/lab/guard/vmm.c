// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VMM with a guest that runs for ever, and does on command what no VMM does:
 * a line on standard input each, answered by a line "WORD: ok" or "WORD: ERROR".
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tinyvm.h"

/* ---- the guest ---- */

static void *run(void *arg)
{
	tiny_run(*(int *)arg, 20000);
}

static void start_guest(void)
{
	static int vcpu;
	int vm = tiny_vm();
	pthread_t thread;

	tiny_ram_with(vm, 65536, tiny_exits, sizeof(tiny_exits));
	vcpu = tiny_vcpu_at_code(vm, 0);
	pthread_create(&thread, NULL, run, &vcpu);
}

/* ---- what no VMM does: 0, or an error number ---- */

static int result(long r)
{
	return r < 0 ? errno : 0;
}

static int try_exec(const char *path)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (!pid) {
		execl(path, path, NULL);
		_exit(errno);
	}
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static int try_anon(const char *unused)
{
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ?
	       errno : 0;
}

static int try_map(const char *path)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		return errno;
	return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0) == MAP_FAILED ? errno : 0;
}

static int try_mprotect(const char *unused)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return result(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

static int try_ptrace(const char *pid)
{
	long r = ptrace(PTRACE_ATTACH, atoi(pid), 0, 0);

	if (r)
		return errno;
	waitpid(atoi(pid), NULL, __WALL);
	ptrace(PTRACE_DETACH, atoi(pid), 0, 0);
	return 0;
}

static int try_memory(const char *pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/mem", pid);
	return result(open(path, O_RDWR));
}

static int try_open(const char *path)
{
	return result(open(path, O_RDONLY));
}

static int try_inet(const char *unused)
{
	return result(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return result(connect(fd, (struct sockaddr *)&address, sizeof(address)));
}

/* To whom it never connected. */
static int try_datagram(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	return result(sendto(fd, "x", 1, 0, (struct sockaddr *)&address, sizeof(address)));
}

/* In a child: the VMM's own memory stays as it is. */
static int try_personality(const char *unused)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(result(personality(READ_IMPLIES_EXEC)));
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

static int try_namespace(const char *unused)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(result(unshare(CLONE_NEWUSER)));
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

/* No system call opens it: the ring does. */
static int try_uring(const char *path)
{
	struct io_uring_params p = { 0 };
	int fd = syscall(SYS_io_uring_setup, 2, &p);
	struct io_uring_sqe *sqe;
	uint8_t *ring;
	int answer;

	if (fd < 0)
		return errno;
	ring = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQ_RING);
	sqe = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, IORING_OFF_SQES);
	if (ring == MAP_FAILED || sqe == MAP_FAILED)
		return errno;
	sqe->opcode = IORING_OP_OPENAT;
	sqe->flags = IOSQE_ASYNC;	/* by a worker of the kernel's */
	sqe->fd = AT_FDCWD;
	sqe->addr = (uintptr_t)path;
	sqe->open_flags = O_RDONLY;
	((uint32_t *)(ring + p.sq_off.array))[0] = 0;
	__atomic_store_n((uint32_t *)(ring + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return errno;
	answer = ((struct io_uring_cqe *)(ring + p.cq_off.cqes))[0].res;
	return answer < 0 ? -answer : 0;
}

/* A child's child, whose parent is gone: does it, and leaves the answer in a file. */
static int try_orphan(const char *path)
{
	int status, out[2];
	pid_t pid;
	char answer;

	if (pipe(out))
		return errno;
	pid = fork();
	if (!pid) {
		if (fork())
			_exit(0);
		while (getppid() != 1)
			usleep(10000);
		answer = (char)try_open(path);
		_exit(write(out[1], &answer, 1) != 1);
	}
	waitpid(pid, &status, 0);
	return read(out[0], &answer, 1) == 1 ? answer : EIO;
}

/* More files than are told in a second, and a program behind them. */
static int try_hidden(const char *path)
{
	for (int i = 0; i < 80; i++)
		try_open("/etc/shadow");
	return try_exec(path);
}

/* ---- commands ---- */

static const struct {
	const char *word;
	int (*try)(const char *argument);
} commands[] = {
	{ "exec", try_exec }, { "anon", try_anon }, { "map", try_map },
	{ "mprotect", try_mprotect }, { "ptrace", try_ptrace }, { "memory", try_memory },
	{ "open", try_open }, { "inet", try_inet }, { "unix", try_unix },
	{ "namespace", try_namespace }, { "uring", try_uring }, { "orphan", try_orphan },
	{ "datagram", try_datagram }, { "personality", try_personality },
	{ "hidden", try_hidden },
};

int main(void)
{
	char line[256], *argument;
	int error;

	start_guest();
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("up %d\n", getpid());
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		argument = strchr(line, ' ');
		if (argument)
			*argument++ = '\0';
		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
			if (strcmp(commands[i].word, line))
				continue;
			error = commands[i].try(argument ? argument : "");
			printf("%s: %s\n", line, error ? strerrorname_np(error) : "ok");
		}
	}
	return 0;
}
