// SPDX-License-Identifier: GPL-2.0-or-later
/* Files of a guest's memory: ELF dumps, raw RAM, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../elf_dump_image.h"
#include "introspect/dump.h"
#include "introspect/vmcoreinfo.h"

#define GIB (1ull << 30)

static uint8_t image[DUMP_SIZE];
static struct guest_memory mem;
static struct dump dump;
static char why[DUMP_WHY_SIZE];

static int file_of(const void *bytes, size_t len, off_t size)
{
	int fd = memfd_create("dump", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(pwrite(fd, bytes, len, 0), (ssize_t)len);
	return fd;
}

/* The result of reading the image; on success mem is open. */
static int open_image(void)
{
	int fd = file_of(image, sizeof(image), sizeof(image));
	int r;

	why[0] = '\0';
	r = dump_recognise(fd, &dump, why);
	if (!r)
		r = dump_open(&mem, fd, &dump, (struct dump_hole){ 0, 0 }, why);
	if (r)
		close(fd);
	return r;
}

static void refused(const char *part)
{
	assert_true(open_image() < 0);
	if (!strstr(why, part))
		fail_msg("\"%s\" does not say \"%s\"", why, part);
	dump_image(image);
}

static int setup(void **state)
{
	dump_image(image);
	return 0;
}

static Elf64_Ehdr *header(void)
{
	return (Elf64_Ehdr *)image;
}

static Elf64_Phdr *program(unsigned i)
{
	return (Elf64_Phdr *)(image + sizeof(Elf64_Ehdr)) + i;
}

static void test_elf(void **state)
{
	struct kvm_warden_regs regs;
	uint8_t b[2];

	assert_int_equal(open_image(), 0);
	assert_string_equal(dump.format, "elf");
	assert_int_equal(mem.nranges, 2);
	assert_int_equal(memory_end(&mem), 4 * GIB + DUMP_PIECE);
	assert_int_equal(memory_read(&mem, DUMP_PIECE - 1, b, 1), 0);
	assert_int_equal(b[0], 0xaa);
	assert_int_equal(memory_read(&mem, DUMP_PIECE - 1, b, 2), -ENXIO);
	assert_int_equal(memory_read(&mem, 4 * GIB + DUMP_PIECE - 1, b, 1), 0);
	assert_int_equal(b[0], 0xbb);
	assert_int_equal(memory_registers(&mem, 0, &regs), 0);
	assert_int_equal(regs.cr3, 0x1062000);
	assert_int_equal(regs.cr4, 0x750ef0);
	assert_int_equal(regs.idtr, 0xfffffe0000000000ull);
	assert_int_equal(regs.efer, 1ull << 8 | 1ull << 10);
	assert_int_equal(memory_registers(&mem, 1, &regs), 0);
	assert_int_equal(regs.cr3, 0x2000);
	assert_int_equal(memory_registers(&mem, 2, &regs), -ENXIO);
	memory_close(&mem);
}

/* More segments than 16 bits count: their number is in the first section header. */
static void test_many_headers(void **state)
{
	Elf64_Shdr s = { .sh_info = DUMP_LOADS + 1 };
	uint64_t at = DUMP_SIZE - sizeof(s);

	memcpy(image + at, &s, sizeof(s));
	header()->e_phnum = PN_XNUM;
	header()->e_shoff = at;
	assert_int_equal(open_image(), 0);
	assert_int_equal(mem.nranges, 2);
	memory_close(&mem);
	s.sh_info = UINT32_MAX;
	memcpy(image + at, &s, sizeof(s));
	header()->e_phnum = PN_XNUM;
	header()->e_shoff = at;
	refused("more than 65536");
}

static void test_elf_refused(void **state)
{
	header()->e_machine = EM_AARCH64;
	refused("another machine");
	header()->e_machine = EM_386;
	refused("64-bit mode");
	header()->e_type = ET_EXEC;
	refused("not a dump");
	header()->e_phentsize = 8;
	refused("unknown size");
	header()->e_phnum = 0;
	refused("no program headers");
	header()->e_phoff = UINT64_MAX - 8;
	refused("cut short");
	/* A core of the VMM's process: all its segments at physical address 0. */
	program(1)->p_paddr = 0;
	refused("contradict");
	for (unsigned i = 1; i <= DUMP_LOADS; i++)
		program(i)->p_type = PT_NULL;
	refused("no memory");
	program(0)->p_offset = DUMP_SIZE;
	refused("cut short");
}

/* What a file that ends early still has is read. */
static void test_segment_behind_the_end(void **state)
{
	uint8_t b;

	program(1)->p_filesz = 64 * GIB;
	program(3)->p_type = PT_NULL;
	assert_int_equal(open_image(), 0);
	assert_int_equal(memory_end(&mem), 4 * GIB + DUMP_PIECE);
	assert_int_equal(memory_read(&mem, 4 * GIB + DUMP_PIECE, &b, 1), -ENXIO);
	memory_close(&mem);
}

