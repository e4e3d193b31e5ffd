// SPDX-License-Identifier: GPL-2.0-or-later
#include "engine/contents.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/views.h"
#include "lib/task_json.h"
#include "lib/util.h"

#define EXTRACT_NS (75 * NS_PER_S)	/* an introspector takes a minute at most */
#define HASH_STEP (1u << 20)		/* bytes, between which guests have their turn */
#define SEND_STEP (64u << 10)

/* What one request holds, from the question on. */
struct content {
	LIST_ENTRY(content) entry;
	uint64_t guest;
	int fd;				/* sealed; -1: nothing has come yet */
	uint64_t size, hashed;		/* of fd, by fstat */
	crypto_generichash_state hash;
	struct m_extract ask;
	struct m_content m;
	struct m_done done;
	json_t *missing;
	/* once it is sent */
	char *facts;			/* a line */
	size_t facts_len;
	uint64_t deadline;
};

static LIST_HEAD(, content) contents = LIST_HEAD_INITIALIZER(contents);

static void content_free(void *p)
{
	struct content *c = p;

	if (!c)
		return;
	LIST_REMOVE(c, entry);
	if (c->fd >= 0)
		close(c->fd);
	json_decref(c->missing);
	free(c->facts);
	free(c);
}

void contents_end(struct ask *a)
{
	content_free(a->content);
	a->content = NULL;
}

/* False, and it is answered, if there are enough already. */
static bool content_begin(struct ask *a, const struct guest *g)
{
	unsigned all = 0, its = 0;
	struct content *c;

	LIST_FOREACH(c, &contents, entry) {
		all++;
		its += c->guest == g->id;
	}
	if (all >= CONTENTS || its >= CONTENTS_OF_GUEST) {
		ask_fail(a, 503, its >= CONTENTS_OF_GUEST ?
			 "as much of this guest is asked for as may be at once" :
			 "as much of guests is asked for as may be at once", "ask again in a moment");
		return false;
	}
	c = aligned_alloc(_Alignof(struct content), sizeof(*c));
	if (!c) {
		ask_fail(a, 500, "no memory", "ask again in a moment");
		return false;
	}
	memset(c, 0, sizeof(*c));
	c->guest = g->id;
	c->fd = -1;
	LIST_INSERT_HEAD(&contents, c, entry);
	a->content = c;
	return true;
}

/* ---- what is asked ---- */

struct shown {
	char *out;
	size_t size, used;
};

static enum MHD_Result show_one(void *user, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct shown *s = user;
	char name[32], text[512];

	text_escape(name, sizeof(name), key, strlen(key));
	text_escape(text, sizeof(text), value ? value : "", value ? strlen(value) : 0);
	s->used += snprintf(s->out + s->used, s->size - s->used, "%s%s=%s", s->used ? "&" : "", name, text);
	return s->used < s->size ? MHD_YES : MHD_NO;
}

void contents_query(const struct ask *a, char *out, size_t size)
{
	struct shown s = { out, size, 0 };

	out[0] = '\0';
	MHD_get_connection_values(a->connection, MHD_GET_ARGUMENT_KIND, show_one, &s);
}

/* The guest, if it may be asked; NULL, and it is answered. */
static struct guest *open_guest(struct ask *a)
{
	struct guest *g = ask_guest(a);

	return g && ask_is_open(a, g) && ask_is_observable(a, g) ? g : NULL;
}

static bool wrong(struct ask *a, const char *why)
{
	ask_fail(a, 400, why, "docs/openapi.json names the parameters");
	return false;
}

static bool take_pid(struct ask *a, const char *text, struct m_extract *m)
{
	uint64_t pid;

	if (!parse_u64(text, UINT32_MAX, &pid))
		return wrong(a, "pid: a process id");
	m->pid = pid;
	return true;
}

static bool take_path(struct ask *a, const char *path, struct m_extract *m)
{
	if (!path[0] || strlen(path) >= sizeof(m->path) / 4)
		return wrong(a, "path: from 1 to 3999 bytes");
	/* Raw, or escaped as it was shown. */
	if (text_is_printable(path))
		strcpy(m->path, path);
	else
		text_escape(m->path, sizeof(m->path), path, strlen(path));
	return true;
}

