// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The protocol's test vectors: a whole session with fixed keys and draws,
 * computed by the real code and held against tests/data/protocol-vectors.json,
 * and docs/protocol.md against that.  WARDEN_VECTORS=FILE writes them anew.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../fixed_random.h"
#include "channel/link.h"
#include "channel/proof.h"
#include "channel/token.h"
#include "channel/vault.h"
#include "lib/util.h"

#define FILE_NAME "tests/data/protocol-vectors.json"
#define DOC_NAME "docs/protocol.md"
#define VECTORS_MAX 64

static struct vector {
	const char *name;
	char *hex;
} vectors[VECTORS_MAX];
static size_t nvectors;

static void note(const char *name, const void *bytes, size_t n)
{
	char *hex = malloc(2 * n + 1);

	assert_true(hex && nvectors < VECTORS_MAX);
	hex_encode(hex, bytes, n);
	vectors[nvectors++] = (struct vector){ name, hex };
}

static const char *find(const char *name)
{
	for (size_t i = 0; i < nvectors; i++)
		if (!strcmp(vectors[i].name, name))
			return vectors[i].hex;
	return NULL;
}

static struct identity host_id, agent_id, next_host_id, next_agent_id;
static struct host_keys hosts = { .n = 1 };
static struct link host, agent;

static void make_identity(struct identity *id, uint8_t fill, const char *seed_name,
			  const char *public_name)
{
	uint8_t seed[crypto_sign_SEEDBYTES];

	memset(seed, fill, sizeof(seed));
	crypto_sign_seed_keypair(id->public, id->secret, seed);
	note(seed_name, seed, sizeof(seed));
	note(public_name, id->public, sizeof(id->public));
}

static uint8_t admit(void *arg, const uint8_t identity[WIRE_KEY])
{
	return 0;
}

/* What waits in from, as the wire has it, noted and taken in by to. */
static enum link_event carry(const char *name, struct link *from, struct link *to)
{
	const uint8_t *at = from->out;
	size_t n = from->out_len;
	enum link_event event;

	note(name, from->out, from->out_len);
	event = link_input(to, &at, &n);
	assert_int_equal(n, 0);
	assert_int_not_equal(event, LINK_FAILED);
	link_sent(from, from->out_len);
	return event;
}

/* Noted in the clear and as the frame that is sent. */
static void send_record(const char *name, const char *frame_name, struct link *from,
			struct link *to, const uint8_t *record, size_t n)
{
	note(name, record, n);
	assert_true(link_send(from, record, n, 1));
	assert_int_equal(carry(frame_name, from, to), LINK_RECORD);
	assert_int_equal(to->record_len, n);
	assert_memory_equal(to->record, record, n);
}

#define SEND(name, from, to, put) \
	send_record(name, name ".frame", from, to, record, put)

static void shake_hands(void)
{
	link_agent(&agent, &agent_id, &hosts);
	note("agent.ephemeral_secret", agent.handshake.ephemeral_secret, WIRE_KEY);
	link_host(&host, &host_id, admit, NULL);
	assert_int_equal(carry("HELLO.frame", &agent, &host), LINK_MORE);
	note("host.ephemeral_secret", host.handshake.ephemeral_secret, WIRE_KEY);
	assert_int_equal(carry("HOST.frame", &host, &agent), LINK_MORE);
	note("key.confirmation", agent.handshake.confirm, WIRE_HASH);
	note("key.to_agent", agent.handshake.rx_key, SESSION_KEY);
	assert_int_equal(carry("AGENT.frame", &agent, &host), LINK_UP);
	assert_int_equal(carry("READY.frame", &host, &agent), LINK_UP);
	assert_memory_equal(host.handshake.transcript, agent.handshake.transcript, WIRE_TRANSCRIPT);
	note("transcript", host.handshake.transcript, WIRE_TRANSCRIPT);
}

static void enrol(uint8_t *record)
{
	struct record_enrol enrol;
	struct identity key;
	struct token token;
	char text[TOKEN_TEXT];

	memcpy(token.host, host_id.public, WIRE_KEY);
	memset(token.secret, 0x55, sizeof(token.secret));
	token_text(text, &token);
	note("token.text", text, strlen(text));
	token_identity(&token, &key);
	note("token.public", key.public, WIRE_KEY);
	memcpy(enrol.key, key.public, WIRE_KEY);
	proof_sign(enrol.signature, &key, WIRE_LABEL_ENROL, agent.handshake.transcript, NULL);
	SEND("ENROL", &agent, &host, record_put_enrol(record, &enrol));
	SEND("ENROLLED", &host, &agent, record_put_text(record, WIRE_ENROLLED, "web1"));
}

static struct record_order order(uint32_t verb)
{
	struct record_order o = { .verb = verb, .order = 7, .pid = 1234,
		.start_ns = 5000000000, .size = 6000, .path = "/tmp/malware",
		.file = { .nranges = 1, .range = { { 0, 2 } } } };

	memset(o.nonce, 0x77, sizeof(o.nonce));
	memset(o.item, 0x88, sizeof(o.item));
	memset(o.file.hash, 0x99, sizeof(o.file.hash));
	vault_key(o.key, (const uint8_t *)"the host's master key, 32 bytes.", "web1");
	return o;
}

