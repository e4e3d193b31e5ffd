// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/incident.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/util.h"

static const struct {
	const char *signature, *words;
} kinds[GUARD_KINDS] = {
	[GUARD_EXEC] = { "Guard.Exec", "started a program" },
	[GUARD_ANON_CODE] = { "Guard.AnonymousCode", "mapped executable memory that is of no file" },
	[GUARD_FOREIGN_CODE] = { "Guard.ForeignCode", "mapped a file as code" },
	[GUARD_MADE_CODE] = { "Guard.MadeCode", "made memory executable" },
	[GUARD_PTRACE] = { "Guard.Ptrace", "reached for another process" },
	[GUARD_TRACED] = { "Guard.Traced", "was reached for by another process" },
	[GUARD_FILE] = { "Guard.File", "opened a file" },
	[GUARD_SOCKET] = { "Guard.Socket", "made a socket" },
	[GUARD_CONNECT] = { "Guard.Connect", "connected a socket" },
	[GUARD_BIND] = { "Guard.Bind", "bound a socket" },
	[GUARD_CAPABILITY] = { "Guard.Capability", "gained capabilities" },
	[GUARD_USER_NAMESPACE] = { "Guard.UserNamespace", "made a user namespace" },
	[GUARD_MODULE] = { "Guard.Module", "had the kernel load code" },
	[GUARD_PROCESSES] = { "Guard.Processes", "made more processes than are watched" },
	[GUARD_CHANGE] = { "Guard.Change", "changed a file by its name" },
	[GUARD_MOUNT] = { "Guard.Mount", "changed what paths mean" },
	[GUARD_CONTROL] = { "Guard.Control", "signalled another process" },
	[GUARD_BPF] = { "Guard.Bpf", "reached for the kernel's BPF programs" },
};

static const char *const changes[GUARD_CHANGES] = {
	[GUARD_MOVED] = "moved a file", [GUARD_LINKED] = "linked a file",
	[GUARD_SYMLINK] = "made a symbolic link", [GUARD_FOLDER] = "made a folder",
	[GUARD_NODE] = "made a node or file", [GUARD_MODE] = "changed a file's mode",
	[GUARD_OWNER] = "changed a file's owner", [GUARD_REMOVED] = "removed a file or folder",
	[GUARD_EMPTIED] = "changed a file's length", [GUARD_DEVICE] = "made a device's node",
	[GUARD_MOUNTED] = "mounted", [GUARD_UNMOUNTED] = "unmounted", [GUARD_ROOT] = "changed its root",
};

const char *incident_signature(uint32_t what)
{
	return kinds[what].signature;
}

const char *incident_words(const struct incident *i)
{
	const bool change = i->what == GUARD_CHANGE || i->what == GUARD_MOUNT;

	if (change && i->detail && i->detail < GUARD_CHANGES)
		return changes[i->detail];
	if (i->what == GUARD_CONTROL && i->detail == GUARD_LIMITS)
		return "set limits or scheduling of another process";
	if (i->what == GUARD_CONTROL && i->detail == GUARD_HELD)
		return "asked to permit opens (fanotify)";
	if (i->what == GUARD_CONTROL && i->detail == GUARD_LEASED)
		return "took a lease on a file (fcntl)";
	return kinds[i->what].words;
}

const char *incident_actor(const struct incident *i)
{
	if (i->flags & GUARD_HELPER)
		return "a helper of the VMM";
	return i->flags & GUARD_CHILD ? "a child of the VMM" : "the VMM";
}

static const char *family_name(uint32_t family, char out[24])
{
	static const struct {
		uint32_t family;
		const char *name;
	} names[] = {
		{ AF_UNIX, "unix" }, { AF_INET, "inet" }, { AF_INET6, "inet6" },
		{ AF_NETLINK, "netlink" }, { AF_PACKET, "packet" }, { AF_VSOCK, "vsock" },
		{ AF_ALG, "alg" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].family == family)
			return names[i].name;
	snprintf(out, 24, "family %u", family);
	return out;
}

/* The profile names these alone. */
static bool is_named_family(uint32_t family)
{
	return family == AF_UNIX || family == AF_INET || family == AF_INET6 ||
	       family == AF_NETLINK || family == AF_PACKET || family == AF_VSOCK;
}

static void tell_address(struct incident *i, const struct warden_guard_event *raw)
{
	char text[INET6_ADDRSTRLEN] = "", family[24];

	if (!(i->flags & GUARD_ADDRESS)) {
		snprintf(i->path, sizeof(i->path), "%s", family_name(i->detail, family));
		return;
	}
	inet_ntop(i->detail == AF_INET6 ? AF_INET6 : AF_INET, raw->path, text, sizeof(text));
	snprintf(i->path, sizeof(i->path), i->detail == AF_INET6 ? "[%s]:%u" : "%s:%u", text,
		 (unsigned)i->address);
}

