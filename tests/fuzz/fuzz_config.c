// SPDX-License-Identifier: GPL-2.0-or-later
/* A configuration file: refused, or within its bounds. */
#include <fcntl.h>
#include <sys/mman.h>
#include <stdio.h>
#include <unistd.h>

#include "fuzz.h"
#include "lib/config.h"

static bool ends(const char text[CONFIG_PATH_MAX])
{
	return memchr(text, '\0', CONFIG_PATH_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config config;
	char path[64];
	int fd = memfd_create("config", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (!config_load(path, &config)) {
		must(ends(config.state_dir) && ends(config.run_dir) && ends(config.libexec_dir) &&
		     ends(config.database) && ends(config.policy) && ends(config.control_group) &&
		     ends(config.host_key) && ends(config.agents) && ends(config.qmp) &&
		     ends(config.guard));
		must(config.state_dir[0] == '/' && config.agents[0] == '/');
		must(config.uid_base >= 1000 && config.workers && config.port);
	}
	close(fd);
	return 0;
}
