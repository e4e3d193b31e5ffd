/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests to the running engine whose answers are held to docs/openapi.json.
 */
#ifndef TEST_ENGINE_OPENAPI_H
#define TEST_ENGINE_OPENAPI_H

#include "test_engine_content.h"

#include "engine/ask.h"

static json_t *doc;

#define SEEN_MAX 512
static struct {
	char operation[96];
	int status;
} seen[SEEN_MAX];
static unsigned nseen;

static inline int load(void **state)
{
	char self[4096] = "", path[4160];
	json_error_t error;

	if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
		return -1;
	for (int up = 0; up < 3; up++)
		*strrchr(self, '/') = '\0';
	snprintf(path, sizeof(path), "%s/docs/openapi.json", self);
	doc = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!doc)
		print_message("%s: %s\n", path, error.text);
	return doc ? 0 : -1;
}

static inline int unload(void **state)
{
	json_decref(doc);
	return 0;
}

/* ---- a small validator: the part of JSON Schema that the file uses ---- */

static char where[512];

static inline void wrong(const char *why)
{
	fail_msg("%s: %s", where, why);
}

static inline const json_t *resolved(const json_t *schema)
{
	static const char head[] = "#/components/schemas/";
	const char *ref = text(schema, "$ref");

	if (strncmp(ref, head, strlen(head)))
		return schema;
	schema = json_object_get(json_object_get(json_object_get(doc, "components"), "schemas"),
				 ref + strlen(head));
	if (!schema)
		fail_msg("%s: no such schema", ref);
	return schema;
}

static inline bool type_is(const json_t *value, const char *type)
{
	return (!strcmp(type, "object") && json_is_object(value)) ||
	       (!strcmp(type, "array") && json_is_array(value)) ||
	       (!strcmp(type, "string") && json_is_string(value)) ||
	       (!strcmp(type, "integer") && json_is_integer(value)) ||
	       (!strcmp(type, "boolean") && json_is_boolean(value));
}

static inline void check_enum(const json_t *schema, const json_t *value)
{
	const json_t *words = json_object_get(schema, "enum"), *word;
	bool found = !words;
	size_t i;

	json_array_foreach(words, i, word)
		found |= json_equal((json_t *)word, (json_t *)value);
	if (!found)
		wrong(json_string_value(value));
}

static inline void validate(const json_t *schema, const json_t *value);

/* The same, one level deeper. */
static inline void validate_at(const json_t *schema, const json_t *value, const char *key)
{
	size_t len = strlen(where);

	snprintf(where + len, sizeof(where) - len, ".%s", key);
	validate(schema, value);
	where[len] = '\0';
}

static inline void check_object(const json_t *schema, const json_t *value)
{
	const json_t *properties = json_object_get(schema, "properties"), *name, *member;
	const json_t *more = json_object_get(schema, "additionalProperties");
	const char *key;
	size_t i;

	json_array_foreach(json_object_get(schema, "required"), i, name)
		if (!json_object_get(value, json_string_value(name)))
			wrong(json_string_value(name));
	json_object_foreach((json_t *)value, key, member) {
		const json_t *known = json_object_get(properties, key);

		if (!known && json_is_object(more))
			known = more;
		if (!known && !json_is_true(more))
			wrong(key);
		if (known)
			validate_at(known, member, key);
	}
}

static inline void validate(const json_t *schema, const json_t *value)
{
	const json_t *item;
	size_t i;

	/* Beside nullable, a reference stands alone. */
	if (json_is_null(value) && json_is_true(json_object_get(schema, "nullable")))
		return;
	schema = resolved(schema);
	if (!type_is(value, text(schema, "type")))
		wrong(text(schema, "type"));
	check_enum(schema, value);
	if (json_is_object(value))
		check_object(schema, value);
	json_array_foreach(value, i, item)
		validate_at(json_object_get(schema, "items"), item, "[]");
}

/* ---- operations ---- */

static inline const json_t *operation(const char *method, const char *path)
{
	char low[8] = "";

	for (int i = 0; method[i]; i++)
		low[i] = method[i] | 0x20;
	return json_object_get(json_object_get(json_object_get(doc, "paths"), path), low);
}

