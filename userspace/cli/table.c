// SPDX-License-Identifier: GPL-2.0-or-later
/* Aligned columns, no wider than a terminal. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/util.h"

#define COLUMNS_MAX 12
#define CUT_MIN 8

struct row {
	struct row *next;
	char *cell[COLUMNS_MAX];	/* all NULL: note is the row */
	char *note;
};

struct table {
	const struct column *columns;
	unsigned n, width[COLUMNS_MAX];
	struct row *first, **end;
};

static void *need(void *memory)
{
	if (memory)
		return memory;
	fputs("wardenctl: out of memory\n", stderr);
	exit(EXIT_DAEMON);
}

static struct row *add(struct table *t)
{
	struct row *row = need(calloc(1, sizeof(*row)));

	*t->end = row;
	t->end = &row->next;
	return row;
}

struct table *table_new(const struct column *columns, unsigned n)
{
	struct table *t = need(calloc(1, sizeof(*t)));
	const char *heads[COLUMNS_MAX];

	t->columns = columns;
	t->n = MIN(n, COLUMNS_MAX);
	t->end = &t->first;
	for (unsigned i = 0; i < t->n; i++)
		heads[i] = columns[i].head;
	table_row(t, heads);
	return t;
}

void table_row(struct table *t, const char *const *cells)
{
	struct row *row = add(t);

	for (unsigned i = 0; i < t->n; i++) {
		row->cell[i] = need(strdup(cells[i]));
		t->width[i] = MAX(t->width[i], strlen(cells[i]));
	}
}

void table_note(struct table *t, const char *format, ...)
{
	struct row *row = add(t);
	va_list args;

	va_start(args, format);
	if (vasprintf(&row->note, format, args) < 0)
		row->note = NULL;
	va_end(args);
	need(row->note);
}

/* 0: no terminal, so no limit. */
static unsigned terminal_width(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) ? 0 : size.ws_col;
}

/* The widest of those that may be cut gives way, a character at a time. */
static void fit(struct table *t, unsigned limit)
{
	unsigned total = t->n - 1;

	for (unsigned i = 0; i < t->n; i++)
		total += t->width[i];
	for (; limit && total > limit; total--) {
		unsigned *widest = NULL;

		for (unsigned i = 0; i < t->n; i++)
			if (t->columns[i].how == CUT && t->width[i] > CUT_MIN &&
			    (!widest || t->width[i] > *widest))
				widest = &t->width[i];
		if (!widest)
			return;
		--*widest;
	}
}

static void print_cell(const char *text, unsigned width, bool right, bool last)
{
	if (strlen(text) > width)
		printf("%.*s~", (int)width - 1, text);
	else if (right)
		printf("%*s", (int)width, text);
	else
		printf("%-*s", last ? 0 : (int)width, text);
	putchar(last ? '\n' : ' ');
}

static void print_row(const struct table *t, const struct row *row)
{
	for (unsigned i = 0; i < t->n; i++)
		print_cell(row->cell[i], t->width[i], t->columns[i].how == RIGHT, i + 1 == t->n);
}

void table_end(struct table *t)
{
	struct row *row, *next;

	fit(t, terminal_width());
	for (row = t->first; row; row = next) {
		next = row->next;
		if (row->note)
			printf("    %s\n", row->note);
		else
			print_row(t, row);
		for (unsigned i = 0; i < t->n; i++)
			free(row->cell[i]);
		free(row->note);
		free(row);
	}
	free(t);
}