static bool take_file(struct ask *a, struct m_extract *m)
{
	const char *pid = ask_query(a, "pid"), *path = ask_query(a, "path"), *inode = ask_query(a, "inode");

	if (inode) {
		m->what = EXTRACT_INODE;
		return (!pid && !path && parse_inode(inode, &m->dev, &m->ino)) ||
		       wrong(a, "inode: MAJOR:MINOR:INODE, the first two hexadecimal, and neither pid nor path");
	}
	if (!pid && !path)
		return wrong(a, "which file: path, inode, pid, or pid and path");
	m->what = !pid ? EXTRACT_AT : path ? EXTRACT_OF_PROCESS : EXTRACT_EXE;
	return (!pid || take_pid(a, pid, m)) && (!path || take_path(a, path, m));
}

static bool take_memory(struct ask *a, struct m_extract *m)
{
	const char *pid = ask_query(a, "pid"), *address = ask_query(a, "address");
	const char *length = ask_query(a, "length");

	m->what = EXTRACT_MEMORY;
	if (!pid || !take_pid(a, pid, m))
		return a->answer ? false : wrong(a, "pid: a process id, or 0 for the kernel");
	if (!address || !parse_number(address, &m->address) || !length ||
	    !parse_number(length, &m->length) || !m->length || m->length > CONTENT_READ_MAX ||
	    m->address + m->length - 1 < m->address)
		return wrong(a, "address and length: numbers, decimal or with 0x; length from 1 to 64 MiB");
	return true;
}

static void extract(struct ask *a, bool (*take)(struct ask *a, struct m_extract *m))
{
	struct guest *g = open_guest(a);

	if (g && content_begin(a, g) && take(a, &a->content->ask))
		ask_rows(a, g, REQUEST_EXTRACT, &msg_extract, &a->content->ask, EXTRACT_NS);
}

void get_file(struct ask *a)
{
	extract(a, take_file);
}

void get_memory(struct ask *a)
{
	extract(a, take_memory);
}

/* The names of a user's files tell what is in them: not of a guest whose content is closed. */
void get_files(struct ask *a)
{
	struct guest *g = open_guest(a);
	const char *all = ask_query(a, "all");

	if (!g)
		return;
	if (all && strcmp(all, "0") && strcmp(all, "1"))
		wrong(a, "all: 0 or 1");
	else if (content_begin(a, g))
		ask_rows(a, g, REQUEST_FILES, &msg_files, &(struct m_files){ .all = all && all[0] == '1' },
			 EXTRACT_NS);
}

bool contents_asks(const struct ask *a)
{
	return a->route->run == get_files || a->route->run == get_file || a->route->run == get_memory;
}

/* ---- what has come ---- */

/* Whoever asked may be gone by now: then fd is closed. */
void control_content(struct control *control, uint64_t ticket, const struct m_content *m, int fd,
		     uint64_t size)
{
	struct ask *a = ask_find(control, ticket);

	if (!a || !a->content || a->content->fd >= 0) {
		close(fd);
		return;
	}
	a->content->fd = fd;
	a->content->size = size;
	a->content->m = *m;
}

/* Handed out: in the journal, with the row of who asked.  Not in it: not handed out. */
static bool note(struct ask *a, const struct content *c, const char *hash)
{
	const bool memory = c->ask.what == EXTRACT_MEMORY;
	const struct guest *g = guest_find(a->e, a->guest);
	json_t *detail = json_pack("{s:I,s:s,s:I,s:I,s:b,s:s}", "operator", I(a->noted), "what",
				   memory ? "memory" : "file", "bytes", I(c->size),
				   "resident", I(c->m.resident),
				   "complete", c->done.status == DONE_COMPLETE, "blake2b", hash);

	if (memory) {
		json_object_set_new(detail, "address", hex_json(c->ask.address));
		json_object_set_new(detail, "length", json_integer(c->ask.length));
	} else {
		json_object_set_new(detail, "path", json_string(c->m.path));
		json_object_set_new(detail, "inode", json_integer(c->m.ino));
	}
	if (record_event(&a->e->journal, "content", a->guest, g ? g->vmm_pid : 0, c->ask.pid, detail) > 0) {
		engine_flush_soon(a->e);
		return true;
	}
	ask_fail(a, 503, "the journal cannot be written, and nothing is handed out that is not in it",
		 "make room on the disk under the journal; see wardenctl status");
	return false;
}

