// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * plan SEED PROGRAMS OUT: makes one run of the demo out of a seed.
 *
 * OUT/disk/      what goes on the guest's demo disk: bin/, data/, plan
 * OUT/demo.ndb   the signatures, a ClamAV database
 * OUT/victims    KIND NAME SIGNATURE, a line each
 *
 * A line of the plan: KIND PIDS NAME COMMAND...: let PIDS process ids pass,
 * then start it.  Kinds: clean, file, memfd, deleted, anon.
 */
#include <err.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "demo.h"
#include "lib/util.h"

#define LINES_MAX 64
#define LINE_BYTES 256

static uint8_t seed[randombytes_SEEDBYTES];
static uint64_t drawn;
static const char *programs, *out;
static char lines[LINES_MAX][LINE_BYTES];
static size_t nlines;

/* ---- chance, all from the seed ---- */

static void draw(void *bytes, size_t n)
{
	uint8_t next[randombytes_SEEDBYTES];

	crypto_generichash(next, sizeof(next), (uint8_t *)&drawn, sizeof(drawn), seed, sizeof(seed));
	drawn++;
	randombytes_buf_deterministic(bytes, n, next);
}

static uint32_t below(uint32_t limit)
{
	uint64_t x;

	draw(&x, sizeof(x));
	return x % limit;
}

/* ---- files ---- */

struct blob {
	uint8_t *data;
	size_t len;
};

static const char *path(const char *format, ...)
{
	static char text[4][512];
	static unsigned int next;
	char *at = text[next++ % 4];
	va_list args;

	va_start(args, format);
	vsnprintf(at, sizeof(text[0]), format, args);
	va_end(args);
	return at;
}

static struct blob read_file(const char *name)
{
	autofile FILE *f = fopen(name, "r");
	struct blob blob = { 0 };
	struct stat st;

	if (!f || fstat(fileno(f), &st))
		err(1, "%s", name);
	blob.data = malloc(st.st_size);
	if (!blob.data || fread(blob.data, 1, st.st_size, f) != (size_t)st.st_size)
		err(1, "%s", name);
	blob.len = st.st_size;
	return blob;
}

static void write_file(const char *name, const void *data, size_t len, mode_t mode)
{
	autofile FILE *f = fopen(name, "w");

	if (!f || fwrite(data, 1, len, f) != len || fchmod(fileno(f), mode))
		err(1, "%s", name);
}

static void replace(struct blob *blob, const char *slot, const uint8_t *bytes)
{
	uint8_t *at = memmem(blob->data, blob->len, slot, SIGNATURE_BYTES);

	if (!at)
		errx(1, "no slot for \"%s\" in the program", slot);
	memcpy(at, bytes, SIGNATURE_BYTES);
}

/* ---- processes ---- */

static void add(const char *format, ...)
{
	va_list args;

	if (nlines == LINES_MAX)
		errx(1, "too many processes");
	va_start(args, format);
	vsnprintf(lines[nlines++], LINE_BYTES, format, args);
	va_end(args);
}

static void draw_name(char name[32])
{
	static const char *const first[] = { "sys", "net", "log", "dbus", "disk", "mail", "time", "cron" };
	static const char *const second[] = { "cache", "helper", "sync", "agentd", "watch", "indexd", "relay" };

	snprintf(name, 32, "%s-%s%u", first[below(8)], second[below(7)], below(100));
}

static void record_victim(const char *kind, const char *name, const uint8_t *signature)
{
	static FILE *database, *victims;
	char hex[2 * SIGNATURE_BYTES + 1];

	if (!database) {
		database = fopen(path("%s/demo.ndb", out), "w");
		victims = fopen(path("%s/victims", out), "w");
		if (!database || !victims)
			err(1, "%s", out);
		setlinebuf(database);
		setlinebuf(victims);
	}
	hex_encode(hex, signature, SIGNATURE_BYTES);
	fprintf(database, "Demo.%s.%08x:0:*:%s\n", kind, (unsigned int)signature[0] << 24 |
		signature[1] << 16 | signature[2] << 8 | signature[3], hex);
	fprintf(victims, "%s %s Demo.%s.%08x\n", kind, name, kind, (unsigned int)signature[0] << 24 |
		signature[1] << 16 | signature[2] << 8 | signature[3]);
}

/* A sleeper with this signature, as bin/NAME. */
static void make_sleeper(const char *name, const uint8_t *signature)
{
	struct blob blob = read_file(path("%s/sleeper", programs));

	replace(&blob, SIGNATURE_SLOT, signature);
	write_file(path("%s/disk/bin/%s", out, name), blob.data, blob.len, 0755);
	free(blob.data);
}

