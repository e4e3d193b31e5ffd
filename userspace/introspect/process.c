// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/process.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "introspect/files.h"
#include "introspect/find.h"
#include "introspect/lists.h"
#include "introspect/ownfiles.h"
#include "introspect/usage.h"
#include "lib/util.h"

#define MAX_FILES 4096u			/* told; more are counted as left out */
#define MAX_THREADS 4096u
#define MAX_LEVEL 32u			/* of pid namespaces, as the kernel has it */
#define MAX_CGROUPS 64u
#define ENV_SIZE 65536u
#define SOCKFS_MAGIC 0x534f434bu
#define PIPEFS_MAGIC 0x50495045u
#define ANON_INODE_MAGIC 0x09041934u

struct teller {
	struct introspector *in;
	const struct kernel *k;
	struct task task;
	int (*fn)(void *ctx, const struct m_fact *fact);
	void *ctx;
	int stop;			/* what fn returned */
	uint32_t threads, files;
	uint32_t unread;		/* facts that could not be read */
	bool cut;
};

static void tell(struct teller *t, uint32_t kind, uint64_t number, const char *name,
		 const char *format, ...) __attribute__((format(printf, 5, 6)));

static void tell(struct teller *t, uint32_t kind, uint64_t number, const char *name,
		 const char *format, ...)
{
	struct m_fact m = { .kind = kind, .number = number };
	va_list args;

	snprintf(m.name, sizeof(m.name), "%s", name);
	va_start(args, format);
	vsnprintf(m.value, sizeof(m.value), format, args);
	va_end(args);
	if (!t->stop)
		t->stop = t->fn(t->ctx, &m);
}

/* 0 if it cannot be read, which is counted. */
static uint64_t get(struct teller *t, uint64_t base, struct field f)
{
	uint64_t v = 0;

	if (!f.size || kernel_member(t->k, base, f, &v))
		t->unread++;
	return v;
}

/* ---- who it is ---- */

static const char *state_name(uint64_t state, uint64_t exit_state)
{
	if (exit_state & 0x10)
		return "X (dead)";
	if (exit_state & 0x20)
		return "Z (zombie)";
	/* TASK_IDLE: it cannot be killed, and counts for no load. */
	if ((state & 0x402) == 0x402)
		return "I (idle)";
	if (state & 2)
		return "D (disk sleep)";
	if (state & 1)
		return "S (sleeping)";
	if (state & 4)
		return "T (stopped)";
	if (state & 8)
		return "t (tracing stop)";
	return state & 0x40 ? "P (parked)" : "R (running)";
}

static void tell_ids(struct teller *t, uint64_t cred)
{
	const struct layout *at = &t->k->at;
	struct teller quiet = *t;

	tell(t, FACT_PROCESS, 0, "Uid", "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
	     get(&quiet, cred, at->cred_uid), get(&quiet, cred, at->cred_euid),
	     get(&quiet, cred, at->cred_suid), get(&quiet, cred, at->cred_fsuid));
	tell(t, FACT_PROCESS, 0, "Gid", "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
	     get(&quiet, cred, at->cred_gid), get(&quiet, cred, at->cred_egid),
	     get(&quiet, cred, at->cred_sgid), get(&quiet, cred, at->cred_fsgid));
	tell(t, FACT_PROCESS, 0, "CapInh", "%016" PRIx64, get(&quiet, cred, at->cred_cap_inheritable));
	tell(t, FACT_PROCESS, 0, "CapPrm", "%016" PRIx64, get(&quiet, cred, at->cred_cap_permitted));
	tell(t, FACT_PROCESS, 0, "CapEff", "%016" PRIx64, get(&quiet, cred, at->cred_cap_effective));
	tell(t, FACT_PROCESS, 0, "CapBnd", "%016" PRIx64, get(&quiet, cred, at->cred_cap_bset));
	t->unread = quiet.unread;
}