static void test_hostile_notes(void **state)
{
	Elf64_Nhdr *h = (Elf64_Nhdr *)(image + DUMP_HEAD);
	struct kvm_warden_regs regs;

	h->n_descsz = UINT32_MAX;
	assert_int_equal(open_image(), 0);
	assert_int_equal(memory_registers(&mem, 0, &regs), -ENXIO);
	memory_close(&mem);
	h->n_descsz = 8;
	h->n_namesz = UINT32_MAX - 2;
	assert_int_equal(open_image(), 0);
	assert_int_equal(memory_registers(&mem, 0, &regs), -ENXIO);
	memory_close(&mem);
}

static void test_others_by_name(void **state)
{
	static const struct { const char *magic, *part; } others[] = {
		{ "KDUMP   ", "kdump-compressed" }, { "makedumpfile", "kdump-compressed" },
		{ "LibvirtQemudSave", "--memory-only" }, { "QEVM", "migration stream" },
		{ "\x1f\x8b", "unpack" }, { "QFI\xfb", "disk image" }, { "EMiL", "LiME" },
	};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		memcpy(image, others[i].magic, strlen(others[i].magic));
		refused(others[i].part);
	}
}

static void test_no_file(void **state)
{
	int ends[2], fd = file_of("x", 1, 1);

	assert_int_equal(pipe(ends), 0);
	assert_true(dump_recognise(ends[0], &dump, why) < 0);
	assert_int_equal(dump_recognise(fd, &dump, why), -EINVAL);
	assert_non_null(strstr(why, "too small"));
	close(fd);
	close(ends[0]);
	close(ends[1]);
}

static void test_raw_and_its_holes(void **state)
{
	int fd = file_of("\x53\xff", 2, 3 * GIB);
	uint8_t b;

	assert_int_equal(dump_recognise(fd, &dump, why), 0);
	assert_string_equal(dump.format, "raw");
	assert_int_equal(dump.nholes, 4);
	assert_int_equal(pwrite(fd, "\x77", 1, 2 * GIB), 1);
	assert_int_equal(dump_open(&mem, fd, &dump, dump_hole(3 * GIB, 0), why), 0);
	assert_int_equal(memory_read(&mem, 4 * GIB, &b, 1), 0);
	assert_int_equal(b, 0x77);
	assert_int_equal(memory_read(&mem, 2 * GIB, &b, 1), -ENXIO);
	assert_int_equal(memory_end(&mem), 5 * GIB);
	memory_close(&mem);
	assert_int_equal(dump_hole(2 * GIB, 0).end, 0);
}

/* ---- the window ---- */

/* The file's owner cuts it under a reader's eyes: an error, no death. */
static void test_truncated_while_read(void **state)
{
	const struct memory_range range = { 0, 64 * FRAME_SIZE };
	const uint64_t offset = 0;
	int fd = file_of("\x11", 1, 64 * FRAME_SIZE);
	const uint8_t *at;
	uint8_t b = 9;

	assert_int_equal(memory_open_file(&mem, fd, &range, &offset, 1), 0);
	at = memory_at(&mem, 0, FRAME_SIZE);
	assert_non_null(at);
	assert_int_equal(at[0], 0x11);
	assert_true(memory_holds(&mem, 0));
	assert_int_equal(ftruncate(fd, FRAME_SIZE), 0);
	assert_int_equal(memory_read(&mem, 8 * FRAME_SIZE, &b, 1), -ENODATA);
	assert_false(memory_holds(&mem, 0));
	assert_null(memory_at(&mem, 0, 1));
	assert_int_equal(at[0], 0);		/* zeros in its place, and still no death */
	assert_int_equal(memory_read(&mem, 0, &b, 1), 0);
	assert_int_equal(b, 0x11);		/* read in the other way */
	memory_close(&mem);
}

/* ---- VMCOREINFO ---- */

static const char text[] = "OSRELEASE=6.1.0-56-amd64\nBUILD-ID=aa\nPAGESIZE=4096\n"
	"SYMBOL(init_uts_ns)=ffffffff86a1a9c0\nSYMBOL(swapper_pg_dir)=ffffffff86a10000\n"
	"NUMBER(phys_base)=-4194304\nNUMBER(pgtable_l5_enabled)=1\n";

static void test_vmcoreinfo(void **state)
{
	static uint8_t ram[16 * FRAME_SIZE];
	const struct memory_range range = { 0, sizeof(ram) };
	struct kvm_warden_regs regs[VMCOREINFO_MAX];
	const uint64_t offset = 0;

	memcpy(ram + 5 * FRAME_SIZE, text, sizeof(text));
	memcpy(ram + 7 * FRAME_SIZE, text, sizeof(text));	/* the same once more */
	memcpy(ram + 9 * FRAME_SIZE, text, 60);			/* half of it */
	assert_int_equal(memory_open_file(&mem, file_of(ram, sizeof(ram), sizeof(ram)), &range, &offset, 1), 0);
	assert_int_equal(vmcoreinfo_scan(&mem, regs), 1);
	assert_int_equal(regs[0].cr3, 0x6a10000 - 4194304);
	assert_true(regs[0].cr4 & 1ull << 12);
	memory_close(&mem);
}

#define T(f) cmocka_unit_test_setup(f, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_elf), T(test_many_headers), T(test_elf_refused), T(test_segment_behind_the_end),
		T(test_hostile_notes), T(test_others_by_name), T(test_no_file),
		T(test_raw_and_its_holes), T(test_truncated_while_read), T(test_vmcoreinfo),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
