// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A VMM with a guest that runs for ever, and does on command what no VMM does:
 * a line on standard input each, answered by a line "WORD: ok" or "WORD: ERROR".
 * guard-vmm attach PID: no VMM, which traces that process for a moment.  guard-vmm
 * helper: a program that the profile allows, and starts one that it does not.  guard-vmm
 * hand-on: a VMM that ends, while a process that shares its memory runs its guest on.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tinyvm.h"
#include "names.h"

/* ---- the guest ---- */

static void *run(void *arg)
{
	tiny_run(*(int *)arg, 20000);
}

static struct guest {
	int vm, vcpu;
	pthread_t thread;
} guests[2];

static void start_guest(struct guest *g)
{
	g->vm = tiny_vm();
	tiny_ram_with(g->vm, 65536, tiny_exits, sizeof(tiny_exits));
	g->vcpu = tiny_vcpu_at_code(g->vm, 0);
	pthread_create(&g->thread, NULL, run, &g->vcpu);
}

static int try_second(const char *unused)
{
	start_guest(&guests[1]);
	return 0;
}

static int try_end_first(const char *unused)
{
	pthread_cancel(guests[0].thread);
	pthread_join(guests[0].thread, NULL);
	close(guests[0].vcpu);
	return close(guests[0].vm) ? errno : 0;
}

static int run_on(void *vcpu)
{
	tiny_run(*(int *)vcpu, 20000);
}

/* The first exit is its own, and with it the guest. */
static int hand_on(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	static int vcpu;
	int vm = tiny_vm();
	pid_t heir;

	tiny_ram_with(vm, 65536, tiny_exits, sizeof(tiny_exits));
	vcpu = tiny_vcpu_at_code(vm, 0);
	ioctl(vcpu, KVM_RUN, 0);
	heir = clone(run_on, stack + sizeof(stack), CLONE_VM | SIGCHLD, &vcpu);
	printf("%d\n", heir);
	return heir < 0;
}

/* ---- what no VMM does: 0, or an error number ---- */

/* In a child: the VMM's own memory and privileges stay as they are. */
static int in_child(int (*try)(void))
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		return errno;
	if (!pid)
		_exit(try());
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
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

#define MUCH (512u << 20)

static void *exec_helper(void *path)
{
	execl(path, path, "helper", NULL);
	_exit(errno);
}

/*
 * Not by the first thread, which is released while the memory goes: that lasts longer
 * than the kernel waits to free it.
 */