/* Its pid in each namespace, outermost first; and the innermost's number. */
static void tell_pids(struct teller *t)
{
	const struct layout *at = &t->k->at;
	uint64_t pid = get(t, t->task.va, at->task_struct_thread_pid);
	uint64_t level = MIN(get(t, pid, at->pid_level), (uint64_t)MAX_LEVEL), nr, ns = 0;
	uint32_t numbers = at->pid_numbers.size ? at->pid_numbers.at : at->pid_size.size;
	char text[MAX_LEVEL * 12] = "";

	for (uint64_t i = 0; i <= level; i++) {
		uint64_t upid = pid + numbers + i * at->upid_size.size;

		nr = get(t, upid, at->upid_nr);
		ns = get(t, upid, at->upid_ns);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%" PRIu64, i ? " " : "", nr);
	}
	tell(t, FACT_PROCESS, 0, "NSpid", "%s", text);
	tell(t, FACT_NAMESPACE, get(t, ns, at->pid_namespace_inum), "pid", "%s", "");
}

static void tell_namespaces(struct teller *t, uint64_t cred)
{
	const struct layout *at = &t->k->at;
	const struct {
		const char *name;
		struct field of, inum;
	} all[] = {
		{ "uts", at->nsproxy_uts_ns, at->uts_namespace_inum },
		{ "ipc", at->nsproxy_ipc_ns, at->ipc_namespace_inum },
		{ "mnt", at->nsproxy_mnt_ns, at->mnt_namespace_inum },
		{ "net", at->nsproxy_net_ns, at->net_inum },
		{ "cgroup", at->nsproxy_cgroup_ns, at->cgroup_namespace_inum },
	};
	uint64_t proxy = get(t, t->task.thread, at->task_struct_nsproxy);

	/* Gone already, of a process on its way out. */
	for (size_t i = 0; proxy && i < ARRAY_SIZE(all); i++)
		tell(t, FACT_NAMESPACE, get(t, get(t, proxy, all[i].of), all[i].inum), all[i].name,
		     "%s", "");
	tell(t, FACT_NAMESPACE, get(t, get(t, cred, at->cred_user_ns), at->user_namespace_inum),
	     "user", "%s", "");
}

/* Of the unified hierarchy: a container's name is in it. */
static void tell_cgroup(struct teller *t)
{
	const struct layout *at = &t->k->at;
	uint64_t set = get(t, t->task.va, at->task_struct_cgroups);
	uint64_t node = get(t, get(t, set, at->css_set_dfl_cgrp), at->cgroup_kn);
	char path[TEXT_PATH] = "", name[256], escaped[TEXT_PATH];
	size_t start = sizeof(path) - 1;

	for (uint32_t i = 0; node && i < MAX_CGROUPS; i++) {
		uint64_t parent = get(t, node, at->kernfs_node_parent);
		uint64_t text = get(t, node, at->kernfs_node_name);
		int len = kernel_pointer(t->k, text) ?
			  virt_read_text(&t->k->as, text, name, sizeof(name)) : -EFAULT;

		if (len < 0) {
			t->unread++;
			break;
		}
		if (!parent || (size_t)len + 1 > start)
			break;
		start -= len;
		memcpy(path + start, name, len);
		path[--start] = '/';
		node = parent;
	}
	text_escape(escaped, sizeof(escaped), path + start, sizeof(path) - 1 - start);
	tell(t, FACT_PROCESS, 0, "Cgroup", "%s", escaped[0] ? escaped : "/");
}

