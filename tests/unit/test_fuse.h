/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file server that answers all but reads of its files, and lookups of "hang": whoever
 * asks for one waits in the kernel until the server ends.  Its mount is this program's own.
 */
#ifndef TEST_FUSE_H
#define TEST_FUSE_H

#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FUSE_PAGE 4096

struct fuse_reply {
	struct fuse_out_header header;
	union {
		struct fuse_init_out init;
		struct fuse_entry_out entry;
		struct fuse_attr_out attr;
		struct fuse_open_out open;
	};
};

static inline void fuse_set_attr(struct fuse_attr *attr, uint64_t node)
{
	*attr = (struct fuse_attr){ .ino = node, .nlink = 1, .size = node == FUSE_ROOT_ID ? 0 : FUSE_PAGE,
				    .mode = node == FUSE_ROOT_ID ? S_IFDIR | 0755 : S_IFREG | 0644 };
}

/* The bytes behind the header; -1: no answer. */
static inline int fuse_answer(const struct fuse_in_header *in, struct fuse_reply *reply)
{
	switch (in->opcode) {
	case FUSE_INIT:
		reply->init = (struct fuse_init_out){ .major = 7, .minor = 31, .max_write = FUSE_PAGE };
		return sizeof(reply->init);
	case FUSE_LOOKUP:
		if (!strcmp((const char *)(in + 1), "hang"))
			return -1;
		reply->entry.nodeid = 2;
		fuse_set_attr(&reply->entry.attr, 2);
		return sizeof(reply->entry);
	case FUSE_GETATTR:
		fuse_set_attr(&reply->attr.attr, in->nodeid);
		return sizeof(reply->attr);
	case FUSE_OPEN:
		return sizeof(reply->open);
	}
	return -1;
}

static inline noreturn void fuse_serve(int fd)
{
	static char request[FUSE_MIN_READ_BUFFER + FUSE_PAGE];
	const struct fuse_in_header *in = (void *)request;

	while (read(fd, request, sizeof(request)) > 0) {
		struct fuse_reply reply = { 0 };
		int n = fuse_answer(in, &reply);

		reply.header.unique = in->unique;
		reply.header.len = sizeof(reply.header) + n;
		if (n >= 0 && write(fd, &reply, reply.header.len) < 0)
			break;
	}
	_exit(0);
}

static char fuse_folder[] = "/tmp/kvm-warden-XXXXXX";
static pid_t fuse_server = -1;

/* fuse_server stays -1 where there is no FUSE. */
static inline int fuse_setup(void **state)
{
	char options[64];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	strcpy(fuse_folder, "/tmp/kvm-warden-XXXXXX");
	assert_non_null(mkdtemp(fuse_folder));
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	if (fd >= 0 && !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
	    !mount("fuse", fuse_folder, "fuse", 0, options) && !(fuse_server = fork()))
		fuse_serve(fd);
	if (fd >= 0)
		close(fd);
	return 0;
}

/* With it whoever waits for it goes on. */
static inline void fuse_end_server(void)
{
	if (fuse_server > 0) {
		kill(fuse_server, SIGKILL);
		waitpid(fuse_server, NULL, 0);
	}
	fuse_server = -1;
}

static inline int fuse_teardown(void **state)
{
	fuse_end_server();
	umount2(fuse_folder, MNT_DETACH);
	rmdir(fuse_folder);
	return 0;
}

#endif
