/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets that a watched process makes, binds, connects and sends to.  A part of
 * guard.bpf.c: its maps and what it does of a finding are there.
 */
#ifndef WARDEN_GUARD_SOCKETS_H
#define WARDEN_GUARD_SOCKETS_H

#define AF_UNSPEC 0
#define AF_UNIX 1
#define AF_INET 2
#define AF_INET6 10

static __always_inline int has_family(__u32 family)
{
	const struct warden_guard_settings *s = get_settings();

	return s && family < 64 && s->families >> family & 1;
}

static __always_inline long on_socket(__u32 family, __u32 type, int kern, int can_deny)
{
	struct warden_guard_mark *m = mark_of_current();

	if (!m || kern || m->helper || has_family(family) || is_starting(m))
		return 0;
	return found(m, GUARD_SOCKET, family, type, 0, NULL, 0, can_deny);
}

SEC("lsm/socket_create")
long BPF_PROG(lsm_socket, int family, int type, int protocol, int kern, int ret)
{
	return ret ? earlier(ret) : on_socket(family, type, kern, 1);
}

SEC("fentry/security_socket_create")
int BPF_PROG(see_socket, int family, int type, int protocol, int kern)
{
	on_socket(family, type, kern, 0);
	return 0;
}

static __always_inline void take_unix(struct warden_guard_key *key, const void *path, __u32 n)
{
	clear_key(key);
	if (n > GUARD_UNIX_PATH)
		n = GUARD_UNIX_PATH;
	/* The verifier loses that bound; the compiler would drop the mask. */
	asm volatile("" : "+r"(n));
	bpf_probe_read_kernel(key->path, n & 127, path);
	/* An abstract name is no path, and never looks like one. */
	if (!key->path[0])
		key->path[0] = '@';
}

static long climb_step(__u32 i, const char *path)
{
	return guard_path_ends(path + (i & 127));
}

/* The loop says how many steps it took: the last one's place is looked at again. */
static __always_inline int may_reach(struct warden_guard_key *key)
{
	long steps;

	if (!(rights_of(key) & GUARD_CONNECTS))
		return 0;
	steps = bpf_loop(GUARD_UNIX_PATH, climb_step, key->path, 0);
	return !guard_climbs_at(key->path + ((steps - 1) & 127));
}

/* A copy in the kernel of what the VMM gave, of that length. */
static __always_inline long on_address(void *address, int len, __u32 what, int can_deny)
{
	struct warden_guard_mark *m = mark_of_current();
	struct warden_guard_key key;
	__u16 family = 0, port = 0;
	__u32 flags = 0;

	if (!m || m->helper || len < 2 || is_starting(m))
		return 0;
	bpf_probe_read_kernel(&family, sizeof(family), address);
	if (family == AF_UNSPEC && what == GUARD_CONNECT)	/* it lets go of a peer */
		return 0;
	if (family == AF_UNSPEC)	/* IPv4 binds by it, too */
		family = AF_INET;
	clear_key(&key);
	if (family == AF_UNIX) {
		take_unix(&key, address + 2, len - 2);
		if (what == GUARD_BIND || may_reach(&key))
			return 0;
	} else if (has_family(family)) {
		return 0;
	} else if (family == AF_INET && len >= 8) {
		bpf_probe_read_kernel(key.path, 4, address + 4);
		flags = GUARD_ADDRESS;
	} else if (family == AF_INET6 && len >= 24) {
		bpf_probe_read_kernel(key.path, 16, address + 8);
		flags = GUARD_ADDRESS;
	}
	if (flags)
		bpf_probe_read_kernel(&port, sizeof(port), address + 2);
	return found(m, what, family, __builtin_bswap16(port), 0, key.path, flags, can_deny);
}

/* lsm_CALL and see_CALL: the programs of a system call that takes an address. */
#define JUDGE_ADDRESS(call, what)							\
	SEC("lsm/socket_" #call)							\
	long BPF_PROG(lsm_##call, struct socket *sock, void *address, int len, int ret)	\
	{										\
		return ret ? earlier(ret) : on_address(address, len, what, 1);		\
	}										\
											\
	SEC("fentry/security_socket_" #call)						\
	int BPF_PROG(see_##call, struct socket *sock, void *address, int len)		\
	{										\
		on_address(address, len, what, 0);					\
		return 0;								\
	}

JUDGE_ADDRESS(connect, GUARD_CONNECT)
JUDGE_ADDRESS(bind, GUARD_BIND)

/*
 * A datagram, or a datagram socket's connect: by the name that the other socket
 * is bound to.  What was connected has been judged.
 */
static __always_inline long on_datagram(struct socket *sock, struct socket *other, int can_deny)
{
	struct warden_guard_mark *m = mark_of_current();
	struct unix_sock *self, *peer;
	struct unix_address *address;
	struct warden_guard_key key;

	if (!m || m->helper || is_starting(m))
		return 0;
	self = (void *)BPF_CORE_READ(sock, sk);
	peer = (void *)BPF_CORE_READ(other, sk);
	address = BPF_CORE_READ(peer, addr);
	if (!address || (void *)BPF_CORE_READ(self, peer) == (void *)peer)
		return 0;
	take_unix(&key, __builtin_preserve_access_index(&address->name[0].sun_path),
		  BPF_CORE_READ(address, len) - 2);
	if (may_reach(&key))
		return 0;
	return found(m, GUARD_CONNECT, AF_UNIX, 0, 0, key.path, 0, can_deny);
}

SEC("lsm/unix_may_send")
long BPF_PROG(lsm_datagram, struct socket *sock, struct socket *other, int ret)
{
	return ret ? earlier(ret) : on_datagram(sock, other, 1);
}

SEC("fentry/security_unix_may_send")
int BPF_PROG(see_datagram, struct socket *sock, struct socket *other)
{
	on_datagram(sock, other, 0);
	return 0;
}

#endif