static void tell_status(struct teller *t)
{
	const struct layout *at = &t->k->at;
	uint64_t cred = get(t, t->task.va, at->task_struct_cred), ptrace, tracer = 0;
	char text[TEXT_PATH], argv[ARGV_SIZE];
	struct guest_file exe;
	struct usage usage;

	text_escape(text, sizeof(text), t->task.comm, strlen(t->task.comm));
	tell(t, FACT_PROCESS, 0, "Name", "%s", text);
	tell(t, FACT_PROCESS, 0, "State", "%s", state_name(get(t, t->task.va, at->task_struct_state),
	     get(t, t->task.va, at->task_struct_exit_state)));
	tell(t, FACT_PROCESS, 0, "Tgid", "%u", t->task.pid);
	tell(t, FACT_PROCESS, 0, "PPid", "%u", t->task.ppid);
	ptrace = get(t, t->task.thread, at->task_struct_ptrace);
	if (ptrace)
		tracer = get(t, get(t, t->task.thread, at->task_struct_parent), at->task_struct_tgid);
	tell(t, FACT_PROCESS, 0, "TracerPid", "%" PRIu64, tracer);
	tell_ids(t, cred);
	tell_pids(t);
	usage_read(t->k, &t->task, &usage);
	tell(t, FACT_PROCESS, 0, "Threads", "%u", usage.threads);
	tell(t, FACT_PROCESS, 0, "VmRSS", "%" PRIu64 " kB", usage.rss_pages * 4);
	tell(t, FACT_PROCESS, 0, "VmSwap", "%" PRIu64 " kB", usage.swap_pages * 4);
	tell(t, FACT_PROCESS, 0, "CpuTime", "%.3f s", (double)usage.cpu_ns / 1e9);
	tell(t, FACT_PROCESS, 0, "StartTime", "%.2f s after boot", (double)t->task.start_ns / 1e9);
	tell_cgroup(t);
	if (t->task.exe_file && !file_read_info(t->k, t->task.exe_file, &exe)) {
		text_escape(text, sizeof(text), exe.path, strlen(exe.path));
		tell(t, FACT_PROCESS, 0, "Exe", "%s%s", text, exe.deleted ? " (deleted)" : "");
	}
	text_escape(text, sizeof(text), argv, task_argv(t->k, &t->task, argv, sizeof(argv)));
	tell(t, FACT_PROCESS, 0, "Argv", "%s", text);
	tell_namespaces(t, cred);
}

/* ---- its threads ---- */

static int tell_thread(void *ctx, uint64_t node)
{
	struct teller *t = ctx;
	const struct layout *at = &t->k->at;
	uint64_t va = node - at->task_struct_thread_node.at;
	char comm[17] = "", text[TEXT_COMM];

	if (t->threads++ == MAX_THREADS) {
		t->cut = true;
		return -E2BIG;
	}
	if (virt_read(&t->k->as, va + at->task_struct_comm.at, comm, MIN(at->task_struct_comm.size, 16u)))
		t->unread++;
	text_escape(text, sizeof(text), comm, strlen(comm));
	tell(t, FACT_THREAD, get(t, va, at->task_struct_pid), text, "%s, %.3f s of CPU",
	     state_name(get(t, va, at->task_struct_state), get(t, va, at->task_struct_exit_state)),
	     (double)get(t, va, at->task_struct_runtime) / 1e9);
	return t->stop;
}

static void tell_threads(struct teller *t)
{
	uint64_t signal = get(t, t->task.va, t->k->at.task_struct_signal);
	int r = list_walk(t->k, signal + t->k->at.signal_struct_thread_head.at, MAX_THREADS + 1,
			  tell_thread, t);

	t->unread += r && !t->stop && !t->cut;
}

/* ---- its files ---- */

static const char *tcp_state(uint64_t state)
{
	static const char *const names[] = {
		"", "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2", "TIME_WAIT",
		"CLOSE", "CLOSE_WAIT", "LAST_ACK", "LISTEN", "CLOSING",
	};

	return state < ARRAY_SIZE(names) ? names[state] : "";
}

/* IPv6 in brackets, or nobody could tell the port from it. */
static void address(struct teller *t, uint64_t sk, bool v6, bool local, char *out, size_t size)
{
	const struct layout *at = &t->k->at;
	const struct field four = local ? at->sock_common_skc_rcv_saddr : at->sock_common_skc_daddr;
	const struct field six = local ? at->sock_common_skc_v6_rcv_saddr : at->sock_common_skc_v6_daddr;
	const struct field f = v6 ? six : four;
	char text[INET6_ADDRSTRLEN];
	uint8_t bytes[16] = { 0 };

	if (!f.size || virt_read(&t->k->as, sk + f.at, bytes, v6 ? 16 : 4))
		t->unread++;
	inet_ntop(v6 ? AF_INET6 : AF_INET, bytes, text, sizeof(text));
	snprintf(out, size, v6 ? "[%s]" : "%s", text);
}