static void give_orders(uint8_t *record)
{
	struct record_result result = { WIRE_DONE, 7, { 0 }, "pid 1234 killed, gone after 2 ms" };
	struct record_order o = order(WIRE_VERB_KILL);

	SEND("ORDER.kill", &host, &agent, record_put_order(record, &o));
	memcpy(result.nonce, o.nonce, WIRE_NONCE);
	SEND("RESULT", &agent, &host, record_put_result(record, &result));
	o = order(WIRE_VERB_QUARANTINE);
	note("quarantine.key", o.key, WIRE_KEY);
	SEND("ORDER.quarantine", &host, &agent, record_put_order(record, &o));
	o = order(WIRE_VERB_RESTORE);
	SEND("ORDER.restore", &host, &agent, record_put_order(record, &o));
}

static void change_keys(uint8_t *record)
{
	const uint8_t *transcript = agent.handshake.transcript;
	struct record_new_key k;

	SEND("ROTATE", &host, &agent, record_put_rotate(record));
	memcpy(k.key, next_agent_id.public, WIRE_KEY);
	proof_sign(k.by_old, &agent_id, WIRE_LABEL_ROTATE, transcript, k.key);
	proof_sign(k.by_new, &next_agent_id, WIRE_LABEL_ROTATE, transcript, k.key);
	SEND("ROTATED", &agent, &host, record_put_new_key(record, WIRE_ROTATED, &k));
	SEND("UNROTATED", &agent, &host, record_put_text(record, WIRE_UNROTATED, "Read-only file system"));
	memcpy(k.key, next_host_id.public, WIRE_KEY);
	proof_sign(k.by_old, &host_id, WIRE_LABEL_SUCCESSOR, transcript, k.key);
	proof_sign(k.by_new, &next_host_id, WIRE_LABEL_SUCCESSOR, transcript, k.key);
	SEND("SUCCESSOR", &host, &agent, record_put_new_key(record, WIRE_SUCCESSOR, &k));
}

static void compute(void)
{
	struct record_login login = { .capabilities = 0xe, .beacon_pid = 321,
		.beacon_gva = 0x55d0c0ffe000, .version = "0.1" };
	uint8_t record[RECORD_MAX];

	make_identity(&host_id, 0x11, "host.seed", "host.public");
	make_identity(&agent_id, 0x22, "agent.seed", "agent.public");
	make_identity(&next_host_id, 0x33, "next_host.seed", "next_host.public");
	make_identity(&next_agent_id, 0x44, "next_agent.seed", "next_agent.public");
	memcpy(hosts.key[0], host_id.public, WIRE_KEY);
	fixed_random_reset();
	shake_hands();
	note("REFUSED.unknown", (uint8_t[]){ WIRE_REFUSED, WIRE_REFUSED_UNKNOWN }, 2);
	enrol(record);
	memset(login.nonce, 0x66, sizeof(login.nonce));
	SEND("LOGIN", &agent, &host, record_put_login(record, &login));
	SEND("PING", &host, &agent, record_put_ping(record, WIRE_PING, 0x0102030405060708));
	SEND("PONG", &agent, &host, record_put_ping(record, WIRE_PONG, 0x0102030405060708));
	give_orders(record);
	change_keys(record);
	SEND("CLOSE", &host, &agent, record_put_text(record, WIRE_CLOSE, "its key was revoked"));
}

static char *as_json(void)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fprintf(f, "{\n");
	for (size_t i = 0; i < nvectors; i++)
		fprintf(f, "\t\"%s\": \"%s\"%s\n", vectors[i].name, vectors[i].hex,
			i + 1 < nvectors ? "," : "");
	fprintf(f, "}\n");
	fclose(f);
	return text;
}

static char *read_whole(const char *path)
{
	char *text = calloc(1, 1 << 20);
	FILE *f = fopen(path, "r");

	if (!f)
		print_message("  %s: not there: run from the top of the source\n", path);
	assert_non_null(f);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	return text;
}

static void test_file(void **state)
{
	char *now = as_json(), *kept;
	const char *to = getenv("WARDEN_VECTORS");

	if (to) {
		FILE *f = fopen(to, "w");

		fputs(now, f);
		fclose(f);
	}
	kept = read_whole(FILE_NAME);
	assert_string_equal(now, kept);
	free(now);
	free(kept);
}

/* Lines of the document that are "NAME = HEX". */
static void test_document(void **state)
{
	char *doc = read_whole(DOC_NAME), *save = NULL;
	int checked = 0;

	for (char *line = strtok_r(doc, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char name[64], hex[4096], end[2];
		const char *right;

		if (sscanf(line, "%63[A-Za-z_.] = %4095[0-9a-f]%1s", name, hex, end) != 2)
			continue;
		right = find(name);
		if (!right)
			print_message("  %s: no vector of that name\n", name);
		assert_non_null(right);
		assert_string_equal(hex, right);
		checked++;
	}
	print_message("  %d vectors in the document\n", checked);
	assert_true(checked >= 20);
	free(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_document),
	};

	fixed_random_start();
	if (sodium_init() < 0)
		return 1;
	compute();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