static void is_hashed(struct ask *a, struct content *c)
{
	char hex[2 * HASH_BYTES + 1];
	const struct guest *g = guest_find(a->e, a->guest);
	uint8_t hash[HASH_BYTES];
	json_t *facts;

	crypto_generichash_final(&c->hash, hash, sizeof(hash));
	hex_encode(hex, hash, sizeof(hash));
	/* It may have been closed meanwhile. */
	if ((g && !ask_is_open(a, g)) || !note(a, c, hex))
		return;
	facts = content_json(&c->ask, &c->m, &c->done, c->missing);
	json_object_set_new(facts, "guest", json_integer(a->guest));
	json_object_set_new(facts, "bytes", json_integer(c->size));
	json_object_set_new(facts, "blake2b", json_string(hex));
	c->facts = json_dumps(facts, JSON_COMPACT | JSON_ENSURE_ASCII);
	json_decref(facts);
	if (!c->facts) {
		ask_fail(a, 500, "no memory", "ask again in a moment");
		return;
	}
	c->facts_len = strlen(c->facts);
	c->facts[c->facts_len++] = '\n';	/* in place of the NUL: it is no text any more */
	c->deadline = now_mono() + CONTENT_TAKE_NS;
	ask_answer(a, 200, json_true());
}

static void hash_on(struct ask *a)
{
	static uint8_t buf[HASH_STEP];
	struct content *c = a->content;
	ssize_t n = c->hashed < c->size ? pread(c->fd, buf, sizeof(buf), c->hashed) : 0;

	if (n > 0) {
		crypto_generichash_update(&c->hash, buf, n);
		c->hashed += n;
	}
	if (c->hashed < c->size && n > 0)
		return;
	if (c->hashed == c->size)
		is_hashed(a, c);
	else
		ask_fail(a, 500, "what the introspector sent cannot be read", "see the daemon's log");
	a->step = NULL;
	ask_go_on(a);
}

static void fail_done(struct ask *a, const struct m_done *done)
{
	if (!done)
		ask_fail(a, 503, "the introspector ended meanwhile", "ask again in a moment");
	else if (done->status == DONE_NOT_FOUND)
		ask_fail(a, 404, done->why, content_hint(a->content->ask.what));
	else if (done->status == DONE_AMBIGUOUS)
		ask_fail_as(a, 409, "ambiguous", done->why, content_hint(a->content->ask.what));
	else
		ask_fail(a, 503, done->why, "see GET /v1/guests");
}

bool contents_told(struct ask *a, const struct m_done *done, json_t *rows)
{
	struct content *c = a->content;
	json_t *answer;

	if (!done || done->status > DONE_INCOMPLETE) {
		fail_done(a, done);
		return true;
	}
	if (a->route->run == get_files) {
		answer = files_json(json_incref(rows), done);
		json_object_set_new(answer, "guest", json_integer(a->guest));
		ask_answer(a, 200, answer);
		return true;
	}
	if (c->fd < 0) {	/* is not so: see handle_introspect.c */
		fail_done(a, NULL);
		return true;
	}
	c->done = *done;
	c->missing = json_incref(rows);
	crypto_generichash_init(&c->hash, NULL, 0, HASH_BYTES);
	a->ticket = 0;
	a->step = hash_on;
	return false;
}

/* ---- and goes ---- */

bool contents_ready(const struct ask *a)
{
	return a->content && a->content->facts_len && a->code == 200;
}

static ssize_t send_on(void *user, uint64_t at, char *buf, size_t max)
{
	const struct content *c = user;
	ssize_t n;

	if (now_mono() > c->deadline)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (at < c->facts_len) {
		n = MIN(max, c->facts_len - at);
		memcpy(buf, c->facts + at, n);
		return n;
	}
	n = pread(c->fd, buf, max, at - c->facts_len);
	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

enum MHD_Result contents_respond(struct ask *a)
{
	struct content *c = a->content;
	struct MHD_Response *response = MHD_create_response_from_callback(c->facts_len + c->size, SEND_STEP,
									  send_on, c, content_free);
	enum MHD_Result ret;

	if (!response)
		return MHD_NO;
	a->content = NULL;	/* the response's by now, and longer there than a is */
	MHD_add_response_header(response, "Content-Type", CONTENT_TYPE);
	ret = MHD_queue_response(a->connection, a->code, response);
	MHD_destroy_response(response);
	return ret;
}
