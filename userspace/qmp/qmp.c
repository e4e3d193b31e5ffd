// SPDX-License-Identifier: GPL-2.0-or-later
#include "qmp/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/util.h"

#define NS_PER_MS 1000000ull

uint64_t qmp_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static enum qmp_result fail(struct qmp *q, enum qmp_result result, const char *why)
{
	snprintf(q->why, sizeof(q->why), "%s", why);
	return result;
}

/* ---- bytes ---- */

/* False when the time is up. */
static bool wait_for(struct qmp *q, short events)
{
	struct pollfd p = { .fd = q->fd, .events = events };

	for (;;) {
		uint64_t now = qmp_now_ns();

		if (now >= q->deadline_ns)
			return false;
		if (poll(&p, 1, (q->deadline_ns - now) / NS_PER_MS + 1) > 0)
			return true;
	}
}

static enum qmp_result receive(struct qmp *q)
{
	size_t room;
	char *at = stream_room(&q->stream, &room);
	ssize_t n;

	if (!room || q->received > QMP_MAX_BYTES)
		return fail(q, QMP_BROKEN, "the monitor sends more than it may");
	if (!wait_for(q, POLLIN))
		return q->received ? fail(q, QMP_BROKEN, "the monitor did not answer in time") :
			fail(q, QMP_SILENT, "the monitor says nothing: another client may hold it");
	n = read(q->fd, at, room);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return QMP_OK;
	if (n <= 0)
		return fail(q, QMP_BROKEN, "the monitor hung up");
	stream_added(&q->stream, n);
	q->received += n;
	return QMP_OK;
}

static enum qmp_result next_object(struct qmp *q, json_t **ret_object)
{
	for (;;) {
		int r = stream_next(&q->stream, ret_object);
		enum qmp_result result;

		if (r > 0)
			return QMP_OK;
		if (r < 0)
			return fail(q, QMP_BROKEN, "the monitor does not speak QMP");
		result = receive(q);
		if (result)
			return result;
	}
}

static enum qmp_result send_text(struct qmp *q, const char *text, size_t len)
{
	while (len) {
		ssize_t n;

		if (!wait_for(q, POLLOUT))
			return fail(q, QMP_BROKEN, "the monitor takes no command in time");
		n = write(q->fd, text, len);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return fail(q, QMP_BROKEN, "the monitor hung up");
		if (n > 0) {
			text += n;
			len -= n;
		}
	}
	return QMP_OK;
}

/* ---- commands ---- */

static enum qmp_result send_command(struct qmp *q, const char *command, json_t *arguments)
{
	json_t *o = json_pack("{s:s, s:I, s:o*}", "execute", command,
			      "id", (json_int_t)++q->last_id, "arguments", arguments);
	autofree char *text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	enum qmp_result result;

	json_decref(o);
	if (!text)
		return fail(q, QMP_BROKEN, "out of memory");
	result = send_text(q, text, strlen(text));
	return result ? result : send_text(q, "\n", 1);
}

static enum qmp_result refused(struct qmp *q, const char *command, json_t *error)
{
	const char *text = json_string_value(json_object_get(error, "desc"));
	char desc[160];

	text = text ? text : "(no reason)";
	text_escape(desc, sizeof(desc), text, strlen(text));
	snprintf(q->why, sizeof(q->why), "the VMM refuses %s: %s", command, desc);
	return QMP_REFUSED;
}

/* Events, and answers to what was asked before, are passed over. */
static bool is_answer(const struct qmp *q, json_t *object)
{
	json_t *id = json_object_get(object, "id");

	return (json_object_get(object, "return") || json_object_get(object, "error")) &&
	       json_is_integer(id) && (uint64_t)json_integer_value(id) == q->last_id;
}

enum qmp_result qmp_execute(struct qmp *q, const char *command, json_t *arguments,
			    json_t **ret_value)
{
	enum qmp_result result = send_command(q, command, arguments);
	json_t *object = NULL;

	while (!result) {
		result = next_object(q, &object);
		if (result || is_answer(q, object))
			break;
		json_decref(object);
		object = NULL;
	}
	if (!result && json_object_get(object, "error"))
		result = refused(q, command, json_object_get(object, "error"));
	if (!result && ret_value)
		*ret_value = json_incref(json_object_get(object, "return"));
	json_decref(object);
	return result;
}

/* ---- start and end ---- */

static enum qmp_result greet(struct qmp *q)
{
	json_t *object = NULL;
	enum qmp_result result = next_object(q, &object);

	if (!result && !json_is_object(json_object_get(object, "QMP")))
		result = fail(q, QMP_BROKEN, "the monitor does not speak QMP");
	json_decref(object);
	return result;
}

enum qmp_result qmp_open(struct qmp *q, int fd, uint64_t greeting_ns, uint64_t deadline_ns)
{
	enum qmp_result result;

	*q = (struct qmp){ .fd = fd, .deadline_ns = greeting_ns };
	if (stream_init(&q->stream))
		return fail(q, QMP_BROKEN, "out of memory");
	result = greet(q);
	q->deadline_ns = deadline_ns;
	return result ? result : qmp_execute(q, "qmp_capabilities", NULL, NULL);
}

void qmp_close(struct qmp *q)
{
	stream_free(&q->stream);
}