static int try_thread_exec(const char *path)
{
	int status;
	pid_t pid = fork();
	pthread_t thread;
	char *much;

	if (pid < 0)
		return errno;
	if (!pid) {
		much = mmap(NULL, MUCH, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (much == MAP_FAILED)
			_exit(ENOMEM);
		madvise(much, MUCH, MADV_NOHUGEPAGE);
		for (size_t i = 0; i < MUCH; i += 4096)
			much[i] = 1;
		pthread_create(&thread, NULL, exec_helper, (void *)path);
		while (1)
			pause();
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

/* Of a family that a profile without inet lets nobody make: from before the guest. */
static int early, early_too;

static struct sockaddr_in inet_address(uint32_t host, uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(port),
				     .sin_addr.s_addr = htonl(host) };
}

static int try_bind(const char *port)
{
	struct sockaddr_in address = inet_address(INADDR_ANY, atoi(port));

	return result(bind(early, (struct sockaddr *)&address, sizeof(address)));
}

/* By no family at all. */
static int try_bind_any(const char *port)
{
	struct sockaddr_in address = inet_address(INADDR_ANY, atoi(port));

	address.sin_family = AF_UNSPEC;
	return result(bind(early_too, (struct sockaddr *)&address, sizeof(address)));
}

static int try_reach(const char *port)
{
	struct sockaddr_in address = inet_address(INADDR_LOOPBACK, atoi(port));

	return result(connect(early, (struct sockaddr *)&address, sizeof(address)));
}

static int set_personality(void)
{
	return result(personality(READ_IMPLIES_EXEC));
}

static int try_personality(const char *unused)
{
	return in_child(set_personality);
}

static int make_namespace(void)
{
	return result(unshare(CLONE_NEWUSER));
}

static int try_namespace(const char *unused)
{
	return in_child(make_namespace);
}

static int ask_for_tracing(void)
{
	return result(ptrace(PTRACE_TRACEME, 0, 0, 0));
}

static int try_traceme(const char *unused)
{
	return in_child(ask_for_tracing);
}

/* One capability, of those it may take: put down and taken up again. */
static int regain_by_capset(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct with[2], without[2];

	if (syscall(SYS_capget, &head, with))
		return errno;
	memcpy(without, with, sizeof(with));
	without[0].effective &= ~(1u << CAP_SYS_PTRACE);
	if (syscall(SYS_capset, &head, without))
		return errno;
	return result(syscall(SYS_capset, &head, with));
}

static int try_capset(const char *unused)
{
	return in_child(regain_by_capset);
}

/* All: who is nobody has no effective ones, and has them again as root. */
static int regain_by_setuid(void)
{
	if (seteuid(65534))
		return errno;
	return result(seteuid(0));
}

static int try_setuid(const char *unused)
{
	return in_child(regain_by_setuid);
}

/* A file system of that name is asked for by modprobe, which leaves a file. */
static int try_request(const char *left)
{
	syscall(SYS_fsopen, "warden-none", 0);
	return access(left, F_OK) ? EPERM : 0;
}

/* A kernel that comes to look at it finds no module there. */
static int unless_looked_at(long r)
{
	return r && errno != ENOEXEC ? errno : 0;
}

static int try_module_file(const char *path)
{
	int fd = open(path, O_RDONLY);

	return fd < 0 ? errno : unless_looked_at(syscall(SYS_finit_module, fd, "", 0));
}

static int try_module_memory(const char *unused)
{
	static const char nothing[4096];

	return unless_looked_at(syscall(SYS_init_module, nothing, sizeof(nothing), ""));
}

static int try_signal(const char *pid)
{
	return result(kill(atoi(pid), SIGCONT));
}

static int try_end(const char *pid)
{
	return result(kill(atoi(pid), SIGKILL));
}

static int try_limits(const char *pid)
{
	const struct rlimit few = { .rlim_cur = 1024, .rlim_max = 1024 };

	return result(prlimit(atoi(pid), RLIMIT_NOFILE, &few, NULL));
}

static void *limit_itself(void *unused)
{
	const struct rlimit few = { .rlim_cur = 1024, .rlim_max = 1048576 };

	return (void *)(intptr_t)result(prlimit(getpid(), RLIMIT_NOFILE, &few, NULL));
}

/* By a thread that is not the first. */
static int try_own_limits(const char *unused)
{
	pthread_t thread;
	void *error;

	pthread_create(&thread, NULL, limit_itself, NULL);
	pthread_join(thread, &error);
	return (int)(intptr_t)error;
}

/* Nobody signals it: a file's event does. */
static int try_sigio(const char *pid)
{
	int ends[2];

	if (pipe(ends) || fcntl(ends[0], F_SETOWN, atoi(pid)) || fcntl(ends[0], F_SETSIG, SIGKILL) ||
	    fcntl(ends[0], F_SETFL, O_ASYNC) || write(ends[1], "x", 1) != 1)
		return errno;
	close(ends[0]);
	close(ends[1]);
	return 0;
}

/* Opens of this file would wait for an answer. */
static int try_hold(const char *path)
{
	int fd = fanotify_init(FAN_CLASS_CONTENT, O_RDONLY);
	int error = fd < 0 ? errno : result(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, path));

	if (fd >= 0)
		close(fd);
	return error;
}

static int leased = -1;

/* Until it is ended: opens of this file wait. */
static int try_lease(const char *path)
{
	int error;

	signal(SIGIO, SIG_IGN);		/* of whoever opens it */
	leased = open(path, O_RDONLY | O_CLOEXEC);
	if (leased < 0)
		return errno;
	error = result(fcntl(leased, F_SETLEASE, F_WRLCK));
	if (error)
		close(leased);
	return error;
}

static int try_end_lease(const char *unused)
{
	return result(close(leased));
}

static int try_nice(const char *pid)
{
	return result(setpriority(PRIO_PROCESS, atoi(pid), 5));
}

static int try_io_priority(const char *pid)
{
	const int best_effort = 2 << 13 | 7, process = 1;

	return result(syscall(SYS_ioprio_set, process, atoi(pid), best_effort));
}

/* As who looks for the guard's maps. */
static int try_bpf(const char *unused)
{
	union bpf_attr attr = { .start_id = 0 };

	return result(syscall(SYS_bpf, BPF_MAP_GET_NEXT_ID, &attr, sizeof(attr)));
}

#define MANY 300	/* more than WARDEN_GUARD_CHILDREN */

static int try_forks(const char *unused)
{
	pid_t child[MANY];
	int n, error = 0;

	for (n = 0; n < MANY; n++) {
		child[n] = fork();
		if (child[n] < 0) {
			error = errno;
			break;
		}
		while (!child[n])
			pause();
	}
	while (n--) {
		kill(child[n], SIGKILL);
		waitpid(child[n], NULL, 0);
	}
	return error;
}

/* ---- a storm of forks, some by a thread that interrupts the others' ---- */

#define STORM_THREADS 4
#define STORM_FORKS 100		/* of each */
#define STORM_SUDDEN 200

static const char *forbidden;
static unsigned opened, failed;

static void fork_one(void)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(open(forbidden, O_RDONLY) >= 0);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		__atomic_fetch_add(&failed, 1, __ATOMIC_RELAXED);
	else if (WEXITSTATUS(status))
		__atomic_fetch_add(&opened, 1, __ATOMIC_RELAXED);
}

static void *fork_on(void *unused)
{
	for (int i = 0; i < STORM_FORKS; i++)
		fork_one();
	return NULL;
}

static void *fork_suddenly(void *unused)
{
	const struct sched_param real_time = { .sched_priority = 50 };
	unsigned seed = 1;

	if (sched_setscheduler(0, SCHED_FIFO, &real_time))
		failed++;
	for (int i = 0; i < STORM_SUDDEN; i++) {
		usleep(rand_r(&seed) % 2000);
		fork_one();
	}
	return NULL;
}

