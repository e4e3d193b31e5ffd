// SPDX-License-Identifier: GPL-2.0-or-later
#include "integrity/check.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "integrity/report.h"
#include "text/text.h"
#include "lib/util.h"

#define MAX_TEXT (64u << 20)		/* of a list of the kernel's */
#define MAX_KPROBES 65536
#define TRIES 3
#define PAUSE_US 200000			/* between two: a patch takes far less */

/* ---- what the kernel lists ---- */

/* From its beginning, with a NUL behind it. */
static char *read_text(int fd, size_t *ret_size)
{
	size_t room = 1 << 20, size = 0;
	char *text = malloc(room), *more;
	ssize_t n = -1;

	if (lseek(fd, 0, SEEK_SET))
		goto refuse;
	while (text && (n = read(fd, text + size, room - size - 1)) > 0) {
		size += n;
		if (room - size > 1)
			continue;
		more = room < MAX_TEXT ? realloc(text, room * 2) : NULL;
		if (!more)
			goto refuse;
		text = more;
		room *= 2;
	}
	if (!text || n < 0)
		goto refuse;
	text[size] = '\0';
	*ret_size = size;
	return text;
refuse:
	free(text);
	return NULL;
}

/* "ffffffffc0a1b2c0  k  kvm_exit+0x0  [kvm]  [OPTIMIZED]" */
static size_t read_kprobes(int fd, struct kprobe *probes, size_t room)
{
	size_t size, n = 0;
	autofree char *text = fd < 0 ? NULL : read_text(fd, &size);
	char *save = NULL;

	for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line && n < room;
	     line = strtok_r(NULL, "\n", &save)) {
		probes[n].address = strtoull(line, NULL, 16);
		probes[n].optimized = strstr(line, "[OPTIMIZED]");
		if (!strstr(line, "[DISABLED]") && !strstr(line, "[GONE]"))
			n++;
	}
	return n;
}

/*
 * Whoever loads a module chooses its name: of one that is called as the kernel's
 * own trampolines are, nothing tells them apart.  "bpf 16384 0 - Live 0x..."
 */
static bool has_namesake(int fd, char *why, size_t room)
{
	size_t size;
	autofree char *text = read_text(fd, &size);
	char *save = NULL;

	if (!text) {
		snprintf(why, room, "/proc/modules cannot be read");
		return true;
	}
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		line[strcspn(line, " ")] = '\0';
		if (!symbols_is_generated(line))
			continue;
		snprintf(why, room, "the module %.64s is loaded, which is called as the kernel's "
			 "trampolines are: remove it", line);
		return true;
	}
	return false;
}

/*
 * A kernel that boots with one CPU puts a prefix that means nothing in the place of
 * "lock", and "lock" back before a second one is online, whatever goes offline then.
 * "0-3"; "0,2"; "0"
 */
static bool has_one_cpu(int fd)
{
	size_t size;
	autofree char *text = read_text(fd, &size);

	return text && size && !strpbrk(text, "-,");
}

/* ---- a module ---- */

struct look {
	struct text text;
	struct symbols symbols;
	char *names;
	struct kprobe *probes;
	bool whole;
	unsigned sections;
};

static void forget(struct look *look)
{
	symbols_free(&look->symbols);
	free(look->text.sites);
	free(look->names);
	free(look->probes);
	memset(look, 0, sizeof(*look));
}

static bool is_constant(const struct image_section *s)
{
	return s->type == SHT_PROGBITS && s->flags & SHF_ALLOC &&
	       !(s->flags & (SHF_WRITE | SHF_EXECINSTR)) && s->bytes && s->size &&
	       !strncmp(s->name, ".rodata", 7);
}

static bool compare_section(struct look *look, struct kernel *kernel, const struct image_section *s)
{
	autofree uint8_t *live = malloc(s->size + 1);

	if (!s->placed) {
		snprintf(look->text.why, sizeof(look->text.why), "the kernel does not say where %.60s is",
			 s->name);
		return false;
	}
	if (!live || !live_read(&kernel->live, s->address, live, s->size)) {
		snprintf(look->text.why, sizeof(look->text.why), "/proc/kcore does not show %.60s", s->name);
		return false;
	}
	look->sections++;
	return text_compare(&look->text, s, live);
}

static bool prepare(struct look *look, struct kernel *kernel, const struct module *module,
		    struct image *image)
{
	size_t size;

	memset(look, 0, sizeof(*look));
	look->names = read_text(kernel->kallsyms, &size);
	look->probes = calloc(MAX_KPROBES, sizeof(*look->probes));
	look->text.image = image;
	look->text.module = module->name;
	look->text.symbols = &look->symbols;
	look->text.read = live_read;
	look->text.arg = &kernel->live;
	if (!look->names || !look->probes || !symbols_read(&look->symbols, look->names, size)) {
		snprintf(look->text.why, sizeof(look->text.why), "/proc/kallsyms shows no addresses, or "
			 "symbols in no order of the kernel's");
		return false;
	}
	look->text.one_cpu = has_one_cpu(kernel->online);
	look->text.kprobes = look->probes;
	look->text.nkprobes = read_kprobes(kernel->kprobes, look->probes, MAX_KPROBES);
	relocate_place(image, &look->symbols, module->name);
	return sites_find(&look->text);
}

