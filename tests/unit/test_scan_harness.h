/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The real warden-scan (environment variable WARDEN_SCAN names it), over a
 * socket as the engine has it, with a database made here and sealed memfds.
 */
#ifndef TEST_SCAN_HARNESS_H
#define TEST_SCAN_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/crypto.h"
#include "lib/messages.h"
#include "lib/util.h"
#include "test_child.h"

#define MARKER "WARDEN-UNIT-MARKER-ANY"
#define ELF_MARKER "WARDEN-UNIT-MARKER-ELF"
#define ANSWER_SECONDS 60
#define MIB (1u << 20)

struct role {
	char dir[64];
	pid_t pid;
	int sock;
	struct m_database database;
};

static inline void write_file(const char *dir, const char *name, const char *text)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static inline void make_signatures(char *out, size_t size)
{
	char any[2 * sizeof(MARKER)], elf[2 * sizeof(ELF_MARKER)];

	hex_encode(any, MARKER, strlen(MARKER));
	hex_encode(elf, ELF_MARKER, strlen(ELF_MARKER));
	snprintf(out, size, "Warden.Test.Any:0:*:%s\nWarden.Test.Elf:6:*:%s\n", any, elf);
}

static inline void receive(struct role *r, struct msg *m)
{
	struct pollfd p = { .fd = r->sock, .events = POLLIN };

	assert_int_equal(poll(&p, 1, ANSWER_SECONDS * 1000), 1);
	assert_int_equal(msg_recv(r->sock, m, 0), 1);
}

/* The role's child: exec in place of this process. */
static inline void exec_role(const char *config, int sock)
{
	if (sock != ROLE_FD)
		dup2(sock, ROLE_FD);
	execl(getenv("WARDEN_SCAN"), "warden-scan", "--config", config, NULL);
	_exit(127);
}

static inline void launch(struct role *r, unsigned workers, unsigned seconds)
{
	char config[PATH_MAX], text[512];
	int pair[2];

	snprintf(text, sizeof(text),
		 "[scan]\ndatabase = %s/db\nworkers = %u\nscan_seconds = %u\n",
		 r->dir, workers, seconds);
	write_file(r->dir, "wardend.conf", text);
	snprintf(config, sizeof(config), "%s/wardend.conf", r->dir);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	r->pid = child_fork();
	if (!r->pid)
		exec_role(config, pair[1]);
	close(pair[1]);
	r->sock = pair[0];
}

static inline struct m_database next_database(struct role *r)
{
	struct m_database db;
	struct msg m;

	receive(r, &m);
	assert_true(msg_decode(&m, &msg_database, &db));
	return db;
}

static inline void start(struct role *r, unsigned workers, unsigned seconds)
{
	launch(r, workers, seconds);
	r->database = next_database(r);
}

/* A folder with the two markers' signatures. */
static inline void make_folder(struct role *r)
{
	char text[512], db[96];

	if (!getenv("WARDEN_SCAN") || geteuid()) {
		print_message("skipped: needs root and WARDEN_SCAN=path of warden-scan\n");
		skip();
	}
	strcpy(r->dir, "/tmp/test_scan_role.XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	snprintf(db, sizeof(db), "%s/db", r->dir);
	assert_int_equal(mkdir(db, 0755), 0);
	make_signatures(text, sizeof(text));
	write_file(db, "unit.ndb", text);
}

/* A role with the two markers' signatures. */
static inline void start_with_markers(struct role *r, unsigned workers, unsigned seconds)
{
	make_folder(r);
	start(r, workers, seconds);
}

static inline void remove_dir(const struct role *r)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", r->dir);
	assert_int_equal(system(command), 0);
}

/* Ends as when the engine ends: by closing the socket alone. */
static inline void stop(struct role *r)
{
	int status;

	close(r->sock);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	remove_dir(r);
}

static inline void seal(int fd)
{
	assert_int_equal(fcntl(fd, F_ADD_SEALS,
			       F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL), 0);
}

static inline int open_memfd(void)
{
	int fd = memfd_create("content", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	return fd;
}

static inline int sealed(const void *data, size_t len)
{
	int fd = open_memfd();

	assert_int_equal(write(fd, data, len), len);
	seal(fd);
	return fd;
}

/* size bytes, all hole but for text at an offset. */
static inline int sealed_sparse(off_t size, off_t at, const char *text)
{
	int fd = open_memfd();

	assert_int_equal(ftruncate(fd, size), 0);
	if (text)
		assert_int_equal(pwrite(fd, text, strlen(text), at), strlen(text));
	seal(fd);
	return fd;
}

/* What libclamav takes seconds for. */
static inline int sealed_noise(size_t size)
{
	int fd = open_memfd();
	uint64_t *p;

	assert_int_equal(ftruncate(fd, size), 0);
	p = mmap(NULL, size, PROT_WRITE, MAP_SHARED, fd, 0);
	assert_true(p != MAP_FAILED);
	for (size_t i = 0; i < size / sizeof(*p); i++)
		p[i] = i * 0x9e3779b97f4a7c15ull ^ (i >> 7);
	munmap(p, size);
	seal(fd);
	return fd;
}

static inline void ask(struct role *r, uint64_t id, uint32_t profile, int fd)
{
	struct m_scan scan = { .profile = profile };

	assert_int_equal(msg_post(r->sock, &msg_scan, id, &scan, fd), 0);
	if (fd >= 0)
		close(fd);
}

static inline uint64_t get_verdict(struct role *r, struct m_verdict *v)
{
	struct msg m;

	receive(r, &m);
	assert_true(msg_decode(&m, &msg_verdict, v));
	return m.id;
}

/* Asks, and closes fd. */
static inline struct m_verdict scan(struct role *r, uint32_t profile, int fd)
{
	static uint64_t id = 100;
	struct m_verdict v;

	ask(r, ++id, profile, fd);
	assert_int_equal(get_verdict(r, &v), id);
	return v;
}

static inline void assert_verdict(struct m_verdict v, uint32_t verdict, const char *name)
{
	if (v.verdict != verdict || strcmp(v.name, name))
		fail_msg("verdict %u \"%s\", not %u \"%s\"", v.verdict, v.name, verdict, name);
}

#define INFECTED VERDICT_INFECTED, "Warden.Test.Any.UNOFFICIAL"
#define CLEAN VERDICT_CLEAN, ""

/* The child of the role that is not root: the worker; 0: none now. */
static inline pid_t find_worker(pid_t role)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	pid_t found = 0;

	while (!found && (e = readdir(proc))) {
		char path[PATH_MAX], line[256];
		int parent = 0, uid = 0;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/status", e->d_name);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f)) {
			sscanf(line, "PPid: %d", &parent);
			sscanf(line, "Uid: %d", &uid);
		}
		if (f)
			fclose(f);
		if (parent == role && uid)
			found = atoi(e->d_name);
	}
	closedir(proc);
	return found;
}

static inline pid_t wait_for_worker(pid_t role, pid_t other_than)
{
	for (int i = 0; i < 6000; i++) {
		pid_t worker = find_worker(role);

		if (worker && worker != other_than)
			return worker;
		usleep(10000);
	}
	fail_msg("no worker");
	return 0;
}

#endif
