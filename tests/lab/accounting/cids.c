// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cids -name guest=NAME CID OTHER: two processes with one vhost-vsock device.  The child
 * sets CID and runs a VM.  At SIGUSR1 the child sets CID once more, the parent OTHER; at
 * SIGUSR2 either closes the device.
 */
#include <err.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../tinyvm.h"

static int device;
static uint64_t cid;

static void on_signal(int signal)
{
	if (signal == SIGUSR2)
		close(device);
	else if (ioctl(device, VHOST_VSOCK_SET_GUEST_CID, &cid))
		_exit(3);
}

static void run_vm(void)
{
	int vm = tiny_vm();

	tiny_ram_with(vm, 65536, tiny_exits, sizeof(tiny_exits));
	tiny_run(tiny_vcpu_at_code(vm, 0), 100000);
}

int main(int argc, char **argv)
{
	pid_t child;

	if (argc != 5)
		errx(2, "usage: cids -name guest=NAME CID OTHER");
	device = open("/dev/vhost-vsock", O_RDWR);
	if (device < 0)
		err(1, "/dev/vhost-vsock");
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	child = fork();
	cid = strtoull(argv[child ? 4 : 3], NULL, 0);
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		on_signal(SIGUSR1);
		run_vm();
	}
	while (waitpid(child, NULL, 0) != child)
		;
	return 0;
}
