// SPDX-License-Identifier: GPL-2.0-or-later
/* A finding's story: one sentence for each row of the journal, in their order. */
#include "engine/views.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/rest.h"
#include "engine/signs.h"
#include "lib/util.h"

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? text : "";
}

static json_int_t number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static void tell(json_t *chain, const json_t *row, const char *what, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

static void tell(json_t *chain, const json_t *row, const char *what, const char *format, ...)
{
	char text[3 * TEXT_PATH];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_array_append_new(chain, json_pack("{s:I,s:I,s:s,s:s}",
		"seq", number_of(row, json_object_get(row, "seq") ? "seq" : "id"),
		"wall_ns", number_of(row, "wall_ns"), "what", what, "text", text));
}

static void tell_guard(json_t *chain, const json_t *f)
{
	const json_t *evidence = json_object_get(f, "evidence");
	const char *rule = text_of(evidence, "rule");

	tell(chain, f, "seen", "The guard over VMMs saw that %s of guest %lld (process %lld, %s) %s: %s%s.",
	     text_of(evidence, "by"), (long long)number_of(f, "guest"),
	     (long long)number_of(f, "pid"), text_of(f, "comm"), text_of(evidence, "what"),
	     text_of(f, "path"), json_is_true(json_object_get(evidence, "denied")) ?
	     ", and had it denied" : "");
	tell(chain, f, "judged", "Its profile does not allow it%s%s%s.", rule[0] ?
	     "; this line would: \"" : ", and no line of it could", rule, rule[0] ? "\"" : "");
}

static void tell_difference(json_t *chain, const json_t *f, const json_t *evidence)
{
	tell(chain, f, "checked", "The code of %s in memory was compared with its file.",
	     text_of(evidence, "what"));
	tell(chain, f, "differs", "%s+%s (%s, at %s in memory), %lld bytes: expected %s, found %s.",
	     text_of(evidence, "section"), text_of(evidence, "offset"), text_of(evidence, "symbol"),
	     text_of(evidence, "address"), (long long)number_of(evidence, "length"),
	     text_of(evidence, "expected"), text_of(evidence, "found"));
}

/* Of no content: what memory itself told. */
static void tell_sign(json_t *chain, const json_t *f)
{
	const char *name = text_of(f, "guest_name");

	tell(chain, f, "seen", "The memory of guest %lld%s%s%s was looked at from outside.",
	     (long long)number_of(f, "guest"), name[0] ? " (" : "", name, name[0] ? ")" : "");
	tell(chain, f, "told", "It tells: %s.", text_of(json_object_get(f, "evidence"), "detail"));
}

static void tell_rest(json_t *chain, const json_t *f)
{
	const json_t *evidence = json_object_get(f, "evidence");
	const char *name = text_of(f, "guest_name"), *path = text_of(f, "path");
	const long long size = number_of(evidence, "size"), there = number_of(evidence, "resident");

	tell(chain, f, "seen", "A round over the files in the page cache of guest %lld%s%s%s from outside showed"
	     " %s%s (%s, inode %lld of %s, %s), which no process was seen to execute.",
	     (long long)number_of(f, "guest"), name[0] ? " (" : "", name, name[0] ? ")" : "",
	     path[0] ? path : "a file without a name", path[0] ? ", from its file system's root on" : "",
	     text_of(f, "object_kind"), (long long)number_of(evidence, "inode"), text_of(evidence, "dev"),
	     text_of(evidence, "fs"));
	tell(chain, f, "scanned", "%lld of its %lld bytes were there: the scanner by %s says %s%s.", there, size,
	     text_of(evidence, "engine"), text_of(f, "signature"),
	     json_is_true(json_object_get(evidence, "cached")) ?
	     " (the same content was scanned before)" : "");
}

static void tell_finding(json_t *chain, const json_t *f)
{
	const json_t *evidence = json_object_get(f, "evidence");
	const char *name = text_of(f, "guest_name");
	bool event = !strcmp(text_of(f, "found_by"), "event");

	if (!strcmp(text_of(f, "object_kind"), INTEGRITY_KIND)) {
		tell_difference(chain, f, evidence);
		return;
	}
	tell(chain, f, "seen", "%s showed process %lld (%s, %s) of guest %lld%s%s%s.",
	     event ? "An exit of the guest told of a new address space; a look at it from outside" :
	     "A sweep over all processes from outside",
	     (long long)number_of(f, "pid"), text_of(f, "comm"), text_of(f, "exe"),
	     (long long)number_of(f, "guest"), name[0] ? " (" : "", name, name[0] ? ")" : "");
	tell(chain, f, "scanned", "It executes %s (%s) at %s, a content not seen before or changed:"
	     " %s by %s says %s, %.1f ms after it was seen%s.", text_of(f, "path"),
	     text_of(f, "object_kind"), text_of(f, "gva"), "the scanner",
	     text_of(evidence, "engine"), text_of(f, "signature"),
	     (double)number_of(f, "latency_us") / 1000,
	     json_is_true(json_object_get(evidence, "cached")) ?
	     " (the same content was scanned before)" : "");
}

static void tell_decision(json_t *chain, const json_t *d)
{
	const char *rule = text_of(d, "rule"), *note = text_of(d, "note");

	if (rule[0])
		tell(chain, d, "decided", "Rule %s: %s%s%s.", rule, text_of(d, "action"),
		     note[0] ? "; " : "", note);
	else
		tell(chain, d, "decided", "%s%s%s.", text_of(d, "action"),
		     note[0] ? "; " : "; no rule matches", note);
}

/* A process's end is seen from outside; where a file is is not. */
static void tell_result(json_t *chain, const json_t *r, const char *verb, const char *who)
{
	const char *what = text_of(r, "what"), *detail = text_of(r, "detail");
	const char *status = text_of(r, "status"), *gap = detail[0] ? ": " : "";

	if (!strcmp(what, "sent"))
		tell(chain, r, "sent", "It was sent.");
	else if (!strcmp(what, "probe"))
		tell(chain, r, "confirmed", "%s: %s%s%s.", strcmp(verb, order_verb_name(VERB_KILL)) ?
		     "What came of it" : "Seen from outside", status, gap, detail);
	else if (!strcmp(what, "retry"))
		tell(chain, r, "sent again", "To be sent once more%s%s.", gap, detail);
	else if (!strcmp(what, "restart"))
		tell(chain, r, "restart", "The daemon began anew: %s%s%s.", status, gap, detail);
	else
		tell(chain, r, "answered", "%s: %s%s%s, after %.1f ms.", who, status, gap, detail,
		     (double)number_of(r, "elapsed_us") / 1000);
}

static void tell_results(struct engine *e, json_t *chain, const json_t *of, const char *who)
{
	json_t *results = view_query(e, "SELECT seq, wall_ns, what, status, elapsed_us, detail"
				     " FROM results WHERE order_id = ? ORDER BY seq",
				     number_of(of, "id")), *r;
	size_t i;

	json_array_foreach(results, i, r)
		tell_result(chain, r, text_of(of, "verb"), who);
	json_decref(results);
}

static void tell_orders(struct engine *e, json_t *chain, const json_t *f)
{
	json_t *o;
	size_t i;

	json_array_foreach(json_object_get(f, "orders"), i, o) {
		const char *path = text_of(o, "path");

		if (number_of(o, "pid"))
			tell(chain, o, "ordered", "Order %lld to the guest's agent: %s %s%s%lld.",
			     (long long)number_of(o, "id"), text_of(o, "verb"), path,
			     path[0] ? ", of process " : "process ", (long long)number_of(o, "pid"));
		else
			tell(chain, o, "ordered", "Order %lld to the guest's agent: %s %s.",
			     (long long)number_of(o, "id"), text_of(o, "verb"), path);
		tell_results(e, chain, o, "The agent, or who should have reached it");
	}
	json_array_foreach(json_object_get(f, "acts"), i, o) {
		tell(chain, o, "ordered", "The host is to do it itself: %s.", text_of(o, "verb"));
		tell_results(e, chain, o, "The host");
	}
}

static int by_seq(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	json_int_t m = number_of(x, "seq"), n = number_of(y, "seq");

	return m < n ? -1 : m > n;
}

/* The finding's own two come first; no other two rows have one number. */
static json_t *sorted(json_t *chain)
{
	size_t n = json_array_size(chain);
	autofree json_t **list = calloc(n + 1, sizeof(*list));
	json_t *out = json_array();

	for (size_t i = 0; list && i < n; i++)
		list[i] = json_array_get(chain, i);
	if (list && n > 2)
		qsort(list + 2, n - 2, sizeof(*list), by_seq);
	for (size_t i = 0; list && i < n; i++)
		json_array_append(out, list[i]);
	json_decref(chain);
	return out;
}

json_t *view_explanation(struct engine *e, uint64_t id)
{
	json_t *f = view_finding(e, id), *chain, *d;
	size_t i;

	if (!f || json_is_null(f))
		return f;
	chain = json_array();
	if (!strcmp(text_of(f, "found_by"), "guard"))
		tell_guard(chain, f);
	else if (!strcmp(text_of(f, "found_by"), SIGNS_FOUND_BY))
		tell_sign(chain, f);
	else if (!strcmp(text_of(f, "found_by"), REST_FOUND_BY))
		tell_rest(chain, f);
	else
		tell_finding(chain, f);
	json_array_foreach(json_object_get(f, "decisions"), i, d)
		tell_decision(chain, d);
	tell_orders(e, chain, f);
	view_set(f, "chain", sorted(chain));
	return f;
}
