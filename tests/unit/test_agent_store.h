/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the tests of the sealed store share: a folder of files, a store, and orders. */
#ifndef WARDEN_TEST_AGENT_STORE_H
#define WARDEN_TEST_AGENT_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <dirent.h>

#include "agent/item.h"
#include "agent/place.h"
#include "agent/quarantine.h"
#include "agent/store.h"
#include "agent/verbs.h"
#include "channel/clock.h"
#include "lib/crypto.h"

static char folder[] = "/tmp/warden-quarantine-XXXXXX";
static char store[64];			/* the folder of items */
static uint8_t key[WIRE_KEY];
static struct record_result result;

static inline char *in_folder(const char *name)
{
	static char paths[8][512];
	static unsigned next;
	char *path = paths[next++ % 8];

	snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
	return path;
}

static inline int setup_group(void **state)
{
	umask(022);
	return sodium_init() < 0;
}

/* Each test has a folder of its own. */
static inline int setup(void **state)
{
	strcpy(strrchr(folder, '-'), "-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(store, sizeof(store), "%s/store", folder);
	randombytes_buf(key, sizeof(key));
	return 0;
}

static inline int teardown(void **state)
{
	char command[160];

	snprintf(command, sizeof(command), "chattr -R -i -a '%s' 2>/dev/null; rm -rf '%s'", folder,
		 folder);
	return system(command);
}

static inline void write_file(const char *path, const void *bytes, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, n), n);
	close(fd);
}

/* A file of n bytes that no other has. */
static inline char *make_file(const char *name, size_t n)
{
	char *path = in_folder(name);
	uint8_t *bytes = malloc(n + 1);

	randombytes_buf(bytes, n);
	write_file(path, bytes, n);
	free(bytes);
	return path;
}

static inline struct record_order order_for(const char *path)
{
	static uint64_t id;
	struct record_order o = { .verb = WIRE_VERB_QUARANTINE, .order = ++id };
	uint8_t hash[WIRE_HASH];
	struct stat st;
	uint8_t *bytes;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0 && !fstat(fd, &st));
	bytes = malloc(st.st_size + 1);
	assert_int_equal(read(fd, bytes, st.st_size), st.st_size);
	hash_content(hash, bytes, st.st_size);
	free(bytes);
	close(fd);
	randombytes_buf(o.item, sizeof(o.item));
	memcpy(o.key, key, sizeof(key));
	memcpy(o.file.hash, hash, sizeof(hash));
	o.size = st.st_size;
	o.file.nranges = 1;
	o.file.range[0].pages = (st.st_size + WIRE_PAGE - 1) / WIRE_PAGE;
	snprintf(o.path, sizeof(o.path), "%s", path);
	return o;
}

static inline uint32_t quarantine(const struct record_order *o)
{
	memset(&result, 0, sizeof(result));
	quarantine_verb(o, store, &result);
	print_message("  quarantine %u: %s\n", result.status, result.detail);
	return result.status;
}

static inline uint32_t restore(const struct record_order *o)
{
	memset(&result, 0, sizeof(result));
	restore_verb(o, store, &result);
	print_message("  restore %u: %s\n", result.status, result.detail);
	return result.status;
}

static inline bool there(const char *path)
{
	struct stat st;

	return !lstat(path, &st);
}

static inline bool says(const char *text)
{
	return strstr(result.detail, text);
}

static inline char *item_path(const struct record_order *o)
{
	char name[STORE_NAME], path[128];

	store_name(name, o->item, STORE_ITEM);
	snprintf(path, sizeof(path), "store/%s", name);
	return in_folder(path);
}

/* Neither an item nor what is left of one. */
static inline void assert_store_is_empty(void)
{
	char command[160];

	snprintf(command, sizeof(command), "[ -z \"$(ls -A '%s' 2>/dev/null)\" ]", store);
	assert_int_equal(system(command), 0);
}

static inline void assert_untouched(const struct record_order *o)
{
	struct record_order now = order_for(o->path);

	assert_int_equal(now.size, o->size);
	assert_memory_equal(now.file.hash, o->file.hash, WIRE_HASH);
	assert_store_is_empty();
}

static inline uint8_t *contents(const char *path, size_t *ret_n)
{
	int fd = open(path, O_RDONLY | O_NOATIME | O_CLOEXEC);
	struct stat st;
	uint8_t *bytes;

	assert_true(fd >= 0 && !fstat(fd, &st));
	bytes = malloc(st.st_size + 1);
	assert_int_equal(read(fd, bytes, st.st_size), st.st_size);
	close(fd);
	*ret_n = st.st_size;
	return bytes;
}

static inline void test_needs(void **state)
{
	print_message("skipped: needs root\n");
	skip();
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* Files of root's, and mounts: they need it. */
#define RUN_AS_ROOT(tests)								\
	(geteuid() ? cmocka_run_group_tests(((const struct CMUnitTest[]){		\
					cmocka_unit_test(test_needs) }), NULL, NULL) :	\
		     cmocka_run_group_tests(tests, setup_group, NULL))

#endif
