// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * seeds FOLDER: writes what each fuzzer begins with, made by the real code and
 * from the protocol's test vectors, to FOLDER/NAME/.  Run it at the top.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/item.h"
#include "channel/token.h"
#include "lib/messages.h"
#include "lib/util.h"

#define VECTORS "tests/data/protocol-vectors.json"
#define SEED_MAX (1 << 20)

static const char *out;

static void seed(const char *fuzzer, const char *name, const void *bytes, size_t n)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", out, fuzzer);
	mkdir(path, 0755);
	snprintf(path, sizeof(path), "%s/%s/%s", out, fuzzer, name);
	f = fopen(path, "w");
	if (!f || fwrite(bytes, 1, n, f) != n || fclose(f)) {
		perror(path);
		exit(1);
	}
}

/* The same with a first byte that chooses. */
static void chosen(const char *fuzzer, const char *name, uint8_t choice, const void *bytes, size_t n)
{
	static uint8_t copy[SEED_MAX];

	copy[0] = choice;
	memcpy(copy + 1, bytes, n);
	seed(fuzzer, name, copy, n + 1);
}

/* Streams of the vectors' session, as they went one after the other. */
static struct stream {
	uint8_t bytes[65536];
	size_t len;
} to_host, to_agent;

static void append(struct stream *s, const uint8_t *bytes, size_t n)
{
	memcpy(s->bytes + s->len, bytes, n);
	s->len += n;
}

static bool is_of_agent(const char *name)
{
	static const char *const names[] = { "HELLO", "AGENT", "ENROL.", "LOGIN", "PONG", "RESULT",
		"ROTATED", "UNROTATED" };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (!strncmp(name, names[i], strlen(names[i])))
			return true;
	return false;
}

static void take(const char *name, const uint8_t *bytes, size_t n)
{
	static const char *const handshake[] = { "HELLO.frame", "AGENT.frame", "HOST.frame",
		"READY.frame" };
	bool frame = strlen(name) > 6 && !strcmp(name + strlen(name) - 6, ".frame");

	for (uint8_t i = 0; i < 4; i++)
		if (!strcmp(name, handshake[i]))
			chosen("handshake", name, i, bytes + 4, n - 4);
	if (frame)
		append(is_of_agent(name) ? &to_host : &to_agent, bytes, n);
	else
		seed("records", name, bytes, n);
}

static void from_vectors(void)
{
	static char line[16384], name[128], hex[16384];
	static uint8_t bytes[8192];
	FILE *f = fopen(VECTORS, "r");

	if (!f) {
		perror(VECTORS);
		exit(1);
	}
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, " \"%127[^\"]\": \"%16383[0-9a-f]\"", name, hex) == 2 &&
		    hex_decode(bytes, hex, strlen(hex) / 2))
			take(name, bytes, strlen(hex) / 2);
	fclose(f);
	seed("host", "session", to_host.bytes, to_host.len);
	seed("agent", "session", to_agent.bytes, to_agent.len);
	seed("frames", "session", to_agent.bytes, to_agent.len);
}

static void of_files(void)
{
	static const char hex[] = "2222222222222222222222222222222222222222222222222222222222222222\n";
	static const char invited[] =
		"2222222222222222222222222222222222222222222222222222222222222222 "
		"1893456000000000000 1893456000000000000 5b3c1d2e\n";
	struct token token = { { 1 }, { 2 } };
	char text[TOKEN_TEXT];

	chosen("files", "key", 0, hex, strlen(hex));
	chosen("files", "next", 1, hex, strlen(hex));
	chosen("files", "invited", 2, invited, strlen(invited));
	chosen("files", "revoked", 3, "web1\n", 5);
	token_text(text, &token);
	seed("token", "token", text, strlen(text));
	seed("path", "escaped", "/tmp/a\\x0ab \\x5c", 16);
}

static void of_items(void)
{
	static const uint8_t name[WIRE_ITEM] = { 8 }, key[WIRE_KEY] = { 9 };
	static const uint8_t attr[] = { 4, 0, 'u', '.', 'a', 'b', 2, 0, 0, 0, 'x', 'y' };
	static uint8_t bytes[META_MAX];
	static struct meta meta = { .size = 5, .mode = 0755, .path = "/tmp/x", .attrs_len = 12 };
	static struct item item;
	char path[512];
	int fd;

	memcpy(meta.attrs, attr, sizeof(attr));
	seed("meta", "file", bytes, meta_put(bytes, &meta));
	seed("item", "empty", "", 0);
	snprintf(path, sizeof(path), "%s/item/whole", out);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || item_write_begin(&item, fd, name, key, &meta) ||
	    item_write(&item, "hello", 5) || item_write_end(&item)) {
		perror(path);
		exit(1);
	}
	close(fd);
}

static void of_messages(void)
{
	struct m_order order = { .cid = 7, .verb = VERB_QUARANTINE, .size = 9, .path = "/tmp/x" };
	struct m_bound bound = { .cid = 7, .why = "not there" };
	struct m_agent_act act = { .verb = AGENT_ENROL, .name = "web1", .seconds = 60 };
	static struct msg m;

	order.exe_ranges.len = 8;
	msg_encode(&m, &msg_order, 1, &order, -1);
	chosen("messages", "order", 0, m.payload, m.len);
	msg_encode(&m, &msg_bound, 1, &bound, -1);
	chosen("messages", "bound", 1, m.payload, m.len);
	msg_encode(&m, &msg_agent_act, 1, &act, -1);
	chosen("messages", "act", 2, m.payload, m.len);
}

int main(int argc, char **argv)
{
	if (argc != 2 || sodium_init() < 0)
		return 2;
	out = argv[1];
	mkdir(out, 0755);
	from_vectors();
	of_files();
	of_items();
	of_messages();
	return 0;
}