static inline const struct route *route_of(const char *method, const char *url)
{
	struct ask *a = calloc(1, sizeof(*a));
	char path[128];
	const struct route *r;

	snprintf(path, sizeof(path), "%.*s", (int)strcspn(url, "?"), url);
	r = route_find(a, method, path);
	json_decref(a->answer);
	free(a);
	assert_non_null(r);
	return r;
}

static inline void note_seen(const struct route *r, int status)
{
	assert_true(nseen < SEEN_MAX);
	snprintf(seen[nseen].operation, sizeof(seen[0].operation), "%s %s", r->method, r->path);
	seen[nseen++].status = status;
}

/* The answer is what the file says of that operation and status. */
static inline json_t *checked(const char *method, const char *url, json_t *answer, int status)
{
	const struct route *r = route_of(method, url);
	const json_t *schema;
	char code[8];

	snprintf(code, sizeof(code), "%d", status);
	schema = json_object_get(json_object_get(operation(r->method, r->path), "responses"), code);
	schema = json_object_get(json_object_get(json_object_get(schema, "content"),
		json_is_string(answer) ? "text/plain" : "application/json"), "schema");
	if (!schema) {
		json_dumpf(answer, stderr, JSON_INDENT(1));
		fail_msg("%s %s: status %d is not in the file", method, url, status);
	}
	snprintf(where, sizeof(where), "%s %s %d", method, url, status);
	validate(schema, answer);
	note_seen(r, status);
	return answer;
}

static inline json_t *say(const char *method, const char *url, const char *body, int expected)
{
	return checked(method, url, api(method, url, body, expected), expected);
}

static inline void ask(const char *method, const char *url, const char *body, int expected)
{
	json_decref(say(method, url, body, expected));
}

static inline json_t *end(int fd, const char *method, const char *url, int expected)
{
	return checked(method, url, api_end(fd, expected), expected);
}

/* ---- the kernel ---- */

#define KERNEL "/v1/guests/7/kernel"

static const struct m_kernel_facts facts = {
	.build_id = "00112233445566778899aabbccddeeff00112233", .boot_ns = 1700000000000000000,
	.uptime_ns = 60000000000, .text_base = 0xffffffff81000000, .paging_levels = 5,
	.kpti = KPTI_UNKNOWN, .symbols = 100000, .release = "6.1.0-test", .banner = "Linux version 6.1.0-test",
	.command_line = "console=ttyS0 \\x01quiet",
};
static const struct m_module module = { "dummy", 0xffffffffc0000000, 16384, 0 };

/* Asks, and the question has come: its id is in.id. */
static inline int ask_kernel(void)
{
	int fd = api_send("GET", KERNEL, "");
	struct m_tell_kernel m;

	await_question(M_TELL_KERNEL);
	assert_true(msg_decode(&in, &msg_tell_kernel, &m));
	assert_int_equal(m.flags, 0);
	return fd;
}

static inline void end_kernel(uint32_t status)
{
	const struct m_done done = { .status = status, .why = "as is" };

	send_to(w.introspect, &msg_done, in.id, &done, -1);
}

static inline void kernel(void)
{
	struct m_module going = module;
	int fd = ask_kernel();
	json_t *answer, *k, *m;

	going.state = 2;
	send_to(w.introspect, &msg_kernel_facts, in.id, &facts, -1);
	send_to(w.introspect, &msg_module, in.id, &module, -1);
	send_to(w.introspect, &msg_module, in.id, &going, -1);
	end_kernel(DONE_INCOMPLETE);
	answer = end(fd, "GET", KERNEL, 200);
	k = json_object_get(answer, "kernel");
	m = json_object_get(answer, "modules");
	assert_string_equal(text(k, "build_id"), facts.build_id);
	assert_string_equal(text(k, "text_base"), "0xffffffff81000000");
	assert_int_equal(number(k, "paging_levels"), 5);
	assert_true(json_is_null(json_object_get(k, "kpti")));
	assert_int_equal(json_array_size(m), 2);
	assert_string_equal(text(json_array_get(m, 0), "name"), "dummy");
	assert_string_equal(text(json_array_get(m, 1), "state"), "going");
	assert_true(json_is_false(json_object_get(answer, "complete")));
	assert_string_equal(text(answer, "why"), "as is");
	json_decref(answer);
	fd = ask_kernel();
	end_kernel(DONE_UNOBSERVABLE);
	json_decref(end(fd, "GET", KERNEL, 503));
	ask("GET", "/v1/guests/8/kernel", "", 404);
}

#endif
