// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/transport.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* needs sys/socket.h before it */
#include <linux/vm_sockets.h>

#include "channel/bytes.h"
#include "lib/crypto.h"
#include "lib/util.h"
#include "warden/wire.h"

#define CONNECT_MS 5000
#define BIND_TRIES 32

/*
 * From a port that only root may bind: so the host can tell the agent from
 * the guest's other users, who may connect too.  Ports of sockets that still
 * close are taken, hence the tries.
 */
static int bind_privileged(int fd)
{
	struct sockaddr_vm self;

	for (int i = 0; i < BIND_TRIES; i++) {
		memset(&self, 0, sizeof(self));
		self.svm_family = AF_VSOCK;
		self.svm_cid = VMADDR_CID_ANY;
		self.svm_port = 1 + randombytes_uniform(WIRE_PRIVILEGED_PORTS - 1);
		if (!bind(fd, (struct sockaddr *)&self, sizeof(self)))
			return 0;
		if (errno != EADDRINUSE)
			break;
	}
	return -errno;
}

static int finish_connect(int fd)
{
	struct pollfd poll_fd = { fd, POLLOUT, 0 };
	socklen_t len = sizeof(int);
	int error, n;

	do
		n = poll(&poll_fd, 1, CONNECT_MS);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n ? -errno : -ETIMEDOUT;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len))
		return -errno;
	return -error;
}

static int start_connect(int fd, const struct sockaddr *peer, socklen_t len)
{
	if (!connect(fd, peer, len))
		return 0;
	return errno == EINPROGRESS ? finish_connect(fd) : -errno;
}

static int connect_vsock(int fd, const struct transport *t)
{
	struct sockaddr_vm host;
	int r = bind_privileged(fd);

	if (r)
		return r;
	memset(&host, 0, sizeof(host));
	host.svm_family = AF_VSOCK;
	host.svm_cid = t->host_cid;
	host.svm_port = t->port;
	return start_connect(fd, (struct sockaddr *)&host, sizeof(host));
}

static int connect_unix(int fd, const struct transport *t)
{
	struct sockaddr_un host = { .sun_family = AF_UNIX };
	uint8_t cid[4];
	struct writer w = { cid, cid + sizeof(cid), false };
	int r;

	if (strlen(t->unix_path) >= sizeof(host.sun_path))
		return -ENAMETOOLONG;
	strcpy(host.sun_path, t->unix_path);
	r = start_connect(fd, (struct sockaddr *)&host, sizeof(host));
	if (r)
		return r;
	put_u32(&w, t->test_cid);
	return send(fd, cid, sizeof(cid), MSG_NOSIGNAL) == sizeof(cid) ? 0 : -EPIPE;
}

int transport_connect(const struct transport *t)
{
	int family = t->unix_path ? AF_UNIX : AF_VSOCK;
	autofd int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int r;

	if (fd < 0)
		return -errno;
	r = t->unix_path ? connect_unix(fd, t) : connect_vsock(fd, t);
	return r ? r : util_steal_fd(&fd);
}
