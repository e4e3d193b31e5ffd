// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/vmm.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/util.h"

#define ARGS_MAX 65536

/* The bytes read, always followed by a NUL; 0 if the process is gone. */
static size_t read_args(uint32_t pid, char args[ARGS_MAX])
{
	char path[32];
	size_t used = 0;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	autofd int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	while (used < ARGS_MAX - 1 &&
	       (n = read(fd, args + used, ARGS_MAX - 1 - used)) > 0)
		used += n;
	args[used] = '\0';
	return used;
}

static const char *next_arg(const char *arg, const char *end)
{
	arg += strlen(arg) + 1;
	return arg < end ? arg : NULL;
}

/* The value of key in "a,key=value,b", or NULL; its length in *len. */
static const char *option_value(const char *arg, const char *key, size_t *len)
{
	size_t klen = strlen(key);

	for (const char *at = arg; at; at = strchr(at, ','), at = at ? at + 1 : NULL) {
		if (!strncmp(at, key, klen) && at[klen] == '=') {
			*len = strcspn(at + klen + 1, ",");
			return at + klen + 1;
		}
	}
	return NULL;
}

void vmm_parse_name(const char *args, size_t len, char *out, size_t size)
{
	const char *end = args + len;

	out[0] = '\0';
	for (const char *arg = args; arg && arg < end; arg = next_arg(arg, end)) {
		const char *name, *value;
		size_t n;

		if (strcmp(arg, "-name") || !(name = next_arg(arg, end)))
			continue;
		value = option_value(name, "guest", &n);
		if (!value) {
			value = name;
			n = strcspn(name, ",");
		}
		text_escape(out, size, value, n);
		return;
	}
}

/* The CID's digits in a vsock device, written as QEMU's options or, by libvirt, as JSON. */
static const char *device_cid(const char *device, size_t *len)
{
	static const char driver[] = "\"driver\":\"vhost-vsock-", key[] = "\"guest-cid\":";
	const char *at;

	if (!strncmp(device, "vhost-vsock-", 12))
		return option_value(device, "guest-cid", len);
	if (device[0] != '{' || !strstr(device, driver) || !(at = strstr(device, key)))
		return NULL;
	at += strlen(key);
	*len = strcspn(at, ",}");
	return at;
}

uint32_t vmm_parse_cid(const char *args, size_t len)
{
	const char *end = args + len;

	for (const char *arg = args; arg && arg < end; arg = next_arg(arg, end)) {
		char digits[12] = "";
		const char *device, *value;
		uint64_t cid;
		size_t n;

		if (strcmp(arg, "-device") || !(device = next_arg(arg, end)) ||
		    !(value = device_cid(device, &n)))
			continue;
		if (n < sizeof(digits)) {
			memcpy(digits, value, n);
			if (parse_u64(digits, UINT32_MAX - 1, &cid))
				return cid;
		}
	}
	return 0;
}

void vmm_guest_name(uint32_t pid, char *out, size_t size)
{
	static char args[ARGS_MAX];

	vmm_parse_name(args, read_args(pid, args), out, size);
}

uint32_t vmm_guest_cid(uint32_t pid)
{
	static char args[ARGS_MAX];

	return vmm_parse_cid(args, read_args(pid, args));
}