static uint8_t make_payload(const char *name, const uint8_t *signature)
{
	struct blob blob = read_file(path("%s/sleeper", programs)), loader;
	uint8_t key = 1 + below(255);

	replace(&blob, SIGNATURE_SLOT, signature);
	for (size_t i = 0; i < blob.len; i++)
		blob.data[i] ^= key;
	write_file(path("%s/disk/data/%s.dat", out, name), blob.data, blob.len, 0644);
	free(blob.data);
	loader = read_file(path("%s/from-memfd", programs));
	write_file(path("%s/disk/bin/%s", out, name), loader.data, loader.len, 0755);
	free(loader.data);
	return key;
}

static void make_decryptor(const char *name, const uint8_t *signature)
{
	struct blob blob = read_file(path("%s/decryptor", programs));
	uint8_t key[SIGNATURE_BYTES], secret[SIGNATURE_BYTES];

	draw(key, sizeof(key));
	for (size_t i = 0; i < SIGNATURE_BYTES; i++)
		secret[i] = signature[i] ^ key[i];
	replace(&blob, SECRET_SLOT, secret);
	replace(&blob, KEY_SLOT, key);
	write_file(path("%s/disk/bin/%s", out, name), blob.data, blob.len, 0755);
	free(blob.data);
}

/* The same programs with bytes that no signature names: they must live. */
static void add_lookalikes(void)
{
	uint8_t bytes[SIGNATURE_BYTES];
	char name[32];

	draw(bytes, sizeof(bytes));
	draw_name(name);
	make_sleeper(name, bytes);
	add("clean %u %s /demo/bin/%s", below(20), name, name);
	draw(bytes, sizeof(bytes));
	draw_name(name);
	make_decryptor(name, bytes);
	add("clean %u %s /demo/bin/%s", below(20), name, name);
}

static void add_victims(void)
{
	uint8_t signature[SIGNATURE_BYTES];
	char name[32];
	uint8_t key;

	draw(signature, sizeof(signature));
	draw_name(name);
	make_sleeper(name, signature);
	record_victim("file", name, signature);
	add("file %u %s /demo/bin/%s", below(20), name, name);

	draw(signature, sizeof(signature));
	draw_name(name);
	key = make_payload(name, signature);
	record_victim("memfd", name, signature);
	add("memfd %u %s /demo/bin/%s /demo/data/%s.dat %u %s", below(20), name, name, name, key, name);

	draw(signature, sizeof(signature));
	draw_name(name);
	make_sleeper(name, signature);
	record_victim("deleted", name, signature);
	add("deleted %u %s /demo/bin/%s", below(20), name, name);

	draw(signature, sizeof(signature));
	draw_name(name);
	make_decryptor(name, signature);
	record_victim("anon", name, signature);
	add("anon %u %s /demo/bin/%s", below(20), name, name);
}

static void add_ordinary(size_t n)
{
	static const char *const commands[] = {
		"/bin/sleep 86400",
		"/usr/bin/tail -f /etc/passwd",
		"/bin/cat /demo-fifo",
		"/usr/bin/perl -e sleep",
		"/bin/bash -c read<>/demo-fifo",
		"/bin/dash -c read\tx</demo-fifo",
		"/usr/bin/sort /demo-fifo",
		"/usr/bin/mawk {print} /demo-fifo",
		"/bin/sed p /demo-fifo",
		"/bin/grep x /demo-fifo",
		"/usr/bin/md5sum /demo-fifo",
	};

	for (size_t i = 0; i < n; i++)
		add("clean %u - %s", below(20),
		    commands[i < ARRAY_SIZE(commands) ? i : below(ARRAY_SIZE(commands))]);
}

static void shuffle(void)
{
	char spare[LINE_BYTES];

	for (size_t i = nlines - 1; i > 0; i--) {
		size_t j = below(i + 1);

		memcpy(spare, lines[i], LINE_BYTES);
		memcpy(lines[i], lines[j], LINE_BYTES);
		memcpy(lines[j], spare, LINE_BYTES);
	}
}

int main(int argc, char **argv)
{
	autofile FILE *plan = NULL;

	if (argc != 4)
		errx(2, "usage: plan SEED PROGRAMS OUT");
	if (sodium_init() < 0)
		errx(1, "libsodium");
	crypto_generichash(seed, sizeof(seed), (uint8_t *)argv[1], strlen(argv[1]), NULL, 0);
	programs = argv[2];
	out = argv[3];
	if (mkdir(path("%s/disk", out), 0755) || mkdir(path("%s/disk/bin", out), 0755) ||
	    mkdir(path("%s/disk/data", out), 0755))
		err(1, "%s/disk", out);
	add_victims();
	add_lookalikes();
	add_ordinary(30 + below(6));
	shuffle();
	plan = fopen(path("%s/disk/plan", out), "w");
	if (!plan)
		err(1, "plan");
	for (size_t i = 0; i < nlines; i++)
		fprintf(plan, "%s\n", lines[i]);
	return 0;
}
