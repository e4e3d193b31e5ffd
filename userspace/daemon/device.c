// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/messages.h"
#include "lib/util.h"

#define DEVICE "/dev/kvm_warden"
#define STATE "/sys/kernel/kvm_warden/state"
#define GUESTS "/sys/kernel/kvm_warden/guests"

int device_open(void)
{
	struct kvm_warden_info info = { 0 };
	int fd = open(DEVICE, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		log_err("%s: %s: %s", DEVICE, strerror(errno),
			errno == ENOENT ? "load the module first: modprobe kvm_warden" :
			"wardend must run as root");
		return -1;
	}
	if (ioctl(fd, KVM_WARDEN_GET_INFO, &info)) {
		log_err("%s: %s: this is not the device of kvm_warden.ko", DEVICE, strerror(errno));
	} else if (info.abi != KVM_WARDEN_ABI_VERSION) {
		log_err("%s: the loaded module is of another release (ABI %u, this daemon's is %u): systemctl"
			" stop wardend; rmmod kvm_warden; systemctl start wardend",
			DEVICE, info.abi, KVM_WARDEN_ABI_VERSION);
	} else {
		return fd;
	}
	close(fd);
	return -1;
}

void device_state(int device, struct m_module_state *ret)
{
	struct kvm_warden_info info = { 0 };
	autofile FILE *f = fopen_at_once(STATE);
	char line[TEXT_WHY] = "";

	*ret = (struct m_module_state){ .attached = !ioctl(device, KVM_WARDEN_GET_INFO, &info) && info.attached };
	if (!f || !fgets(line, sizeof(line), f))
		snprintf(line, sizeof(line), STATE ": %s", strerror(errno));
	text_escape(ret->state, sizeof(ret->state), line, strcspn(line, "\n"));
}

int device_next_guest(int device, struct kvm_warden_guest_info *info)
{
	return !ioctl(device, KVM_WARDEN_NEXT_GUEST, info);
}

int device_open_guest(int device, uint64_t guest)
{
	struct kvm_warden_open request = { .guest = guest };
	int fd = ioctl(device, KVM_WARDEN_OPEN_GUEST, &request);

	return fd < 0 ? -errno : fd;
}

int device_guest_info(int guest_fd, struct kvm_warden_guest_info *ret_info)
{
	return ioctl(guest_fd, KVM_WARDEN_GUEST_INFO, ret_info) ? -errno : 0;
}

int device_contain(int device, uint64_t guest, uint64_t expiry_ms)
{
	struct kvm_warden_contain request = { .guest = guest, .expiry_ms = expiry_ms };

	return ioctl(device, KVM_WARDEN_CONTAIN, &request) ? -errno : 0;
}

int device_release(int device, uint64_t guest)
{
	struct kvm_warden_contain request = { .guest = guest };

	return ioctl(device, KVM_WARDEN_RELEASE, &request) ? -errno : 0;
}

int device_tell(int device, const struct m_counters *c)
{
	struct kvm_warden_counts counts = {
		.guest = c->guest, .delivered = c->delivered, .dropped = c->dropped,
		.suppressed = c->suppressed, .missed = c->missed,
	};

	return ioctl(device, KVM_WARDEN_TELL, &counts) ? -errno : 0;
}

int device_set_level(uint64_t guest, uint32_t level)
{
	const char *name = guest_level_name(level);
	char path[sizeof(GUESTS) + 32];
	autofd int fd = -1;

	snprintf(path, sizeof(path), GUESTS "/%llu/level", (unsigned long long)guest);
	fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);	/* may be leased */
	return fd < 0 || write(fd, name, strlen(name)) < 0 ? -errno : 0;
}
