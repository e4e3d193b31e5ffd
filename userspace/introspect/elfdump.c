// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * QEMU writes a PT_LOAD for each block of RAM, with its physical address; with
 * paging=true one for each stretch of virtual addresses as well, in which the
 * same bytes of the file may come again and again.  Its own notes hold what
 * the kernel's NT_PRSTATUS lacks: the control registers.
 */
#include "introspect/elfdump.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "introspect/notes.h"
#include "lib/util.h"

#define MAX_HEADERS 65536u
#define MAX_NOTES (4u << 20)		/* bytes of notes looked at: 1 KiB a vCPU */
#define MAX_ADDRESS (1ull << 52)
#define EFER_LME_LMA (1ull << 8 | 1ull << 10)
#define CR0_PG (1ull << 31)
#define CR4_PAE (1ull << 5)

/* Of QEMU's note: struct QEMUCPUState, version 1. */
#define CPU_NAME "QEMU"
#define CPU_VERSION 1u
#define CPU_IDT_BASE 384u		/* 10 segments of 24 bytes from 152 on; its base at 16 */
#define CPU_CR 392u			/* CR0 to CR4 */
#define CPU_SIZE 432u

struct reader {
	int fd;
	uint64_t size;
	struct elf_dump *d;
	char *why;
	size_t why_size;
};

static int refuse(const struct reader *r, const char *text)
{
	snprintf(r->why, r->why_size, "%s", text);
	return -EPROTO;
}

static int read_exactly(const struct reader *r, uint64_t at, void *buf, size_t len)
{
	size_t done = 0;

	if (at > r->size || r->size - at < len)
		return refuse(r, "the ELF dump is cut short: was it written to its end?");
	while (done < len) {
		ssize_t n = pread(r->fd, (uint8_t *)buf + done, len - done, at + done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			snprintf(r->why, r->why_size, "the ELF dump cannot be read: %s",
				 n ? strerror(errno) : "it became shorter");
			return n ? -errno : -EPROTO;
		}
		done += n;
	}
	return 0;
}

/* ---- headers ---- */

static int check_header(const struct reader *r, const Elf64_Ehdr *e)
{
	if (e->e_ident[EI_DATA] != ELFDATA2LSB ||
	    (e->e_machine != EM_X86_64 && e->e_machine != EM_386))
		return refuse(r, "an ELF file for another machine than x86: not a guest of this kind");
	if (e->e_ident[EI_CLASS] != ELFCLASS64 || e->e_machine != EM_X86_64)
		return refuse(r, "a dump of a guest that was not in 64-bit mode: no 64-bit Linux ran");
	if (e->e_type != ET_CORE)
		return refuse(r, "an ELF program or object, not a dump of a guest");
	if (e->e_phentsize != sizeof(Elf64_Phdr))
		return refuse(r, "an ELF dump whose program headers have an unknown size");
	return 0;
}

/* More than fit into 16 bits are counted in the first section header. */
static int count_headers(const struct reader *r, const Elf64_Ehdr *e, uint32_t *ret_n)
{
	Elf64_Shdr section;
	int error;

	*ret_n = e->e_phnum;
	if (e->e_phnum != PN_XNUM)
		return 0;
	error = read_exactly(r, e->e_shoff, &section, sizeof(section));
	*ret_n = section.sh_info;
	return error;
}

/* ---- memory ---- */

static int by_gpa(const void *a, const void *b)
{
	const Elf64_Phdr *x = a, *y = b;

	if (x->p_paddr != y->p_paddr)
		return x->p_paddr < y->p_paddr ? -1 : 1;
	return x->p_filesz < y->p_filesz ? 1 : x->p_filesz > y->p_filesz ? -1 : 0;
}

/* p_paddr as they come in order: what touches or repeats is one range. */
static int add_range(const struct reader *r, const Elf64_Phdr *p)
{
	struct elf_dump *d = r->d;
	struct memory_range *last = d->nranges ? &d->range[d->nranges - 1] : NULL;
	bool same = last && p->p_paddr - last->gpa == p->p_offset - d->offset[d->nranges - 1];
	uint64_t end = p->p_paddr + p->p_filesz;

	if (last && p->p_paddr < last->gpa + last->size && !same)
		return refuse(r, "an ELF core whose segments contradict each other: not a dump of a "
			      "guest's memory (a core of its VMM's process?)");
	if (same && p->p_paddr <= last->gpa + last->size) {
		last->size = MAX(last->size, end - last->gpa);
		return 0;
	}
	if (d->nranges == KVM_WARDEN_MAX_SLOTS)
		return refuse(r, "an ELF dump in more pieces than any guest's memory; dump it again "
			      "without paging");
	d->offset[d->nranges] = p->p_offset;
	d->range[d->nranges++] = (struct memory_range){ p->p_paddr, p->p_filesz };
	return 0;
}