static void look_at(struct look *look, struct kernel *kernel, const struct module *module,
		    struct image *image)
{
	look->whole = prepare(look, kernel, module, image);
	if (!look->whole)
		return;
	for (size_t i = 1; i < image->nsections; i++) {
		const struct image_section *s = &image->sections[i];

		if (image_is_text(s) || is_constant(s))
			look->whole &= compare_section(look, kernel, s);
	}
	if (!look->sections && look->whole) {
		snprintf(look->text.why, sizeof(look->text.why), "its file has no code");
		look->whole = false;
	}
	/* What differs does so nevertheless. */
	if (has_namesake(kernel->modules, look->text.why, sizeof(look->text.why)))
		look->whole = false;
}

/* "kvm_arch_vcpu_ioctl_run+0x1c" */
static void name_place(const struct image *image, const struct difference *d, char *out, size_t size)
{
	const struct image_symbol *best = NULL;

	for (size_t i = 0; i < image->nsymbols; i++) {
		const struct image_symbol *s = &image->symbols[i];

		if (s->section == d->section && s->name[0] && s->type != STT_SECTION &&
		    s->value <= d->offset && (!best || s->value > best->value))
			best = s;
	}
	snprintf(out, size, "%.40s+0x%llx", best ? best->name : "",
		 (unsigned long long)(d->offset - (best ? best->value : 0)));
}

static void tell(struct report *report, const struct look *look)
{
	const struct image *image = look->text.image;
	size_t kept = MIN(look->text.ndifferences, (size_t)TEXT_DIFFERENCES);

	report->done.sections = look->sections;
	report->done.bytes = look->text.bytes;
	report->done.sites = look->text.nsites;
	report->done.patched = look->text.sites_patched;
	report->done.kprobes = look->text.kprobes_met;
	report->done.traced = look->text.traced;
	for (size_t i = 0; i < kept; i++) {
		const struct difference *d = &look->text.differences[i];
		const struct image_section *s = &image->sections[d->section];
		char symbol[64];

		name_place(image, d, symbol, sizeof(symbol));
		report_difference(report, s->name, symbol, d->offset, s->address + d->offset,
				  d->length, d->expected, d->found, d->shown);
	}
	report->done.differences = look->text.ndifferences;
	report_end(report, look->whole ? 0 : INTEGRITY_UNAVAILABLE, look->text.why);
}

/*
 * What is being patched differs for a moment; what differs each time stays so.
 * A try that could not see all takes nothing back.
 */
static void look_again(struct look *look, struct kernel *kernel, struct module *module,
		       struct image *image)
{
	static struct look before;

	for (unsigned i = 0; i < TRIES; i++) {
		before = *look;
		if (i)
			usleep(PAUSE_US);
		look_at(look, kernel, module, image);
		if (!look->whole && look->text.ndifferences < before.text.ndifferences) {
			forget(look);
			*look = before;
		} else {
			forget(&before);
		}
		if (!look->text.ndifferences)
			return;
	}
}

void check_module(struct kernel *kernel, struct module *module)
{
	struct image image;
	struct report report;
	static struct look look;
	uint8_t *bytes;

	report_begin(&report, module->name);
	if (kernel->why) {
		report_end(&report, INTEGRITY_UNAVAILABLE, kernel->why);
		return;
	}
	if (module_open(module, &image, &bytes)) {
		look_again(&look, kernel, module, &image);
		tell(&report, &look);
		forget(&look);
	} else {
		report_end(&report, INTEGRITY_UNAVAILABLE, module->why);
	}
	image_close(&image);
	free(bytes);
}

/* ---- a VMM ---- */

static void on_difference(void *arg, const struct vmm_mapping *m, uint64_t offset,
			  const uint8_t *expected, const uint8_t *found, size_t n)
{
	struct report *report = arg;
	char pages[64];

	if (report->done.differences >= TEXT_DIFFERENCES) {
		report->done.differences++;
		return;
	}
	snprintf(pages, sizeof(pages), "mapped at 0x%llx", (unsigned long long)m->start);
	report_difference(report, m->name, pages, offset, m->start + (offset - m->offset), n,
			  expected, found, MIN(n, (size_t)TEXT_BYTES));
}

void check_vmm(struct vmm_text *text)
{
	struct report report;
	uint64_t own = 0;
	bool whole = true;

	report_begin(&report, "VMM");
	if (!text->mappings) {
		report_end(&report, INTEGRITY_UNAVAILABLE, text->why);
		return;
	}
	for (size_t i = 0; i < text->n; i++) {
		const struct vmm_mapping *m = &text->mappings[i];

		report.done.sections++;
		report.done.bytes += m->end - m->start;
		whole &= vmm_compare(text, m, on_difference, &report, &own);
	}
	report.done.sites = own;
	report.done.anonymous = text->anonymous;
	if (text->why[0])
		report_end(&report, INTEGRITY_UNAVAILABLE, text->why);
	else if (text->left_out)
		report_end(&report, INTEGRITY_UNAVAILABLE, "mapped files that cannot be opened, or too many or too large (64 GiB)");
	else
		report_end(&report, whole ? 0 : INTEGRITY_UNAVAILABLE,
			   whole ? "" : "pages that could not be read");
}
