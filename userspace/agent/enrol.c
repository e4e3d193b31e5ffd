// SPDX-License-Identifier: GPL-2.0-or-later
#include "agent/enrol.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/keyring.h"
#include "channel/clock.h"
#include "channel/link.h"
#include "channel/proof.h"
#include "channel/token.h"
#include "lib/util.h"

#define ENROL_MS 10000
#define NO_INVITATION "the host has no open invitation: the token was used, or its time is over; " \
	"wardenctl enrol NAME there makes a new one"

static struct link l;

/* Reads the next event, or says why there will be none. */
static enum link_event next_event(int fd, uint64_t end_ms, const char **ret_why)
{
	static uint8_t data[4096];
	static const uint8_t *at;
	static size_t left;
	enum link_event event;

	while ((event = link_input(&l, &at, &left)) == LINK_MORE) {
		uint64_t now = clock_ms();
		struct pollfd p = { fd, POLLIN, 0 };
		ssize_t n;

		if (l.out_len && send(fd, l.out, l.out_len, MSG_NOSIGNAL) != (ssize_t)l.out_len)
			break;
		l.out_len = 0;
		*ret_why = "the host does not answer";
		if (now >= end_ms || poll(&p, 1, end_ms - now) <= 0)
			return LINK_FAILED;
		n = recv(fd, data, sizeof(data), 0);
		*ret_why = n ? strerror(errno) : "the host closed the connection";
		if (n <= 0)
			return LINK_FAILED;
		at = data;
		left = n;
	}
	if (event == LINK_FAILED)
		*ret_why = l.why;
	return event;
}

static void send_proof(const struct token *token)
{
	struct record_enrol record;
	uint8_t bytes[RECORD_MAX];
	struct identity key;

	token_identity(token, &key);
	memcpy(record.key, key.public, WIRE_KEY);
	proof_sign(record.signature, &key, WIRE_LABEL_ENROL, l.handshake.transcript, NULL);
	sodium_memzero(&key, sizeof(key));
	link_send(&l, bytes, record_put_enrol(bytes, &record), clock_ms());
}

/* True and the name that the host keeps for this agent; false: *ret_why. */
static bool talk(int fd, const struct identity *self, const struct token *token,
		 struct record_text *ret_name, const char **ret_why)
{
	static struct record_text bye;
	uint64_t end_ms = clock_ms() + ENROL_MS;
	struct host_keys hosts = { .n = 1 };

	memcpy(hosts.key[0], token->host, WIRE_KEY);
	link_agent(&l, self, &hosts);
	if (next_event(fd, end_ms, ret_why) != LINK_UP) {
		if (l.handshake.refused == WIRE_REFUSED_UNKNOWN)
			*ret_why = NO_INVITATION;
		return false;
	}
	send_proof(token);
	if (next_event(fd, end_ms, ret_why) != LINK_RECORD)
		return false;
	if (record_get_text(l.record, l.record_len, WIRE_ENROLLED, ret_name))
		return true;
	*ret_why = record_get_text(l.record, l.record_len, WIRE_CLOSE, &bye) ? bye.text :
		"the host answered with another record";
	return false;
}

static bool read_token(const char *text, struct token *ret_token)
{
	char line[128] = "";
	bool good;

	if (strcmp(text, "-"))
		return token_parse(text, ret_token);
	if (!fgets(line, sizeof(line), stdin))
		return false;
	line[strcspn(line, "\r\n")] = '\0';
	good = token_parse(line, ret_token);
	sodium_memzero(line, sizeof(line));
	return good;
}

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "warden-agent: enrol: %s: %s\n", what, why);
	return 1;
}

/* The key of an enrolment that was cut off, or a new one. */
static int take_key(const char *path, struct identity *ret_identity)
{
	char folder[PATH_MAX];
	int r = identity_load(path, ret_identity);

	if (r != -ENOENT)
		return r;
	snprintf(folder, sizeof(folder), "%s", path);
	mkdir(dirname(folder), 0700);
	return identity_make(path, ret_identity);
}

/* The host's key first: the agent's own in its place says that all is done. */
static int settle(const char *pending, const char *key_path, const char *host_path,
		  const struct token *token)
{
	char from[PATH_MAX + 8], to[PATH_MAX + 8];
	int r;

	snprintf(from, sizeof(from), "%s.new", host_path);
	unlink(from);
	r = key_file_write(from, token->host, WIRE_KEY, false);
	if (!r)
		r = keyring_rename(from, host_path);
	if (r)
		return r;
	snprintf(from, sizeof(from), "%s.pub", pending);
	snprintf(to, sizeof(to), "%s.pub", key_path);
	rename(from, to);
	return keyring_rename(pending, key_path);
}

static int enrol_with(const struct token *token, const char *key_path, const char *host_path,
		      const struct transport *transport)
{
	char pending[PATH_MAX];
	struct record_text name;
	struct identity self;
	const char *why = "";
	autofd int fd = -1;
	int r;

	snprintf(pending, sizeof(pending), "%s.enrol", key_path);
	r = take_key(pending, &self);
	if (r)
		return fail(pending, strerror(-r));
	fd = transport_connect(transport);
	if (fd < 0)
		return fail("no connection to the host", strerror(-fd));
	if (!talk(fd, &self, token, &name, &why))
		return fail("not done", why);
	r = settle(pending, key_path, host_path, token);
	if (r)
		return fail("the host keeps this agent's key, but it could not be settled here",
			    strerror(-r));
	printf("enrolled as %s: start warden-agent now\n", name.text);
	return 0;
}

int enrol(const char *text, const char *key_path, const char *host_path,
	  const struct transport *transport)
{
	struct token token;
	int r;

	if (!access(key_path, F_OK))
		return fail(key_path, "is there already: this agent has enrolled.  To do it anew, "
			    "remove it");
	if (!read_token(text, &token))
		return fail("token", "not a token, or a letter of it is wrong");
	r = enrol_with(&token, key_path, host_path, transport);
	sodium_memzero(&token, sizeof(token));
	link_wipe(&l);
	return r;
}
