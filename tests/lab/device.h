/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the programs that use the module's device share: TAP, and requests. */
#ifndef DEVICE_H
#define DEVICE_H

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm_warden.h>
#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

static int tests, failures, control;

static inline void check(bool good, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("%s %d - ", good ? "ok" : "not ok", ++tests);
	vprintf(format, args);
	printf("\n");
	fflush(stdout);
	va_end(args);
	failures += !good;
}

static inline uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000ull + t.tv_nsec / 1000;
}

static inline void open_control(void)
{
	control = open("/dev/kvm_warden", O_RDWR | O_CLOEXEC);
	if (control < 0)
		err(1, "/dev/kvm_warden");
}

static inline bool find_guest(pid_t pid, struct kvm_warden_guest_info *info)
{
	memset(info, 0, sizeof(*info));
	while (!ioctl(control, KVM_WARDEN_NEXT_GUEST, info))
		if (info->vmm_pid == (uint32_t)pid)
			return true;
	return false;
}

static inline int open_guest(uint64_t id)
{
	struct kvm_warden_open request = { .guest = id };

	return ioctl(control, KVM_WARDEN_OPEN_GUEST, &request);
}

/* error is below -10000 if the request itself failed. */
static inline struct kvm_warden_segment read_at(int guest, uint64_t gpa, void *buf, uint32_t len,
						uint32_t flags)
{
	struct kvm_warden_segment segment = { .gpa = gpa, .buf = (uintptr_t)buf, .len = len };
	struct kvm_warden_read request = {
		.segments = (uintptr_t)&segment, .count = 1, .flags = flags,
	};

	if (ioctl(guest, KVM_WARDEN_READ, &request))
		segment.error = -errno - 10000;
	return segment;
}

static inline bool read_guest(int guest, uint64_t gpa, void *buf, uint32_t len)
{
	return read_at(guest, gpa, buf, len, 0).done == len;
}

/* 0 or the error. */
static inline int result(int r)
{
	return r < 0 ? errno : 0;
}

/* What a process has in memory. */
static inline long rss_pages(pid_t pid)
{
	char path[64];
	long size, rss = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	f = fopen(path, "r");
	if (!f || fscanf(f, "%ld %ld", &size, &rss) != 2)
		rss = -1;
	if (f)
		fclose(f);
	return rss;
}

static inline int contain(uint64_t guest, uint64_t expiry_ms)
{
	struct kvm_warden_contain request = { .guest = guest, .expiry_ms = expiry_ms };

	return result(ioctl(control, KVM_WARDEN_CONTAIN, &request));
}

static inline int release(uint64_t guest)
{
	struct kvm_warden_contain request = { .guest = guest };

	return result(ioctl(control, KVM_WARDEN_RELEASE, &request));
}

static inline int freeze(int guest, uint32_t timeout_ms, struct kvm_warden_freeze *ret)
{
	*ret = (struct kvm_warden_freeze){ .timeout_ms = timeout_ms };
	return result(ioctl(guest, KVM_WARDEN_FREEZE, ret));
}

static inline int thaw(int guest)
{
	return result(ioctl(guest, KVM_WARDEN_THAW));
}

#endif