/* What it was done to, where that is no path. */
static void tell_object(struct incident *i, const struct warden_guard_event *raw)
{
	char name[TEXT_COMM], family[24];

	switch (i->what) {
	case GUARD_ANON_CODE:
		strcpy(i->path, "anonymous memory");
		return;
	case GUARD_MADE_CODE:
		if (i->path[0] || i->flags & GUARD_LONG_PATH)
			break;
		strcpy(i->path, i->length ? "memory of its own" :
		       "all memory it can read (personality)");
		return;
	case GUARD_TRACED:
		snprintf(i->path, sizeof(i->path), "process %u (%s)", i->pid, i->comm);
		return;
	case GUARD_CONTROL:
		if (i->detail == GUARD_HELD) {
			strcpy(i->path, "whoever opens a file");
			return;
		}
		if (i->detail == GUARD_LEASED) {
			strcpy(i->path, "whoever opens a file that it leases");
			return;
		}
		/* fallthrough */
	case GUARD_PTRACE:
		text_escape(name, sizeof(name), raw->path, strnlen(raw->path, GUARD_COMM));
		snprintf(i->path, sizeof(i->path), "process %llu (%s)",
			 (unsigned long long)i->address, name);
		return;
	case GUARD_SOCKET:
		snprintf(i->path, sizeof(i->path), "%s", family_name(i->detail, family));
		return;
	case GUARD_CONNECT:
	case GUARD_BIND:
		if (i->detail == AF_UNIX)
			break;
		tell_address(i, raw);
		return;
	case GUARD_CAPABILITY:
		snprintf(i->path, sizeof(i->path), "capabilities 0x%llx",
			 (unsigned long long)i->address);
		return;
	case GUARD_USER_NAMESPACE:
		strcpy(i->path, "user namespace");
		return;
	case GUARD_PROCESSES:
		strcpy(i->path, "processes");
		return;
	case GUARD_BPF:
		snprintf(i->path, sizeof(i->path), "bpf(), command %u", i->detail);
		return;
	}
	if (i->flags & GUARD_LONG_PATH)
		strcpy(i->path, "(a path longer than 255 bytes)");
	else if (!i->path[0])
		strcpy(i->path, "(no name)");
	if (i->flags & GUARD_ELSEWHERE)
		strncat(i->path, " (in a mount that is not its own)",
			sizeof(i->path) - strlen(i->path) - 1);
}

/*
 * A path that had to be escaped, cut, was deleted or is elsewhere cannot be written as a rule.
 * One that ends as if it meant all beneath it would be a rule for more than what was done.
 */
static bool is_rule_path(const struct incident *i)
{
	return i->path[0] == '/' && !strchr("/*", i->path[strlen(i->path) - 1]) &&
	       !strchr(i->path, '\\') && !strstr(i->path, " (deleted)") &&
	       !(i->flags & GUARD_ELSEWHERE);
}

static void tell_rule(struct incident *i)
{
	const char *key = NULL;
	char family[24];

	if (i->what == GUARD_EXEC)
		key = "exec";
	else if (i->what == GUARD_FOREIGN_CODE)
		key = "map";
	else if (i->what == GUARD_FILE)
		key = i->detail == GUARD_WRITE ? "write" : "read";
	else if (i->what == GUARD_CHANGE && i->detail < GUARD_DEVICE)
		key = "write";
	else if (i->what == GUARD_CONNECT && i->detail == AF_UNIX)
		key = "connect";
	if (key && is_rule_path(i))
		snprintf(i->rule, sizeof(i->rule), "%s = %s", key, i->path);
	else if (!key && (i->what == GUARD_SOCKET || i->what == GUARD_CONNECT ||
			  i->what == GUARD_BIND) && is_named_family(i->detail))
		snprintf(i->rule, sizeof(i->rule), "sockets = ... %s", family_name(i->detail, family));
}

bool incident_decode(const struct warden_guard_event *raw, struct incident *ret)
{
	if (!raw->what || raw->what >= GUARD_KINDS || raw->flags & ~GUARD_FLAGS ||
	    raw->reserved || !raw->guest)
		return false;
	*ret = (struct incident){
		.guest = raw->guest, .time_ns = raw->time_ns, .address = raw->address,
		.length = raw->length, .vmm = raw->vmm, .pid = raw->pid, .what = raw->what,
		.flags = raw->flags, .detail = raw->detail,
	};
	text_escape(ret->comm, sizeof(ret->comm), raw->comm, strnlen(raw->comm, GUARD_COMM));
	text_escape(ret->path, sizeof(ret->path), raw->path, strnlen(raw->path, GUARD_PATH));
	tell_object(ret, raw);
	tell_rule(ret);
	return true;
}