/* SOCK_STREAM may be SCTP and SOCK_DGRAM a ping, so the type does not tell alone. */
static const char *inet_protocol(struct teller *t, uint64_t sk, bool v6, uint64_t type)
{
	const struct field f = t->k->at.sock_sk_protocol;

	if (type == SOCK_RAW)
		return v6 ? "raw6" : "raw";
	switch (f.size ? get(t, sk, f) : type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP) {
	case IPPROTO_TCP: return v6 ? "tcp6" : "tcp";
	case IPPROTO_UDP: return v6 ? "udp6" : "udp";
	case IPPROTO_ICMP: return "icmp";
	case IPPROTO_ICMPV6: return "icmp6";
	case IPPROTO_UDPLITE: return v6 ? "udplite6" : "udplite";
	case IPPROTO_SCTP: return v6 ? "sctp6" : "sctp";
	case IPPROTO_MPTCP: return v6 ? "mptcp6" : "mptcp";
	default: return v6 ? "inet6" : "inet";
	}
}

static void tell_inet(struct teller *t, uint64_t fd, uint64_t sk, bool v6, uint64_t type)
{
	const struct layout *at = &t->k->at;
	const char *protocol = inet_protocol(t, sk, v6, type);
	char local[INET6_ADDRSTRLEN + 2], remote[INET6_ADDRSTRLEN + 2];
	bool states = strstr(protocol, "tcp");

	address(t, sk, v6, true, local, sizeof(local));
	address(t, sk, v6, false, remote, sizeof(remote));
	tell(t, FACT_FILE, fd, "socket", "%s %s:%" PRIu64 " %s:%u%s%s", protocol, local,
	     get(t, sk, at->sock_common_skc_num), remote,
	     ntohs(get(t, sk, at->sock_common_skc_dport)), states ? " " : "",
	     states ? tcp_state(get(t, sk, at->sock_common_skc_state)) : "");
}

/*
 * The name that it was bound to, or its listener was, as /proc/net/unix has it: a path as
 * bind() was given it, or "@" and an abstract name, which may hold anything, zeros as well.
 */
static void unix_name(struct teller *t, uint64_t sk, char *out, size_t size)
{
	const struct layout *at = &t->k->at;
	const uint64_t bound = get(t, sk, at->unix_sock_addr);
	struct sockaddr_un name = { 0 };
	uint64_t bytes, most = sizeof(name);

	*out = '\0';
	if (!bound)
		return;
	bytes = get(t, bound, at->unix_address_len);
	/* The name is what the structure ends with; a zero after the longest counts too. */
	if (!at->unix_address_size.size || bytes <= offsetof(struct sockaddr_un, sun_path) ||
	    bytes > most + 1 ||
	    virt_read(&t->k->as, bound + at->unix_address_size.size, &name, MIN(bytes, most))) {
		t->unread++;
		return;
	}
	bytes = MIN(bytes, most) - offsetof(struct sockaddr_un, sun_path);
	if (name.sun_path[0]) {
		text_escape(out, size, name.sun_path, strnlen(name.sun_path, bytes));
		return;
	}
	for (uint64_t i = 0; i < bytes; i++)
		if (!name.sun_path[i])
			name.sun_path[i] = '@';
	text_escape(out, size, name.sun_path, bytes);
}

static void tell_unix(struct teller *t, uint64_t fd, uint64_t sk, uint64_t type, uint64_t ino)
{
	const uint64_t state = get(t, sk, t->k->at.sock_common_skc_state);
	char name[4 * sizeof(struct sockaddr_un) + 1];

	unix_name(t, sk, name, sizeof(name));
	tell(t, FACT_FILE, fd, "socket", "unix socket:[%" PRIu64 "] %s%s%s%s", ino,
	     type == SOCK_STREAM ? "stream" : type == SOCK_DGRAM ? "dgram" : "seqpacket",
	     state == TCP_LISTEN ? " LISTEN" : state == TCP_ESTABLISHED ? " ESTABLISHED" : "",
	     *name ? " " : "", name);
}

static void tell_socket(struct teller *t, uint64_t fd, const struct guest_file *f)
{
	const struct layout *at = &t->k->at;
	uint64_t socket = f->inode - at->socket_alloc_vfs_inode.at;
	uint64_t sk = get(t, socket, at->socket_sk), type = get(t, socket, at->socket_type);
	uint64_t family = sk ? get(t, sk, at->sock_common_skc_family) : 0;

	if (family == AF_INET || family == AF_INET6)
		tell_inet(t, fd, sk, family == AF_INET6, type);
	else if (family == AF_UNIX)
		tell_unix(t, fd, sk, type, f->ino);
	else
		tell(t, FACT_FILE, fd, "socket", "%s socket:[%" PRIu64 "]",
		     family == AF_NETLINK ? "netlink" : family == AF_PACKET ? "packet" :
		     family == AF_VSOCK ? "vsock" : "other", f->ino);
}

