// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * truth RAM MONITOR LOOKS: a process has written down what its own /proc says of
 * it, on the serial line beside RAM; what is told from outside must be the same.
 */
#include <err.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest.h"
#include "introspect/mappings.h"
#include "introspect/process.h"
#include "lib/util.h"

static struct testee t;
static char truth[256][600];
static unsigned ntruth;

/* Whole only once its end is there. */
static bool read_truth(const char *ram)
{
	char copy[4096], path[4200], line[600];
	bool whole = false;
	FILE *f;

	snprintf(copy, sizeof(copy), "%s", ram);
	snprintf(path, sizeof(path), "%s/serial", dirname(copy));
	f = fopen(path, "r");
	ntruth = 0;
	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\r\n")] = '\0';
		whole = whole || !strcmp(line, "TRUTH end");
		if (!strncmp(line, "TRUTH ", 6) && ntruth < 256)
			snprintf(truth[ntruth++], sizeof(truth[0]), "%s", line + 6);
	}
	if (f)
		fclose(f);
	return whole;
}

/* Its line begins with that; NULL: there is none. */
static const char *line_of(const char *head)
{
	for (unsigned i = 0; i < ntruth; i++)
		if (!strncmp(truth[i], head, strlen(head)))
			return truth[i] + strlen(head);
	return NULL;
}

/* Tabs and runs of spaces are one space. */
static void squeeze(char *text)
{
	char *out = text;

	for (char *at = text; *at; at++)
		if ((*at != '\t' && *at != ' ') || (out > text && out[-1] != ' '))
			*out++ = *at == '\t' ? ' ' : *at;
	while (out > text && out[-1] == ' ')
		out--;
	*out = '\0';
}

static unsigned facts, threads, files;

static bool same_rss(const char *a, const char *b)
{
	long x = atol(a), y = atol(b);

	return labs(x - y) <= 1024;
}

static void check_status(const struct m_fact *f)
{
	char head[96], expected[600];
	const char *line;

	snprintf(head, sizeof(head), !strcmp(f->name, "Cgroup") ? "cgroup 0::" : "status %s:", f->name);
	line = line_of(head);
	if (!line) {
		printf("# %s: %s\n", f->name, f->value);
		return;
	}
	snprintf(expected, sizeof(expected), "%s", line);
	squeeze(expected);
	/* When it wrote it down it ran. */
	if (!strcmp(f->name, "State"))
		snprintf(expected, sizeof(expected), "S (sleeping)");
	facts++;
	ok(!strcmp(f->name, "VmRSS") ? same_rss(f->value, expected) : !strcmp(f->value, expected),
	   "%s is %s (%s)", f->name, f->value, expected);
}

static void check_namespace(const struct m_fact *f)
{
	char head[96], expected[600];
	const char *line;

	snprintf(head, sizeof(head), "ns %s ", f->name);
	line = line_of(head);
	snprintf(expected, sizeof(expected), "%s:[%llu]", f->name, (unsigned long long)f->number);
	facts++;
	ok(line && !strcmp(line, expected), "namespace %s (%s)", expected, line ? line : "?");
}

static void check_file(const struct m_fact *f)
{
	char head[96];
	const char *line;

	snprintf(head, sizeof(head), "fd %llu ", (unsigned long long)f->number);
	line = line_of(head);
	files++;
	if (!strcmp(f->name, "socket") && strncmp(f->value, "unix", 4))
		ok(!strcmp(f->value, "tcp 0.0.0.0:7777 0.0.0.0:0 LISTEN"), "descriptor %s: %s", head,
		   f->value);
	else
		ok(line && strstr(f->value, line), "descriptor %llu is %s (%s)",
		   (unsigned long long)f->number, f->value, line ? line : "?");
}

static int on_fact(void *ctx, const struct m_fact *f)
{
	if (f->kind == FACT_PROCESS)
		check_status(f);
	else if (f->kind == FACT_NAMESPACE)
		check_namespace(f);
	else if (f->kind == FACT_FILE)
		check_file(f);
	else if (f->kind == FACT_THREAD)
		threads += !strcmp(f->name, "worker") || !strcmp(f->name, "facts");
	else if (f->kind == FACT_ENVIRONMENT)
		printf("# environment: %s\n", f->value);
	return 0;
}

/* ---- maps, line by line ---- */

static struct {
	unsigned n, right;
} maps;

static int on_vma(void *ctx, const struct m_vma *v)
{
	char line[TEXT_PATH + 128], expected[600];
	const char *found;
	unsigned seen = 0;

	snprintf(line, sizeof(line), "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu %s",
		 (unsigned long)v->start, (unsigned long)v->end, v->flags & VMA_READ ? 'r' : '-',
		 v->flags & VMA_WRITE ? 'w' : '-', v->flags & VMA_EXEC ? 'x' : '-',
		 v->flags & VMA_SHARED ? 's' : 'p', (unsigned long)v->offset, v->major, v->minor,
		 (unsigned long)v->inode, v->path);
	squeeze(line);
	for (unsigned i = 0; i < ntruth; i++) {
		if (strncmp(truth[i], "maps ", 5) || seen++ != maps.n)
			continue;
		found = truth[i] + 5;
		snprintf(expected, sizeof(expected), "%s", found);
		squeeze(expected);
		if (!strcmp(line, expected))
			maps.right++;
		else
			printf("# maps: %s, not %s\n", line, expected);
	}
	maps.n++;
	return 0;
}

int main(int argc, char **argv)
{
	struct m_process ask = { .environment = 1 };
	struct m_done done;
	struct task v;
	unsigned lines = 0;

	if (argc != 4)
		return 2;
	testee_open(&t, argv[1], argv[2]);
	printf("# %s\n", t.in.state.release);
	for (int i = 0; i < 120 && !read_truth(argv[1]); i++)
		sleep(1);
	sleep(2);
	if (!testee_find(&t, "facts", 0, &v))
		errx(1, "no process called facts");
	ask.pid = v.pid;
	memory_refresh(&t.mem);
	process_tell(&t.in, &ask, on_fact, NULL, &done);
	ok(done.status == DONE_COMPLETE, "what is told is complete: %s", done.why);
	ok(facts >= 15 && threads == 2 && files >= 5, "%u facts, %u threads, %u files", facts, threads,
	   files);
	mappings_list(&t.in, v.pid, 0, on_vma, NULL, &done);
	for (unsigned i = 0; i < ntruth; i++)
		lines += !strncmp(truth[i], "maps ", 5);
	ok(lines && maps.n == lines && maps.right == lines, "%u of %u lines of its maps are the same",
	   maps.right, lines);
	return ok_done();
}
