// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/monitor.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/util.h"

bool monitor_expand(const char *configured, const char *name, char path[VMM_PATH])
{
	size_t used = 0;

	for (const char *at = configured; *at; at++) {
		bool is_name = at[0] == '%' && at[1] == 'n';
		const char *piece = is_name ? name : at;
		size_t n = is_name ? strlen(name) : 1;

		if (is_name && (!n || name[0] == '.' || strchr(name, '/')))
			return false;
		if (used + n >= VMM_PATH)
			return false;
		memcpy(path + used, piece, n);
		used += n;
		at += is_name;
	}
	path[used] = '\0';
	return true;
}

static unsigned find_paths(pid_t vmm, const char *configured, char paths[VMM_MONITORS][VMM_PATH],
			   char detail[TEXT_WHY])
{
	char name[TEXT_NAME];
	unsigned n;

	if (configured[0]) {
		vmm_guest_name(vmm, name, sizeof(name));
		if (monitor_expand(configured, name, paths[0]))
			return 1;
		snprintf(detail, TEXT_WHY, "[vmm] qmp: the guest's name \"%s\" makes no path", name);
		return 0;
	}
	n = vmm_monitors(vmm, paths);
	if (!n)
		snprintf(detail, TEXT_WHY, "VMM %d has no QMP monitor of its own at an absolute path "
			 "(-qmp unix:PATH,server=on,wait=off; or [vmm] qmp)", vmm);
	return n;
}

static void explain(char detail[TEXT_WHY], const char *path, const char *why)
{
	char shown[VMM_PATH];

	text_escape(shown, sizeof(shown), path, strlen(path));
	snprintf(detail, TEXT_WHY, "%s: %.140s", shown, why);
}

/* The process that listens, as the kernel says it. */
static bool belongs_to(int fd, pid_t vmm, const char *path, char detail[TEXT_WHY])
{
	struct ucred peer = { 0 };
	socklen_t size = sizeof(peer);
	char why[128];

	if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) && peer.pid == vmm)
		return true;
	snprintf(why, sizeof(why), "process %d listens there, not VMM %d (does a manager such as "
		 "libvirt own the monitor?)", peer.pid, vmm);
	explain(detail, path, why);
	return false;
}

static int connect_to(const char *path, pid_t vmm, char detail[TEXT_WHY])
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	autofd int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(address.sun_path, path);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		explain(detail, path, errno == EAGAIN ?
			"other clients already wait for this monitor" : strerror(errno));
		return -1;
	}
	return belongs_to(fd, vmm, path, detail) ? util_steal_fd(&fd) : -1;
}

unsigned monitor_connect(pid_t vmm, const char *configured, int fds[VMM_MONITORS],
			 char detail[TEXT_WHY])
{
	char paths[VMM_MONITORS][VMM_PATH];
	unsigned n = find_paths(vmm, configured, paths, detail), connected = 0;

	for (unsigned i = 0; i < n; i++) {
		int fd = connect_to(paths[i], vmm, detail);

		if (fd >= 0)
			fds[connected++] = fd;
	}
	return connected;
}