/* A segment cut short by the file's end keeps what is there. */
static bool usable(const struct reader *r, Elf64_Phdr *p)
{
	if (p->p_type != PT_LOAD || !p->p_filesz || p->p_offset >= r->size ||
	    p->p_paddr >= MAX_ADDRESS || p->p_filesz > MAX_ADDRESS - p->p_paddr)
		return false;
	p->p_filesz = MIN(p->p_filesz, r->size - p->p_offset);
	return true;
}

static int take_memory(const struct reader *r, Elf64_Phdr *p, uint32_t n)
{
	uint32_t loads = 0;
	int error = 0;

	for (uint32_t i = 0; i < n; i++)
		if (usable(r, &p[i]))
			p[loads++] = p[i];
	qsort(p, loads, sizeof(*p), by_gpa);
	for (uint32_t i = 0; i < loads && !error; i++)
		error = add_range(r, &p[i]);
	if (!error && !r->d->nranges)
		error = refuse(r, "an ELF dump that holds no memory");
	return error;
}

/* ---- notes ---- */

static uint64_t u64_at(const uint8_t *p, size_t at)
{
	uint64_t v;

	memcpy(&v, p + at, sizeof(v));
	return v;
}

/* EFER is not in it; a 64-bit dump is of a machine in long mode. */
static void take_cpu(struct elf_dump *d, const uint8_t *p, size_t len)
{
	struct kvm_warden_regs regs = { .vcpu = d->nregs };
	uint32_t version;

	if (len < CPU_SIZE || d->nregs == DUMP_MAX_VCPUS)
		return;
	memcpy(&version, p, sizeof(version));
	if (version != CPU_VERSION)
		return;
	regs.idtr = u64_at(p, CPU_IDT_BASE);
	regs.cr0 = u64_at(p, CPU_CR);
	regs.cr3 = u64_at(p, CPU_CR + 24);
	regs.cr4 = u64_at(p, CPU_CR + 32);
	if ((regs.cr0 & CR0_PG) && (regs.cr4 & CR4_PAE))
		regs.efer = EFER_LME_LMA;
	d->regs[d->nregs++] = regs;
}

static bool take_note(void *ctx, const Elf64_Nhdr *h, const uint8_t *name, const uint8_t *desc)
{
	if (h->n_namesz == sizeof(CPU_NAME) && !memcmp(name, CPU_NAME, sizeof(CPU_NAME)))
		take_cpu(ctx, desc, h->n_descsz);
	return false;
}

/* The first segment of notes: QEMU writes one. */
static int read_notes(const struct reader *r, const Elf64_Phdr *p, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		size_t len = MIN(p[i].p_filesz, (uint64_t)MAX_NOTES);
		autofree uint8_t *notes = NULL;

		if (p[i].p_type != PT_NOTE || !len)
			continue;
		notes = malloc(len);
		if (!notes)
			return -ENOMEM;
		if (read_exactly(r, p[i].p_offset, notes, len))
			return -EPROTO;
		notes_walk(notes, len, take_note, r->d);
		return 0;
	}
	return 0;
}

int elf_dump_read(int fd, uint64_t size, struct elf_dump *ret_dump, char *why, size_t why_size)
{
	const struct reader r = { fd, size, ret_dump, why, why_size };
	autofree Elf64_Phdr *headers = NULL;
	Elf64_Ehdr e;
	uint32_t n = 0;
	int error = read_exactly(&r, 0, &e, sizeof(e));

	ret_dump->nranges = ret_dump->nregs = 0;
	if (!error)
		error = check_header(&r, &e);
	if (!error)
		error = count_headers(&r, &e, &n);
	if (!error && (!n || n > MAX_HEADERS))
		error = refuse(&r, "an ELF dump with no program headers, or with more than 65536");
	if (error)
		return error;
	headers = calloc(n, sizeof(*headers));
	if (!headers)
		return -ENOMEM;
	error = read_exactly(&r, e.e_phoff, headers, n * sizeof(*headers));
	if (!error)
		error = read_notes(&r, headers, n);
	return error ? error : take_memory(&r, headers, n);
}
