// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon/vmm.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "daemon/vmm_args.h"
#include "lib/util.h"

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

/* ---- monitors ---- */

/* "-qmp" or "--qmp". */
static bool is_option(const char *arg, const char *name)
{
	return arg[0] == '-' && strcmp(arg + 1 + (arg[1] == '-'), name) == 0;
}

/* A value up to its comma; two of them stand for one in it. */
static bool copy_value(char *out, size_t size, const char *value)
{
	size_t n = 0;

	for (; *value && (*value != ',' || value[1] == ','); value++) {
		value += *value == ',';
		if (n + 1 == size)
			return false;
		out[n++] = *value;
	}
	out[n] = '\0';
	return n > 0;
}

/* The text behind "key": in JSON; one with an escape in it is left alone. */
static bool copy_json(char *out, size_t size, const char *json, const char *key)
{
	char quoted[32];
	const char *at;
	size_t n;

	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	at = strstr(json, quoted);
	if (!at)
		return false;
	at += strlen(quoted);
	at += strspn(at, ": ");
	if (*at++ != '"')
		return false;
	n = strcspn(at, "\"\\");
	if (at[n] != '"' || !n || n >= size)
		return false;
	memcpy(out, at, n);
	out[n] = '\0';
	return true;
}

static bool copy_option(char *out, size_t size, const char *arg, const char *key)
{
	const char *value;
	size_t n;

	if (arg[0] == '{')
		return copy_json(out, size, arg, key);
	value = option_value(arg, key, &n);
	return value && copy_value(out, size, value);
}

struct monitors {
	const char *args, *end;
	char (*paths)[VMM_PATH];
	unsigned n;
};

static void add_path(struct monitors *m, const char *path)
{
	for (unsigned i = 0; i < m->n; i++)
		if (!strcmp(m->paths[i], path))
			return;
	if (path[0] == '/' && m->n < VMM_MONITORS)
		strcpy(m->paths[m->n++], path);
}

static void add_chardev(struct monitors *m, const char *id)
{
	for (const char *arg = m->args; arg; arg = next_arg(arg, m->end)) {
		char other[VMM_PATH], path[VMM_PATH];
		const char *value;

		if (!is_option(arg, "chardev") || !(value = next_arg(arg, m->end)))
			continue;
		if (copy_option(other, sizeof(other), value, "id") && !strcmp(other, id) &&
		    copy_option(path, sizeof(path), value, "path"))
			add_path(m, path);
	}
}

/* -qmp unix:PATH,server=on or chardev:ID */
static void add_qmp(struct monitors *m, const char *value)
{
	char text[VMM_PATH];

	if (!strncmp(value, "unix:", 5) && copy_value(text, sizeof(text), value + 5))
		add_path(m, text);
	else if (!strncmp(value, "chardev:", 8) && copy_value(text, sizeof(text), value + 8))
		add_chardev(m, text);
}

/* -mon [chardev=]ID,mode=control */
static void add_mon(struct monitors *m, const char *value)
{
	char id[VMM_PATH], mode[16];

	if (!copy_option(mode, sizeof(mode), value, "mode") || strcmp(mode, "control"))
		return;
	if (copy_option(id, sizeof(id), value, "chardev") ||
	    (value[0] != '{' && copy_value(id, sizeof(id), value)))
		add_chardev(m, id);
}

unsigned vmm_parse_monitors(const char *args, size_t len, char paths[VMM_MONITORS][VMM_PATH])
{
	struct monitors m = { .args = args, .end = args + len, .paths = paths };

	for (const char *arg = len ? args : NULL; arg; arg = next_arg(arg, m.end)) {
		const char *value = next_arg(arg, m.end);

		if (value && (is_option(arg, "qmp") || is_option(arg, "qmp-pretty")))
			add_qmp(&m, value);
		else if (value && is_option(arg, "mon"))
			add_mon(&m, value);
	}
	return m.n;
}

/* ---- of a process ---- */

void vmm_guest_name(uint32_t pid, char *out, size_t size)
{
	static char args[VMM_ARGS];

	vmm_parse_name(args, vmm_args_read(pid, args), out, size);
}

unsigned vmm_monitors(uint32_t pid, char paths[VMM_MONITORS][VMM_PATH])
{
	static char args[VMM_ARGS];

	return vmm_parse_monitors(args, vmm_args_read(pid, args), paths);
}
