// SPDX-License-Identifier: GPL-2.0-or-later
#include "introspect/dump.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "introspect/elfdump.h"
#include "lib/util.h"

#define GIB (1ull << 30)
#define MAGIC_SIZE 16

#define AS_ELF "; dump it with virsh dump --memory-only --format elf, or with QMP " \
	       "dump-guest-memory without a format"

/* What is told from RAM by its first bytes, and is not read. */
static const struct other {
	const char *magic;
	size_t size;
	const char *why;
} others[] = {
	{ "KDUMP   ", 8, "a kdump-compressed dump, which is not read" AS_ELF },
	{ "makedumpfile", 12, "a flattened kdump-compressed dump, which is not read" AS_ELF },
	{ "LibvirtQemudSave", 16, "a saved or dumped machine with its devices, not its memory alone"
	  AS_ELF },
	{ "LibvirtQemudPart", 16, "a save of libvirt that was not completed" AS_ELF },
	{ "QEVM", 4, "a migration stream of QEMU, not memory" AS_ELF },
	{ "PAGEDU64", 8, "a Windows crash dump, which is not read" AS_ELF },
	{ "EMiL", 4, "a LiME dump, which is not read; LiME's raw or padded formats are" },
	{ "QFI\xfb", 4, "a disk image (qcow2), not memory" AS_ELF },
	{ "\x1f\x8b", 2, "compressed (gzip): unpack it first" },
	{ "\x28\xb5\x2f\xfd", 4, "compressed (zstd): unpack it first" },
	{ "\xfd" "7zXZ", 6, "compressed (xz): unpack it first" },
	{ "BZh", 3, "compressed (bzip2): unpack it first" },
	{ "\x89LZO", 4, "compressed (lzop): unpack it first" },
};

static int refuse(char *why, int error, const char *text)
{
	snprintf(why, DUMP_WHY_SIZE, "%s", text);
	return error;
}

/* ---- raw RAM ---- */

/* Of QEMU's q35 and pc, Cloud Hypervisor, Firecracker; and of what has no hole. */
static const struct dump_hole holes[] = {
	{ 2 * GIB, 4 * GIB }, { 3 * GIB, 4 * GIB }, { 13 * GIB / 4, 4 * GIB }, { 0, 0 },
};

#define UNDIVIDED (11 * GIB / 4)	/* up to that much RAM nobody makes a hole */

struct dump_hole dump_hole(uint64_t size, uint32_t n)
{
	if (size <= UNDIVIDED || n >= ARRAY_SIZE(holes))
		return (struct dump_hole){ 0, 0 };
	return holes[n];
}

static int open_raw(struct guest_memory *mem, int fd, uint64_t size, struct dump_hole hole)
{
	const uint64_t low = hole.end ? MIN(size, hole.start) : size;
	const struct memory_range ranges[] = { { 0, low }, { hole.end, size - low } };
	const uint64_t offsets[] = { 0, low };

	return memory_open_file(mem, fd, ranges, offsets, size > low ? 2 : 1);
}

/* ---- which it is ---- */

int dump_recognise(int fd, struct dump *ret_dump, char *why)
{
	char magic[MAGIC_SIZE] = "";
	struct stat st;

	if (!fstat(fd, &st) && !S_ISREG(st.st_mode))
		return refuse(why, -EINVAL, "no regular file: give the file of the guest's RAM, or a dump");
	if (pread(fd, magic, sizeof(magic), 0) < 0) {
		int error = errno;

		snprintf(why, DUMP_WHY_SIZE, "cannot be read: %s", strerror(error));
		return -error;
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		if (!memcmp(magic, others[i].magic, others[i].size))
			return refuse(why, -EPROTONOSUPPORT, others[i].why);
	*ret_dump = (struct dump){ .format = "raw", .nholes = 1 };
	if (!memcmp(magic, ELFMAG, SELFMAG))
		ret_dump->format = "elf";
	else if ((uint64_t)st.st_size > UNDIVIDED)
		ret_dump->nholes = ARRAY_SIZE(holes);
	if (st.st_size < (off_t)FRAME_SIZE)
		return refuse(why, -EINVAL, "too small to hold a guest's memory");
	return 0;
}

int dump_open(struct guest_memory *mem, int fd, const struct dump *dump,
	      struct dump_hole hole, char *why)
{
	autofree struct elf_dump *elf = NULL;
	struct stat st;
	int r;

	if (fstat(fd, &st))
		return -errno;
	if (!strcmp(dump->format, "raw"))
		return open_raw(mem, fd, st.st_size, hole);
	elf = calloc(1, sizeof(*elf));
	if (!elf)
		return -ENOMEM;
	r = elf_dump_read(fd, st.st_size, elf, why, DUMP_WHY_SIZE);
	if (!r)
		r = memory_open_file(mem, fd, elf->range, elf->offset, elf->nranges);
	if (!r) {
		r = memory_set_registers(mem, elf->regs, elf->nregs);
		if (r)
			memory_close(mem);
	}
	return r;
}
