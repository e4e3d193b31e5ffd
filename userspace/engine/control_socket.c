// SPDX-License-Identifier: GPL-2.0-or-later
/* RUN_DIR/control.sock: one daemon's, and for one group. */
#include "engine/control.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "lib/log.h"
#include "lib/util.h"

#define BACKLOG 32

static void set_group(const char *path, const char *name)
{
	struct group *group = getgrnam(name);

	if (!group)
		log_warn("group %s does not exist: %s is for root alone", name, path);
	else if (chown(path, 0, group->gr_gid))
		fatal("%s: its group cannot be set: %s", path, strerror(errno));
}

/* Whoever listens there, by the kernel's word. */
static void refuse_second(int fd, const char *path)
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) || !peer.pid)
		fatal("%s: another daemon serves it: stop that one, or set another run_dir", path);
	fatal("%s: another daemon serves it, process %d: stop that one, or set another run_dir",
	      path, (int)peer.pid);
}

/* A socket that nobody serves was left behind, and goes; anything else stays. */
static void clear_path(const struct sockaddr_un *address)
{
	autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const char *path = address->sun_path;
	struct stat st;

	if (lstat(path, &st)) {
		if (errno != ENOENT)
			fatal("%s: %s", path, strerror(errno));
		return;
	}
	if (!S_ISSOCK(st.st_mode))
		fatal_given("%s: it is there and is no socket: move it away, or set another run_dir", path);
	if (!connect(fd, (const struct sockaddr *)address, sizeof(*address)) || errno == EAGAIN)
		refuse_second(fd, path);
	if (errno != ECONNREFUSED)
		fatal("%s: whether it is served cannot be told: %s", path, strerror(errno));
	if (unlink(path))
		fatal("%s: left behind, and cannot be removed: %s", path, strerror(errno));
}

int control_socket(const char *run_dir, const char *group)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;
	mode_t mask;

	if (mkdir(run_dir, 0755) && errno != EEXIST)
		fatal("%s: %s", run_dir, strerror(errno));
	if ((size_t)snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock",
			     run_dir) >= sizeof(address.sun_path))
		fatal_given("%s/control.sock: longer than a socket's path may be", run_dir);
	clear_path(&address);
	mask = umask(0777);	/* nobody connects before it has its group */
	r = bind(fd, (struct sockaddr *)&address, sizeof(address));
	umask(mask);
	if (fd < 0 || r)
		fatal("%s: %s", address.sun_path, strerror(errno));
	set_group(address.sun_path, group);
	if (chmod(address.sun_path, 0660) || listen(fd, BACKLOG))
		fatal("%s: %s", address.sun_path, strerror(errno));
	return fd;
}
