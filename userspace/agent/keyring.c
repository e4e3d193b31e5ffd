// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/crypto.h"
#include "lib/log.h"
#include "lib/util.h"

static const char *with(const char *path, const char *suffix)
{
	static char out[2][PATH_MAX];
	static unsigned turn;
	char *at = out[turn++ % 2];

	snprintf(at, PATH_MAX, "%s%s", path, suffix);
	return at;
}

static int sync_folder_of(const char *path)
{
	char copy[PATH_MAX];
	autofd int fd = -1;

	snprintf(copy, sizeof(copy), "%s", path);
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) ? -errno : 0;
}

int keyring_rename(const char *from, const char *to)
{
	return rename(from, to) ? -errno : sync_folder_of(to);
}

int keyring_load(struct keyring *k, const char **ret_path)
{
	int r = identity_load(*ret_path = k->key_path, &k->self);

	if (r)
		return r;
	r = identity_load(*ret_path = with(k->key_path, ".next"), &k->next);
	k->has_next = !r;
	if (r && r != -ENOENT)
		return r;
	r = key_file_read(*ret_path = k->host_path, k->hosts.key[0], WIRE_KEY, false);
	if (r)
		return r;
	r = key_file_read(*ret_path = with(k->host_path, ".next"), k->hosts.key[1], WIRE_KEY, false);
	k->hosts.n = r ? 1 : 2;
	return r == -ENOENT ? 0 : r;
}

const struct identity *keyring_identity(const struct keyring *k, unsigned attempt)
{
	return k->has_next && attempt % 2 == 0 ? &k->next : &k->self;
}

static void own_key_changed(struct keyring *k)
{
	int r = keyring_rename(with(k->key_path, ".next"), k->key_path);

	if (r) {
		log_warn("%s: cannot be replaced by its successor: %s", k->key_path, strerror(-r));
		return;
	}
	rename(with(k->key_path, ".next.pub"), with(k->key_path, ".pub"));
	k->self = k->next;
	k->has_next = false;
	sodium_memzero(&k->next, sizeof(k->next));
	log_info("this agent's new key is in use, the old one is gone");
}

static void host_key_changed(struct keyring *k)
{
	int r = keyring_rename(with(k->host_path, ".next"), k->host_path);

	if (r) {
		log_warn("%s: cannot be replaced by its successor: %s", k->host_path, strerror(-r));
		return;
	}
	memcpy(k->hosts.key[0], k->hosts.key[1], WIRE_KEY);
	k->hosts.n = 1;
	log_info("the host uses its new key, the old one is no longer accepted");
}

void keyring_up(struct keyring *k, const struct identity *used, const uint8_t host[WIRE_KEY])
{
	if (k->has_next && used == &k->next)
		own_key_changed(k);
	if (k->hosts.n == 2 && !memcmp(host, k->hosts.key[1], WIRE_KEY))
		host_key_changed(k);
}

int keyring_make_next(struct keyring *k)
{
	const char *path = with(k->key_path, ".next");
	int r;

	if (k->has_next)
		return 0;
	r = identity_make(path, &k->next);
	if (!r)
		r = sync_folder_of(path);
	k->has_next = !r;
	return r;
}

int keyring_keep_host(struct keyring *k, const uint8_t key[WIRE_KEY])
{
	const char *path = with(k->host_path, ".next"), *temp = with(k->host_path, ".new");
	int r;

	if (!memcmp(key, k->hosts.key[0], WIRE_KEY) ||
	    (k->hosts.n == 2 && !memcmp(key, k->hosts.key[1], WIRE_KEY)))
		return 0;
	unlink(temp);
	r = key_file_write(temp, key, WIRE_KEY, false);
	if (!r)
		r = keyring_rename(temp, path);
	if (r)
		return r;
	memcpy(k->hosts.key[1], key, WIRE_KEY);
	k->hosts.n = 2;
	return 0;
}
