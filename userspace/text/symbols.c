// SPDX-License-Identifier: GPL-2.0-or-later
#include "text/symbols.h"

#include <stdlib.h>
#include <string.h>

#include "text/search.h"

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return x->address < y->address ? -1 : x->address > y->address;
}

static int by_name(const void *a, const void *b)
{
	const struct symbol *const *x = a, *const *y = b;
	int r = strcmp((*x)->name, (*y)->name);

	return r ? r : *x < *y ? -1 : *x > *y;
}

/* "ffffffff81000000 T name\t[module]" with its end cut off. */
static bool read_line(struct symbol *s, char *line)
{
	char *end, *module;

	s->address = strtoull(line, &end, 16);
	if (end - line != 16 || end[0] != ' ' || !end[1] || end[2] != ' ')
		return false;
	s->type = end[1];
	s->name = end + 3;
	s->module = "";
	module = strchr(end + 3, '\t');
	if (!module)
		return true;
	*module++ = '\0';
	/* The last one: a name may hold others. */
	end = module + strlen(module) - 1;
	if (*module++ != '[' || end <= module || *end != ']')
		return false;
	*end = '\0';
	s->module = module;
	return true;
}

bool symbols_is_generated(const char *module)
{
	return !strncmp(module, "__builtin__", 11) || !strcmp(module, "bpf");
}

/*
 * The kernel lists its own symbols, then those of modules, then what it generated.
 * A module's symbol with a newline in its name looks like one of another kind.
 */
static bool is_in_order(const struct symbol *before, const struct symbol *s)
{
	if (symbols_is_generated(before->module))
		return symbols_is_generated(s->module);
	return !before->module[0] || s->module[0];
}

static size_t count_lines(const char *text, size_t size)
{
	size_t n = 0;

	for (const char *at = text; (at = memchr(at, '\n', text + size - at)); at++)
		n++;
	return n;
}

bool symbols_read(struct symbols *ret_symbols, char *text, size_t size)
{
	struct symbols s = { .n = 0 };
	size_t most = count_lines(text, size);
	bool shown = false;

	s.by_address = most && most <= SYMBOLS_MAX ? calloc(most, sizeof(*s.by_address)) : NULL;
	s.by_name = s.by_address ? calloc(most, sizeof(*s.by_name)) : NULL;
	if (!s.by_name || memchr(text, '\0', size))
		goto refuse;
	for (char *line = text, *end; s.n < most; line = end + 1) {
		end = strchr(line, '\n');
		*end = '\0';
		if (!read_line(&s.by_address[s.n], line) ||
		    (s.n && !is_in_order(&s.by_address[s.n - 1], &s.by_address[s.n])))
			goto refuse;
		shown |= s.by_address[s.n].address != 0;
		s.n++;
	}
	if (!shown)
		goto refuse;
	qsort(s.by_address, s.n, sizeof(*s.by_address), by_address);
	for (size_t i = 0; i < s.n; i++)
		s.by_name[i] = &s.by_address[i];
	qsort(s.by_name, s.n, sizeof(*s.by_name), by_name);
	*ret_symbols = s;
	return true;
refuse:
	symbols_free(&s);
	return false;
}

void symbols_free(struct symbols *symbols)
{
	free(symbols->by_address);
	free(symbols->by_name);
	memset(symbols, 0, sizeof(*symbols));
}

static int to_name(const void *element, const void *key)
{
	const struct symbol *const *s = element;

	return strcmp((*s)->name, key);
}

static size_t first_named(const struct symbols *symbols, const char *name)
{
	return search_from(name, symbols->by_name, symbols->n, sizeof(*symbols->by_name), to_name);
}

static size_t behind(const struct symbols *symbols, const struct symbol *before)
{
	size_t i = first_named(symbols, before->name);

	while (i < symbols->n && symbols->by_name[i] != before)
		i++;
	return i + 1;
}

/* What the kernel exports is in capitals; of a module's not every kernel tells it. */
static bool is_wanted(const struct symbol *s, const char *module)
{
	if (module)
		return !strcmp(s->module, module);
	return (s->type >= 'A' && s->type <= 'Z') || (s->module[0] && !symbols_is_generated(s->module));
}

const struct symbol *symbols_named(const struct symbols *symbols, const char *name,
				   const char *module, const struct symbol *before)
{
	size_t i = before ? behind(symbols, before) : first_named(symbols, name);

	for (; i < symbols->n && !strcmp(symbols->by_name[i]->name, name); i++)
		if (is_wanted(symbols->by_name[i], module))
			return symbols->by_name[i];
	return NULL;
}

const struct symbol *symbols_at(const struct symbols *symbols, uint64_t address)
{
	const struct symbol key = { .address = address };
	size_t i = search_from(&key, symbols->by_address, symbols->n, sizeof(key), by_address);

	return i < symbols->n && symbols->by_address[i].address == address ?
	       &symbols->by_address[i] : NULL;
}

const struct symbol *symbols_end(const struct symbols *symbols)
{
	return symbols->by_address + symbols->n;
}

bool symbols_is_function(const struct symbols *symbols, uint64_t address)
{
	const struct symbol *s = symbols_at(symbols, address);

	for (; s && s < symbols_end(symbols) && s->address == address; s++)
		if (strchr("tTwW", s->type) && !symbols_is_generated(s->module))
			return true;
	return false;
}
