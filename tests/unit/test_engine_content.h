/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A guest's bytes: what an introspector sends of them, and what a client of the API gets. */
#ifndef TEST_ENGINE_CONTENT_H
#define TEST_ENGINE_CONTENT_H

#include "lib/util.h"
#include "test_engine_world.h"

#include <sodium.h>

#define ALL_SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)
#define PAGE 4096u

/* A file of three pages, of which the second is missing; the last has 100 bytes. */
#define FILE_SIZE (2 * PAGE + 100)

static const struct m_content content_of_file = {
	.size = FILE_SIZE, .resident = PAGE + 100, .dev = 8 << 20 | 1, .ino = 42, .mtime_sec = 1700000000,
	.path = "/etc/secret",
};

static inline int memfd_of(uint64_t size, int seals)
{
	int fd = memfd_create("content", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char page[PAGE];

	assert_int_equal(ftruncate(fd, size), 0);
	memset(page, 'a', sizeof(page));
	if (size >= FILE_SIZE) {
		assert_int_equal(pwrite(fd, page, PAGE, 0), PAGE);
		assert_int_equal(pwrite(fd, page, 100, 2 * PAGE), 100);
	}
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static inline void say_missing(uint64_t id, uint64_t offset, uint64_t length)
{
	struct m_missing m = { offset, length, "not resident" };

	send_to(w.introspect, &msg_missing, id, &m, -1);
}

static inline void say_done(uint64_t id, uint32_t status, const char *why)
{
	struct m_done done = { .status = status };

	strcpy(done.why, why);
	send_to(w.introspect, &msg_done, id, &done, -1);
}

static inline void say_file(uint64_t id)
{
	say_missing(id, PAGE, PAGE);
	send_to(w.introspect, &msg_content, id, &content_of_file, memfd_of(FILE_SIZE, ALL_SEALS));
	say_done(id, DONE_INCOMPLETE, "not all of it was there");
}

/* The question that has come: its id is in.id. */
static inline const struct m_extract *asked(void)
{
	static struct m_extract m;

	await_question(M_EXTRACT);
	assert_true(msg_decode(&in, &msg_extract, &m));
	return &m;
}

struct received {
	json_t *facts;
	char *bytes;
	size_t size;
};

/* What came of an answer until its end, taken apart as docs/openapi.json has it. */
static inline void receive_content(int fd, struct received *ret)
{
	static char text[160 << 20];
	char *body, *line;
	size_t used = receive_all(fd, text, sizeof(text), WAIT_MS);

	body = strstr(text, "\r\n\r\n");
	if (!body || !strstr(text, " 200 ") || !strstr(text, "application/vnd.kvm-warden.content"))
		fail_msg("no content: %.2000s", text);
	line = strchr(body + 4, '\n');
	assert_non_null(line);
	ret->facts = json_loadb(body + 4, line - body - 4, 0, NULL);
	assert_non_null(ret->facts);
	ret->bytes = line + 1;
	ret->size = text + used - ret->bytes;
}

static inline void blake2b(const void *bytes, size_t size, char hex[2 * HASH_BYTES + 1])
{
	uint8_t hash[HASH_BYTES];

	crypto_generichash(hash, sizeof(hash), bytes, size, NULL, 0);
	hex_encode(hex, hash, HASH_BYTES);
}

#endif
