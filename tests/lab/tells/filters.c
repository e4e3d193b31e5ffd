// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * In the guest: BPF's code comes and goes, as programs of sockets, of seccomp, and
 * of tracing at the entry of a function of the kernel's.
 */
#include <linux/bpf.h>
#include <linux/btf.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <fcntl.h>
#include <unistd.h>

#define TRACED "do_sys_openat2"

static const struct bpf_insn nothing[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

/* Bytes behind a type's head. */
static size_t members(const struct btf_type *t)
{
	const unsigned n = BTF_INFO_VLEN(t->info);

	switch (BTF_INFO_KIND(t->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
	case BTF_KIND_DATASEC:
	case BTF_KIND_ENUM64:
		return 12 * n;
	case BTF_KIND_ENUM:
	case BTF_KIND_FUNC_PROTO:
		return 8 * n;
	default:
		return 0;
	}
}

/* The id of a function's type; 0: there is none. */
static uint32_t function_id(const char *name)
{
	static uint8_t btf[32 << 20];
	const struct btf_header *h = (void *)btf;
	int fd = open("/sys/kernel/btf/vmlinux", O_RDONLY);
	ssize_t r, size = 0;
	uint32_t id = 1;

	while (fd >= 0 && (r = read(fd, btf + size, sizeof(btf) - size)) > 0)
		size += r;
	if (size < (ssize_t)sizeof(*h) || h->magic != BTF_MAGIC)
		return 0;
	for (size_t at = 0; at < h->type_len; id++) {
		const struct btf_type *t = (void *)(btf + h->hdr_len + h->type_off + at);

		if (BTF_INFO_KIND(t->info) == BTF_KIND_FUNC &&
		    !strcmp((char *)btf + h->hdr_len + h->str_off + t->name_off, name))
			return id;
		at += sizeof(*t) + members(t);
	}
	return 0;
}

static int bpf(int command, union bpf_attr *attr)
{
	return syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static int load(uint32_t type, uint32_t attach_type, uint32_t function)
{
	union bpf_attr attr = {
		.prog_type = type, .insns = (uintptr_t)nothing, .license = (uintptr_t)"GPL",
		.insn_cnt = sizeof(nothing) / sizeof(*nothing),
		.expected_attach_type = attach_type, .attach_btf_id = function,
	};

	return bpf(BPF_PROG_LOAD, &attr);
}

static void filter_socket(void)
{
	int pair[2], program = load(BPF_PROG_TYPE_SOCKET_FILTER, 0, 0);

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return;
	setsockopt(pair[0], SOL_SOCKET, SO_ATTACH_BPF, &program, sizeof(program));
	usleep(300000);
	close(pair[0]);
	close(pair[1]);
	close(program);
}

static void filter_calls(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog filter = { 1, &allow };
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
		usleep(300000);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
}

static bool trace(uint32_t function)
{
	int program = load(BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, function);
	union bpf_attr attr = { .raw_tracepoint.prog_fd = program };
	int link = bpf(BPF_RAW_TRACEPOINT_OPEN, &attr);

	usleep(1000000);
	close(link);
	close(program);
	return link >= 0;
}

int main(void)
{
	const uint32_t function = function_id(TRACED);

	printf("FILTERS %s\n", function && trace(function) ? "trace" : "do not trace");
	fflush(stdout);
	for (;;) {
		/* To end a trace the kernel waits for all its tasks, and whoever loads a module waits too. */
		for (int i = 0; i < 20; i++) {
			filter_socket();
			filter_calls();
		}
		if (function)
			trace(function);
	}
}