static int tell_file(void *ctx, uint32_t fd, uint64_t file)
{
	struct teller *t = ctx;
	struct guest_file f;
	char text[TEXT_PATH - 16];

	if (t->files++ == MAX_FILES) {
		t->cut = true;
		return -E2BIG;
	}
	if (file_read_info(t->k, file, &f)) {
		t->unread++;
		return 0;
	}
	text_escape(text, sizeof(text), f.path, strlen(f.path));
	if (f.magic == SOCKFS_MAGIC && t->k->at.socket_alloc_vfs_inode.size)
		tell_socket(t, fd, &f);
	else if (f.magic == PIPEFS_MAGIC)
		tell(t, FACT_FILE, fd, "pipe", "pipe:[%" PRIu64 "]", f.ino);
	else if (f.magic == ANON_INODE_MAGIC)
		tell(t, FACT_FILE, fd, "anonymous", "anon_inode:%s", text + (*text == '/'));
	else
		tell(t, FACT_FILE, fd, "file", "%s%s", text, f.deleted || f.memfd ? " (deleted)" : "");
	return t->stop;
}

static void tell_files(struct teller *t)
{
	int r = descriptors_walk(t->k, &t->task, tell_file, t);

	t->unread += r && !t->stop && !t->cut;
}

/* ---- its environment ---- */

static void tell_environment(struct teller *t)
{
	struct address_space as = task_space(t->k, &t->task);
	uint64_t start, end;
	autofree char *env = malloc(ENV_SIZE + 1);
	size_t len, room;

	if (!t->task.mm || !env)
		return;
	start = get(t, t->task.mm, t->k->at.mm_struct_env_start);
	end = get(t, t->task.mm, t->k->at.mm_struct_env_end);
	if (end <= start)
		return;
	t->cut = t->cut || end - start > ENV_SIZE;
	room = MIN(end - start, (uint64_t)ENV_SIZE);
	len = virt_read_start(&as, start, env, room);
	t->unread += len < room;
	env[len] = '\0';
	for (size_t at = 0; at < len; at += strlen(env + at) + 1) {
		char text[TEXT_PATH];

		text_escape(text, sizeof(text), env + at, strlen(env + at));
		tell(t, FACT_ENVIRONMENT, 0, "", "%s", text);
	}
}

/* ---- all ---- */

static void end(const struct teller *t, int r, struct m_done *d)
{
	bool broken = t->in->gone || t->in->mem->expired;

	d->status = r == -ENOENT ? DONE_NOT_FOUND :
		    r || broken || t->unread || t->cut ? DONE_INCOMPLETE : DONE_COMPLETE;
	if (d->status == DONE_NOT_FOUND)
		snprintf(d->why, sizeof(d->why), "no process has this pid and start");
	else if (r || broken)
		snprintf(d->why, sizeof(d->why), "incomplete; %s",
			 find_problem(t->in->gone ? -ENODEV : t->in->mem->expired ? -ETIME : r));
	else if (d->status == DONE_INCOMPLETE)
		snprintf(d->why, sizeof(d->why), "incomplete; %u facts could not be read%s", t->unread,
			 t->cut ? "; more threads, files or environment than the limit" : "");
}

int process_tell(struct introspector *in, const struct m_process *ask,
		 int (*fn)(void *ctx, const struct m_fact *fact), void *ctx, struct m_done *ret_done)
{
	struct teller t = { .in = in, .k = &in->kernel, .fn = fn, .ctx = ctx };
	uint64_t started = clock_now_ns();
	int r;

	*ret_done = (struct m_done){ .status = 0 };
	memory_set_budget(in->mem, LOOK_BUDGET_MS);
	r = find_process(in, ask->pid, ask->start_ns, &t.task);
	if (!r) {
		tell_status(&t);
		tell_threads(&t);
		tell_files(&t);
		if (ask->environment)
			tell_environment(&t);
	}
	end(&t, r, ret_done);
	ret_done->tasks = !r;
	ret_done->elapsed_us = (clock_now_ns() - started) / 1000;
	return t.stop;
}
