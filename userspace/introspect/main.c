// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * warden-introspect: looks into one guest.  The engine is on descriptor 3, the
 * guest on 4; besides there are guests' kernels as their packages have them, to be
 * read, and nothing else it could reach.  It serves one request
 * after the other and ends with its engine or its guest.
 */
#include <errno.h>
#include <linux/kvm_warden.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>
#include <sys/ioctl.h>

#include "introspect/jail.h"
#include "introspect/kernelfiles.h"
#include "introspect/serve.h"
#include "lib/config.h"
#include "lib/log.h"
#include "lib/sandbox.h"
#include "lib/util.h"

static const char *config_path(int argc, char **argv)
{
	if (argc == 1)
		return CONFIG_DEFAULT_PATH;
	if (argc == 3 && !strcmp(argv[1], "--config"))
		return argv[2];
	fatal("usage: warden-introspect [--config PATH]; started by wardend alone");
}

static uint32_t user_for(const struct config *config)
{
	struct kvm_warden_guest_info info = { 0 };

	if (ioctl(ROLE_GUEST_FD, KVM_WARDEN_GUEST_INFO, &info))
		fatal("the guest's descriptor: %s", strerror(errno));
	return config->uid_base + ROLE_UID_INTROSPECT + (uint32_t)(info.guest & 0xffff);
}

/* Files that come later are seen by introspectors that come later. */
static const struct kernel_files *open_kernels(const struct config *config)
{
	static struct kernel_files files;
	int r = kernel_files_open(&files, config->guest_kernels);

	if (r && r != -ENOENT)
		log_warn("%s: %s", config->guest_kernels, strerror(-r));
	if (files.left_out)
		log_warn("%s: %u files cannot be opened, or are more than %u", config->guest_kernels,
			 files.left_out, KERNEL_FILES);
	return &files;
}

/* Whatever was inherited: the watchdog must bite. */
static void free_watchdog(void)
{
	sigset_t alarm_only;

	signal(SIGALRM, SIG_DFL);
	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &alarm_only, NULL);
}

int main(int argc, char **argv)
{
	static struct role role;
	struct config config;
	int r;

	log_open("warden-introspect", false);
	if (config_load(config_path(argc, argv), &config))
		return 1;
	log_open("warden-introspect", config.debug);
	if (sodium_init() < 0)
		fatal("libsodium does not start");
	r = memory_open_guest(&role.mem, ROLE_GUEST_FD);
	if (r)
		fatal("the guest's descriptor: %s", strerror(-r));
	r = introspector_init(&role.in, &role.mem);
	if (r)
		fatal("start: %s", strerror(-r));
	role.in.kernel_files = open_kernels(&config);
	role.in.watches = &role.watches;
	role.watches.fd = ROLE_GUEST_FD;
	role.watch_tables = config.watch_tables;
	free_watchdog();
	if (jail_introspect(user_for(&config)))
		fatal("no sandbox, no service");
	serve_engine(&role);
	return 0;
}
