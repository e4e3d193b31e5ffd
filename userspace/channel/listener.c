// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/listener.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* needs sys/socket.h before it */
#include <linux/vm_sockets.h>

#include "lib/log.h"
#include "lib/util.h"
#include "warden/wire.h"

#define BACKLOG 1024	/* a burst of all guests */

static int listen_at(const struct sockaddr *address, socklen_t len, const char *hint)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, address, len) || listen(fd, BACKLOG))
		fatal("no listener: %s%s", strerror(errno), hint);
	return fd;
}

struct listener listen_vsock(uint32_t port)
{
	struct sockaddr_vm address;

	memset(&address, 0, sizeof(address));
	address.svm_family = AF_VSOCK;
	address.svm_cid = VMADDR_CID_ANY;
	address.svm_port = port;
	return (struct listener){ .fd = listen_at((struct sockaddr *)&address, sizeof(address),
						  " (vsock: is vhost_vsock loaded?)") };
}

struct listener listen_unix(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		fatal("%s: too long", path);
	strcpy(address.sun_path, path);
	unlink(path);
	return (struct listener){ .fd = listen_at((struct sockaddr *)&address, sizeof(address), ""),
				  .unix_preface = true };
}

/*
 * The kernel tells the CID, no guest can forge it.  A guest's port below 1024
 * belongs to its root: without this check any of its users could use up the
 * guest's share of handshakes and keep its agent out.
 */
static int accept_vsock(int listener, uint32_t *ret_cid)
{
	struct sockaddr_vm peer = { 0 };
	socklen_t len = sizeof(peer);
	int fd = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return -errno;
	if (len < sizeof(peer) || peer.svm_family != AF_VSOCK ||
	    peer.svm_port >= WIRE_PRIVILEGED_PORTS) {
		log_debug("CID %u: turned away: not from a port of its root", peer.svm_cid);
		close(fd);
		return -EPERM;
	}
	*ret_cid = peer.svm_cid;
	return fd;
}

int listener_accept(const struct listener *l, uint32_t *ret_cid)
{
	int fd;

	if (!l->unix_preface)
		return accept_vsock(l->fd, ret_cid);
	*ret_cid = 0;
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return fd < 0 ? -errno : fd;
}
