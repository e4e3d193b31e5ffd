// SPDX-License-Identifier: GPL-2.0-or-later
#include "scan/loader.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/messages.h"
#include "lib/sandbox.h"
#include "lib/util.h"
#include "scan/content.h"
#include "scan/databases.h"
#include "scan/jail.h"
#include "scan/worker.h"

/* For libclamav's work, beside the signatures and the content. */
#define WORKER_EXTRA (1ull << 30)
/* The official databases take half a minute, on a slow machine some. */
#define LOAD_SECONDS 900

struct loader {
	int sock, null;
	struct scanner scanner;
	uint64_t worker_memory;
	uint32_t worker_uid;
};

/* A worker may map what the loader has, a content, and some work space. */
static uint64_t worker_memory(int statm)
{
	char text[128] = "";
	uint64_t pages;

	if (statm < 0 || pread(statm, text, sizeof(text) - 1, 0) <= 0)
		fatal("loader: /proc/self/statm: %s", strerror(errno));
	pages = strtoull(text, NULL, 10);
	return pages * sysconf(_SC_PAGESIZE) + CONTENT_MEMORY_MAX + WORKER_EXTRA;
}

static noreturn void run_worker(const struct loader *l, int sock)
{
	close(l->sock);
	if (jail_worker(l->worker_memory, l->worker_uid))
		_exit(1);
	/* From here on nothing it prints is to be believed. */
	dup2(l->null, STDERR_FILENO);
	close(l->null);
	worker_serve(sock, &l->scanner);
}

/* A plain system call: the C library's fork knows no CLONE_PARENT. */
pid_t loader_clone_sibling(int *ret_pidfd)
{
	return syscall(SYS_clone, CLONE_PARENT | CLONE_PIDFD | SIGCHLD, NULL, ret_pidfd,
		       NULL, NULL);
}

static void give(const struct loader *l, uint32_t type, int fd)
{
	struct msg m = { .type = type, .fd = fd };

	if (msg_send(l->sock, &m, 0))
		_exit(0);		/* the broker is gone */
}

static void make_worker(const struct loader *l)
{
	autofd int pidfd = -1;
	int pair[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		fatal("loader: socketpair: %s", strerror(errno));
	pid = loader_clone_sibling(&pidfd);
	if (pid < 0)
		fatal("loader: no worker: %s", strerror(errno));
	if (!pid) {
		close(pair[0]);
		run_worker(l, pair[1]);
	}
	give(l, L_WORKER, pair[0]);
	give(l, L_PROCESS, pidfd);
	close(pair[0]);
	close(pair[1]);
}

/* False if there is no such folder: said as a refusal, not as a crash. */
static bool has_folder(const char *path, struct m_database *info)
{
	struct stat st;

	if (!stat(path, &st) && S_ISDIR(st.st_mode))
		return true;
	memset(info, 0, sizeof(*info));
	databases_engine_name(info->engine);
	snprintf(info->why, sizeof(info->why), "no folder of databases");
	log_err("%s: no folder of databases", path);
	return false;
}

static void load(struct loader *l, const struct config *config)
{
	autofd int statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	struct m_database info;

	l->scanner.scan_seconds = config->scan_seconds;
	if (cl_init(CL_INIT_DEFAULT))
		fatal("loader: libclamav does not start");
	if (has_folder(config->database, &info)) {
		if (jail_private_tree(config->database))
			exit(1);
		l->scanner.engine = databases_load(JAIL_DATABASE, JAIL_TMP,
						   config->scan_seconds, &info);
	}
	if (!l->scanner.engine)
		log_err("databases refused: %s", info.why);
	else
		log_info("%llu signatures in %s",
			 (unsigned long long)info.signatures, config->database);
	l->worker_memory = worker_memory(statm);
	if (msg_post(l->sock, &msg_database, 0, &info, -1))
		exit(0);
}

noreturn void loader_run(int sock, const struct config *config)
{
	struct loader l = { .sock = sock, .worker_uid = config->uid_base + ROLE_UID_SCAN };
	struct msg m;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	l.null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (l.null < 0)
		fatal("/dev/null: %s", strerror(errno));
	dup2(l.null, STDIN_FILENO);
	dup2(l.null, STDOUT_FILENO);
	umask(077);
	alarm(LOAD_SECONDS);	/* over it: it ends, and the broker has it made again */
	load(&l, config);
	alarm(0);
	if (jail_loader())
		exit(1);
	while (msg_recv(l.sock, &m, 0) > 0) {
		msg_release(&m);
		if (m.type == L_FORK && l.scanner.engine)
			make_worker(&l);
	}
	_exit(0);
}
