/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Holds an answer against docs/wardenctl.schema.json and what it refers to in
 * docs/openapi.json: the part of JSON schema that the two use.
 */
#ifndef TEST_CLI_SCHEMA_H
#define TEST_CLI_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool fits(const char *file, const json_t *schema, const json_t *value, const char *at);

static inline json_t *schema_file(const char *name)
{
	static struct {
		char name[64];
		json_t *json;
	} files[4];
	char path[512];
	json_error_t error;

	for (int i = 0; i < 4; i++) {
		if (!strcmp(files[i].name, name))
			return files[i].json;
		if (files[i].json)
			continue;
		snprintf(files[i].name, sizeof(files[i].name), "%.60s", name);
		snprintf(path, sizeof(path), "%s/../../docs/%s", getenv("WARDENCTL_DIR"), name);
		files[i].json = json_load_file(path, 0, &error);
		if (!files[i].json)
			fprintf(stderr, "%s: line %d: %s\n", path, error.line, error.text);
		return files[i].json;
	}
	return NULL;
}

/* "openapi.json#/components/schemas/guest", or "#/..." in the file it stands in. */
static inline bool fits_ref(const char *file, const char *ref, const json_t *value, const char *at)
{
	char text[256], *part, *rest;
	json_t *schema;

	snprintf(text, sizeof(text), "%s", ref);
	rest = strchr(text, '#');
	*rest++ = '\0';
	if (text[0])
		file = text;
	schema = schema_file(file);
	while ((part = strsep(&rest, "/")))
		if (part[0])
			schema = json_object_get(schema, part);
	if (!schema)
		fprintf(stderr, "%s: %s leads nowhere\n", at, ref);
	return schema && fits(file, schema, value, at);
}

static inline bool is_of_type(const char *type, const json_t *value)
{
	return !strcmp(type, "object") ? json_is_object(value) :
	       !strcmp(type, "array") ? json_is_array(value) :
	       !strcmp(type, "string") ? json_is_string(value) :
	       !strcmp(type, "integer") ? json_is_integer(value) :
	       !strcmp(type, "boolean") ? json_is_boolean(value) : false;
}

static inline bool is_in(const json_t *list, const json_t *value)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
		if (json_equal(item, value))
			return true;
	return false;
}

static inline bool fits_object(const char *file, const json_t *schema, const json_t *value, const char *at)
{
	json_t *properties = json_object_get(schema, "properties");
	json_t *others = json_object_get(schema, "additionalProperties"), *item;
	const char *key;
	char path[256];
	size_t i;

	json_array_foreach(json_object_get(schema, "required"), i, item)
		if (!json_object_get(value, json_string_value(item))) {
			fprintf(stderr, "%s: %s is missing\n", at, json_string_value(item));
			return false;
		}
	json_object_foreach((json_t *)value, key, item) {
		json_t *of = json_object_get(properties, key);

		snprintf(path, sizeof(path), "%.150s.%.90s", at, key);
		if (!of && json_is_object(others))
			of = others;
		/* An answer says no more than its schema does, unless that allows it. */
		if (!of && !json_is_true(others)) {
			fprintf(stderr, "%s is not in the schema\n", path);
			return false;
		}
		if (of && !fits(file, of, item, path))
			return false;
	}
	return true;
}

static bool fits(const char *file, const json_t *schema, const json_t *value, const char *at)
{
	const char *ref = json_string_value(json_object_get(schema, "$ref"));
	const char *type = json_string_value(json_object_get(schema, "type"));
	json_t *choices = json_object_get(schema, "enum"), *item;
	size_t i;

	if (json_is_null(value) && json_is_true(json_object_get(schema, "nullable")))
		return true;
	if (ref)
		return fits_ref(file, ref, value, at);
	if (type && !is_of_type(type, value)) {
		fprintf(stderr, "%s is not of type %s\n", at, type);
		return false;
	}
	if (choices && !is_in(choices, value)) {
		fprintf(stderr, "%s: %s is none of the words the schema knows\n", at,
			json_string_value(value));
		return false;
	}
	if (json_is_object(value))
		return fits_object(file, schema, value, at);
	json_array_foreach(value, i, item)
		if (!fits(file, json_object_get(schema, "items"), item, at))
			return false;
	return true;
}

/* Is that what wardenctl VERB --json may print? */
static inline bool fits_verb(const char *verb, const json_t *value)
{
	json_t *verbs = json_object_get(schema_file("wardenctl.schema.json"), "properties");
	json_t *schema = json_object_get(verbs, verb);

	return schema && fits("wardenctl.schema.json", schema, value, verb);
}

#endif