/* Each child opens it, once.  EIO: not all were made, EEXIST: not all of one mind. */
static int try_storm(const char *path)
{
	pthread_t thread[STORM_THREADS + 1];

	forbidden = path;
	opened = failed = 0;
	for (int i = 0; i <= STORM_THREADS; i++)
		pthread_create(&thread[i], NULL, i ? fork_on : fork_suddenly, NULL);
	for (int i = 0; i <= STORM_THREADS; i++)
		pthread_join(thread[i], NULL);
	if (failed)
		return EIO;
	if (opened == STORM_THREADS * STORM_FORKS + STORM_SUDDEN)
		return 0;
	return opened ? EEXIST : EPERM;
}

/* More threads than children are let live, each with one that stays. */
#define AT_ONCE 600

static int stays;

static void *fork_once(void *unused)
{
	pid_t pid = fork();

	while (!pid)
		pause();
	if (pid > 0)
		__atomic_fetch_add(&stays, 1, __ATOMIC_RELAXED);
	return (void *)(intptr_t)pid;
}

static int try_at_once(const char *most)
{
	static pthread_t thread[AT_ONCE];
	pthread_attr_t small;
	void *pid;
	int n = 0;

	stays = 0;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 65536);
	while (n < AT_ONCE && !pthread_create(&thread[n], &small, fork_once, NULL))
		n++;
	while (n--) {
		pthread_join(thread[n], &pid);
		if ((intptr_t)pid <= 0)
			continue;
		kill((pid_t)(intptr_t)pid, SIGKILL);
		waitpid((pid_t)(intptr_t)pid, NULL, 0);
	}
	return stays <= atoi(most) ? 0 : E2BIG;
}

static int try_written_map(const char *path)
{
	int fd = open(path, O_RDONLY);

	return fd < 0 ? errno : mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE, fd, 0) ==
		MAP_FAILED ? errno : 0;
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

/* ---- a child that is older than the guest ---- */

static int elder[2];

static void be_elder(int orders)
{
	char path[256];
	ssize_t n;

	close(0);
	close(elder[0]);
	while ((n = read(orders, path, sizeof(path) - 1)) > 0) {
		path[n] = '\0';
		if (write(orders, &(int){ try_open(path) }, sizeof(int)) != sizeof(int))
			break;
	}
	_exit(0);
}

/* Its own child, that is: both are there before the guest is. */
static void start_elder(void)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, elder))
		err(1, "socketpair");
	if (fork())
		return;
	if (!fork())
		be_elder(elder[1]);
	close(elder[0]);
	close(elder[1]);
	close(0);
	wait(NULL);
	_exit(0);
}

static int try_elder(const char *path)
{
	int answer;

	if (write(elder[0], path, strlen(path)) < 0)
		return errno;
	return read(elder[0], &answer, sizeof(answer)) == sizeof(answer) ? answer : EIO;
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
	{ "hidden", try_hidden }, { "bind", try_bind }, { "reach", try_reach },
	{ "bind-any", try_bind_any }, { "thread-exec", try_thread_exec }, { "signal", try_signal },
	{ "end", try_end }, { "limits", try_limits }, { "own-limits", try_own_limits },
	{ "sigio", try_sigio }, { "hold", try_hold }, { "lease", try_lease }, { "end-lease", try_end_lease },
	{ "nice", try_nice }, { "io-priority", try_io_priority }, { "bpf", try_bpf },
	{ "traceme", try_traceme }, { "capset", try_capset }, { "setuid", try_setuid },
	{ "request", try_request }, { "module-file", try_module_file },
	{ "module-memory", try_module_memory }, { "forks", try_forks },
	{ "elder", try_elder }, { "storm", try_storm }, { "at-once", try_at_once }, { "written-map", try_written_map },
	{ "second", try_second }, { "end-first", try_end_first },
};

int main(int argc, char **argv)
{
	char line[512], *argument;
	int error;

	if (argc == 3 && !strcmp(argv[1], "attach"))
		return try_ptrace(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "helper"))
		return result(execl("/bin/uname", "/bin/uname", NULL));
	if (argc == 2 && !strcmp(argv[1], "hand-on"))
		return hand_on();
	early = socket(AF_INET, SOCK_DGRAM, 0);
	early_too = socket(AF_INET, SOCK_DGRAM, 0);
	start_elder();
	close(elder[1]);
	start_guest(&guests[0]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("up %d\n", getpid());
	while (fgets(line, sizeof(line), stdin)) {
		line[strcspn(line, "\n")] = '\0';
		argument = strchr(line, ' ');
		if (argument)
			*argument++ = '\0';
		if (try_name(line, argument ? argument : "", &error))
			printf("%s: %s\n", line, error ? strerrorname_np(error) : "ok");
		for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
			if (strcmp(commands[i].word, line))
				continue;
			error = commands[i].try(argument ? argument : "");
			printf("%s: %s\n", line, error ? strerrorname_np(error) : "ok");
		}
	}
	return 0;
}
