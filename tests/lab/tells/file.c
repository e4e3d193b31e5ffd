// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * file RAM MONITOR LOOKS: a guest's kernel is held to its package's file (TELLS_KERNEL)
 * LOOKS / 5 times, as if each time were the first.  It is clean while it runs and
 * patches itself; what was changed before the first look is found; a file of the same
 * release and another build is no measure, and is told.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"
#include "introspect/bzimage.h"
#include "introspect/kernelfiles.h"
#include "text/unpack.h"

#define HELD_TRIES 20

static struct testee t;
static struct kernel_files files;

struct told {
	unsigned n, right;
	const char *name, *part;	/* of the sign that is expected, of its detail */
	struct m_checked m;
};

static int on_sign(void *ctx, const struct m_sign *m)
{
	struct told *s = ctx;

	printf("# %s: %s: %s\n", m->name, m->subject, m->detail);
	s->n++;
	s->right += s->name && !strcmp(m->name, s->name) && strstr(m->detail, s->part);
	return 0;
}

static void check(struct told *s)
{
	struct check_sink sink = { on_sign, s };

	check_kernel(&t.in, &sink, &s->m);
}

/* As if the daemon had just come. */
static void forget(void)
{
	kernel_seen_free(t.in.kernel_seen);
	t.in.kernel_seen = NULL;
}

static void use(const char *path)
{
	if (!path || kernel_files_open(&files, path))
		errx(1, "%s: no kernel's file", path ? path : "TELLS_KERNEL");
	t.in.kernel_files = &files;
	forget();
}

static uint8_t *read_all(const char *path, size_t *ret_size)
{
	uint8_t *bytes = malloc(64 << 20);
	FILE *f = fopen(path, "r");

	if (!f || !bytes)
		err(1, "%s", path);
	*ret_size = fread(bytes, 1, 64 << 20, f);
	fclose(f);
	return bytes;
}

/* The same bzImage with its payload unpacked, and one bit of its BUILD-ID another. */
static void make_other_build(const char *path, const char *other)
{
	size_t size, offset, length, unpacked, n;
	uint8_t *bytes = read_all(path, &size), *elf, *at;
	const char *why = "no bzImage";
	const uint8_t *id;
	struct vmlinux *v;
	char problem[VMLINUX_WHY];
	FILE *f = fopen(other, "w");

	elf = bzimage_payload(bytes, size, &offset, &length) ?
		unpack(bytes + offset, length, 256 << 20, &unpacked, &why) : NULL;
	v = kernel_file_parse(bytes, size, problem);
	if (!elf || !v || !f)
		errx(1, "%s: %s", path, elf ? problem : why);
	n = vmlinux_build_id(v, &id);
	for (size_t from = 0; (at = memmem(elf + from, unpacked - from, id, n)); from = at - elf + 1)
		*at ^= 1;
	memcpy(bytes + 0x24c, &(uint32_t){ unpacked }, 4);
	if (fwrite(bytes, 1, offset, f) != offset || fwrite(elf, 1, unpacked, f) != unpacked || fclose(f))
		err(1, "%s", other);
	vmlinux_free(v);
	free(elf);
	free(bytes);
}

/* Busy guests are in the middle of patching at every look now and then, for a while. */
static bool is_clean(const struct told *s)
{
	return !s->n && (s->m.status == CHECK_CLEAN || strstr(s->m.why, "being patched"));
}

static void stays_clean(unsigned looks)
{
	unsigned clean = 0, held = 0, n = 0;
	uint64_t us = 0;
	struct told s;

	for (; n < looks; n++) {
		s = (struct told){ 0 };
		forget();
		check(&s);
		clean += is_clean(&s);
		held += strstr(s.m.counts, "held to") && !strstr(s.m.counts, "not held");
		us += s.m.elapsed_us;
		if (s.m.status != CHECK_CLEAN)
			printf("# %s: %s\n", check_status_name(s.m.status), s.m.why);
	}
	printf("# %s; %llu ms a first check\n", s.m.counts, (unsigned long long)us / 1000 / (n ? n : 1));
	ok(clean == looks && held == looks, "%u of %u first sights are clean, %u held to the file", clean,
	   looks, held);
}

static void changed(enum kernel_symbol symbol, uint64_t offset, const char *name, const char *what)
{
	uint64_t va = t.in.kernel.symbol[symbol].address + offset;
	struct told s = { .name = name, .part = "package's file" };

	testee_stop(&t);
	testee_write(&t, va, testee_read(&t, va) ^ 0x10);
	forget();
	check(&s);
	ok(s.right == 1 && s.n == 1 && s.m.status == CHECK_DIFFERS, "one byte of %s, changed before the first"
	   " look, is found", what);
	s.n = s.right = 0;
	check(&s);
	ok(s.right == 1 && s.n == 1 && s.m.status == CHECK_DIFFERS, "and is told again");
	testee_restore(&t);
	testee_run(&t);
}

/* Lines that were being patched are held to the file by a later check: none is left here. */
static bool is_held_whole(void)
{
	struct told s = { 0 };

	for (int i = 0; i < HELD_TRIES && s.m.status != CHECK_CLEAN; i++) {
		s = (struct told){ 0 };
		forget();
		check(&s);
	}
	return s.m.status == CHECK_CLEAN;
}

/* Held once, first sight's hash tells what changes. */
static void changed_later(void)
{
	uint64_t va = t.in.kernel.symbol[SYM_X64_SYS_CALL].address + 32;
	struct told s;

	if (!t.in.kernel.symbol[SYM_X64_SYS_CALL].address)
		va = t.in.kernel.symbol[SYM_ENTRY_SYSCALL].address + 32;
	ok(is_held_whole(), "a look held all of the kernel to the file");
	testee_stop(&t);
	testee_write(&t, va, testee_read(&t, va) ^ 0x10);
	s = (struct told){ .name = "Kernel.Text", .part = "first sight" };
	check(&s);
	ok(s.right == 1 && s.n == 1, "what is changed later is found by first sight's hash");
	testee_restore(&t);
	testee_run(&t);
}

static void is_not_held(const char *why)
{
	struct told s = { 0 };

	check(&s);
	printf("# %s\n# %s\n", s.m.counts, s.m.why);
	ok(!s.n && s.m.status == CHECK_INCOMPLETE && strstr(s.m.why, why), "a file of another build: %s", why);
}

int main(int argc, char **argv)
{
	const char *kernel = getenv("TELLS_KERNEL");
	char other[4096];

	if (argc != 4)
		return 2;
	testee_open(&t, argv[1], argv[2]);
	printf("# %s\n", t.in.state.release);
	use(kernel);
	stays_clean(atoi(argv[3]) / 5);
	changed(SYM_ENTRY_SYSCALL, 0, "Kernel.Text", "code");
	changed(SYM_SYS_CALL_TABLE, 8 * 400, "Kernel.Rodata", "read-only data");
	changed_later();
	snprintf(other, sizeof(other), "%s.other", argv[1]);
	make_other_build(kernel, other);
	use(other);
	is_not_held("has its BUILD-ID");
	remove(other);
	return ok_done();
}
