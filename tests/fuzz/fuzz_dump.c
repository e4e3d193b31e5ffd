// SPDX-License-Identifier: GPL-2.0-or-later
/* A file that claims to be a dump of a guest, and a page that claims to be VMCOREINFO. */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "introspect/elfdump.h"
#include "introspect/vmcoreinfo.h"

static struct elf_dump elf;

static void sane(const struct elf_dump *d)
{
	must(d->nranges && d->nranges <= KVM_WARDEN_MAX_SLOTS && d->nregs <= DUMP_MAX_VCPUS);
	for (uint32_t i = 0; i < d->nranges; i++) {
		uint64_t end = d->range[i].gpa + d->range[i].size;

		must(d->range[i].size && end > d->range[i].gpa);
		must(i + 1 == d->nranges || end <= d->range[i + 1].gpa);
	}
}

static void as_file(const uint8_t *data, size_t size)
{
	struct guest_memory mem;
	struct dump dump;
	char why[DUMP_WHY_SIZE] = "";
	int fd = memfd_create("dump", MFD_CLOEXEC);
	uint8_t page[FRAME_SIZE];
	int r;

	must(fd >= 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	r = elf_dump_read(fd, size, &elf, why, sizeof(why));
	if (!r)
		sane(&elf);
	else
		must(why[0]);
	r = dump_recognise(fd, &dump, why);
	if (!r)
		r = dump_open(&mem, fd, &dump, dump_hole(0, 0), why);
	if (r) {
		close(fd);
		return;
	}
	for (uint32_t i = 0; i < mem.nranges && i < 16; i++) {
		memory_read(&mem, mem.ranges[i].gpa, page, sizeof(page));
		memory_read(&mem, mem.ranges[i].gpa + mem.ranges[i].size - 1, page, 1);
		must(memory_next(&mem, i, 0) <= mem.ranges[i].size);
	}
	memory_close(&mem);
}

/* The first byte chooses. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char page[FRAME_SIZE] = "";
	struct kvm_warden_regs regs;

	if (!size)
		return 0;
	if (data[0] == 'v') {
		memcpy(page, data + 1, size - 1 < sizeof(page) ? size - 1 : sizeof(page));
		vmcoreinfo_parse(page, &regs);
	} else {
		as_file(data + 1, size - 1);
	}
	return 0;
}
