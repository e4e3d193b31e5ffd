// SPDX-License-Identifier: GPL-2.0-or-later
#include "integrity/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/proc.h"
#include "lib/util.h"

#define PAGE 4096u
#define ENTRIES 512u			/* of pagemap at a time */
#define PM_PRESENT (1ull << 63)
#define PM_SWAPPED (1ull << 62)
#define PM_FILE (1ull << 61)		/* or shared: the page cache's, not the process's */

/* ---- gathering ---- */

/* The kernel's own page is in every process, and cannot be changed for one. */
static bool is_kernels(const char *name)
{
	return !strcmp(name, "[vdso]") || !strcmp(name, "[vsyscall]") || !strcmp(name, "[uprobes]");
}

bool vmm_parse_mapping(const char *line, struct vmm_mapping *ret_mapping, bool *ret_file)
{
	uint64_t inode;
	char perms[5];
	int at = 0;
	size_t len, skip;

	memset(ret_mapping, 0, sizeof(*ret_mapping));
	ret_mapping->file = -1;
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*x:%*x %" SCNu64 " %n",
		   &ret_mapping->start, &ret_mapping->end, perms, &ret_mapping->offset,
		   &inode, &at) < 5 || !at || strlen(perms) != 4 || perms[2] != 'x')
		return false;
	if (ret_mapping->start >= ret_mapping->end || ret_mapping->start % PAGE ||
	    ret_mapping->end % PAGE || ret_mapping->offset % PAGE ||
	    ret_mapping->offset > INT64_MAX - (ret_mapping->end - ret_mapping->start))
		return false;
	len = strcspn(line + at, "\n");
	/* The end of a path tells more than its beginning. */
	skip = len > 15 * 4 ? len - 15 * 4 : 0;
	text_escape(ret_mapping->name, sizeof(ret_mapping->name), line + at + skip, len - skip);
	*ret_file = inode != 0;
	return inode || !is_kernels(ret_mapping->name);
}

/* By the thread's own number: those of /proc/PID/task have no such folder. */
static void open_mapped(pid_t thread, struct vmm_mapping *m)
{
	char path[96];

	snprintf(path, sizeof(path), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, thread, m->start, m->end);
	m->file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static void add(struct vmm_text *text, pid_t thread, const char *line)
{
	struct vmm_mapping m;
	bool file;

	if (!vmm_parse_mapping(line, &m, &file))
		return;
	if (!file) {
		text->anonymous++;
		return;
	}
	if (text->n < VMM_MAPPINGS && m.end - m.start <= VMM_BYTES - text->bytes)
		open_mapped(thread, &m);
	if (m.file < 0) {
		text->left_out++;
		return;
	}
	text->bytes += m.end - m.start;
	text->mappings[text->n++] = m;
}

static int open_of(struct vmm_text *text, pid_t pid, pid_t thread, const char *name)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, thread, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		snprintf(text->why, sizeof(text->why), "%s: %s", path, strerror(errno));
	return fd;
}

/* A process that ended meanwhile has no mappings. */
bool vmm_read_maps(struct vmm_text *text, pid_t thread, FILE *maps)
{
	static char line[8192];

	while (fgets(line, sizeof(line), maps))
		add(text, thread, line);
	if (ferror(maps))
		snprintf(text->why, sizeof(text->why), "its mappings cannot be read: %s",
			 strerror(errno));
	else if (!text->n && !text->left_out)
		snprintf(text->why, sizeof(text->why), "it shows no code of any file (has it ended?)");
	return !text->why[0];
}

bool vmm_gather(struct vmm_text *ret_text, pid_t pid)
{
	pid_t thread = proc_living_thread(pid);
	autofile FILE *maps = NULL;
	int fd;

	memset(ret_text, 0, sizeof(*ret_text));
	ret_text->pagemap = ret_text->memory = -1;
	if (thread < 0) {
		snprintf(ret_text->why, sizeof(ret_text->why), "no thread of it runs");
		return false;
	}
	ret_text->pagemap = open_of(ret_text, pid, thread, "pagemap");
	ret_text->memory = open_of(ret_text, pid, thread, "mem");
	fd = open_of(ret_text, pid, thread, "maps");
	maps = fd < 0 ? NULL : fdopen(fd, "r");
	if (!maps || ret_text->pagemap < 0 || ret_text->memory < 0)
		return false;
	ret_text->mappings = calloc(VMM_MAPPINGS, sizeof(*ret_text->mappings));
	if (!ret_text->mappings)
		snprintf(ret_text->why, sizeof(ret_text->why), "no memory for its mappings");
	return ret_text->mappings && vmm_read_maps(ret_text, thread, maps);
}

/* ---- comparing ---- */

/* Behind the end of a file a page is zeros. */
static bool read_file(int fd, uint8_t page[PAGE], uint64_t offset)
{
	size_t done = 0;
	ssize_t n = 1;

	memset(page, 0, PAGE);
	while (done < PAGE && (n = pread(fd, page + done, PAGE - done, offset + done)) > 0)
		done += n;
	return n >= 0;
}

struct look {
	const struct vmm_text *text;
	const struct vmm_mapping *mapping;
	void (*differs)(void *arg, const struct vmm_mapping *mapping, uint64_t offset,
			const uint8_t *expected, const uint8_t *found, size_t n);
	void *arg;
};

/* False: it could not be read. */
static bool compare_page(const struct look *look, uint64_t address)
{
	uint8_t expected[PAGE], found[PAGE];
	uint64_t offset = look->mapping->offset + (address - look->mapping->start);
	size_t first = 0, last = PAGE;

	if (!read_file(look->mapping->file, expected, offset) ||
	    pread(look->text->memory, found, PAGE, address) != PAGE)
		return false;
	if (!memcmp(expected, found, PAGE))
		return true;
	while (expected[first] == found[first])
		first++;
	while (expected[last - 1] == found[last - 1])
		last--;
	look->differs(look->arg, look->mapping, offset + first, expected + first, found + first,
		      last - first);
	return true;
}

static bool is_own(uint64_t entry)
{
	return entry & (PM_PRESENT | PM_SWAPPED) && !(entry & PM_FILE);
}

bool vmm_compare(const struct vmm_text *text, const struct vmm_mapping *mapping,
		 void (*differs)(void *arg, const struct vmm_mapping *mapping, uint64_t offset,
				 const uint8_t *expected, const uint8_t *found, size_t n),
		 void *arg, uint64_t *ret_own)
{
	const struct look look = { text, mapping, differs, arg };
	uint64_t entries[ENTRIES], pages = (mapping->end - mapping->start) / PAGE;
	bool whole = true;

	for (uint64_t page = 0; page < pages; page += ENTRIES) {
		size_t n = MIN(pages - page, ENTRIES);
		uint64_t first = mapping->start / PAGE + page;

		if (pread(text->pagemap, entries, n * 8, first * 8) != (ssize_t)(n * 8))
			return false;
		for (size_t i = 0; i < n; i++) {
			if (!is_own(entries[i]))
				continue;
			++*ret_own;
			whole &= compare_page(&look, (first + i) * PAGE);
		}
	}
	return whole;
}
