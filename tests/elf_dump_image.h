/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An ELF core as QEMU writes it: notes of two vCPUs, then pieces of RAM. */
#ifndef TEST_ELF_DUMP_IMAGE_H
#define TEST_ELF_DUMP_IMAGE_H

#include <elf.h>
#include <stdint.h>
#include <string.h>

#define DUMP_PIECE 8192u
#define DUMP_LOADS 3u
#define DUMP_CPU_SIZE 440u
#define DUMP_NOTES (2 * (sizeof(Elf64_Nhdr) + 8 + DUMP_CPU_SIZE))
#define DUMP_HEAD (sizeof(Elf64_Ehdr) + (DUMP_LOADS + 1) * sizeof(Elf64_Phdr))
#define DUMP_SIZE (DUMP_HEAD + DUMP_NOTES + 2 * DUMP_PIECE)

static inline void dump_put64(uint8_t *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline uint8_t *dump_note(uint8_t *p, uint64_t cr3)
{
	const Elf64_Nhdr h = { .n_namesz = 5, .n_descsz = DUMP_CPU_SIZE };
	const uint32_t head[2] = { 1, DUMP_CPU_SIZE };

	memcpy(p, &h, sizeof(h));
	memcpy(p + sizeof(h), "QEMU\0\0\0", 8);
	p += sizeof(h) + 8;
	memcpy(p, head, sizeof(head));
	dump_put64(p + 384, 0xfffffe0000000000ull);	/* IDT */
	dump_put64(p + 392, 0x80050033);		/* CR0 */
	dump_put64(p + 392 + 24, cr3);
	dump_put64(p + 392 + 32, 0x750ef0);		/* CR4 */
	return p + DUMP_CPU_SIZE;
}

/*
 * 8 KiB from 0 on and 8 KiB from 4 GiB on; the third segment repeats half of the
 * second, as paging=true does.
 */
static inline void dump_image(uint8_t image[DUMP_SIZE])
{
	const uint64_t data = DUMP_HEAD + DUMP_NOTES;
	const Elf64_Ehdr e = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_CORE, .e_machine = EM_X86_64, .e_version = EV_CURRENT,
		.e_phoff = sizeof(e), .e_ehsize = sizeof(e), .e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = DUMP_LOADS + 1,
	};
	const Elf64_Phdr p[DUMP_LOADS + 1] = {
		{ .p_type = PT_NOTE, .p_offset = DUMP_HEAD, .p_filesz = DUMP_NOTES },
		{ .p_type = PT_LOAD, .p_offset = data + DUMP_PIECE, .p_paddr = 4ull << 30,
		  .p_filesz = DUMP_PIECE, .p_memsz = DUMP_PIECE },
		{ .p_type = PT_LOAD, .p_offset = data, .p_filesz = DUMP_PIECE, .p_memsz = DUMP_PIECE },
		{ .p_type = PT_LOAD, .p_offset = data + DUMP_PIECE + 4096, .p_paddr = (4ull << 30) + 4096,
		  .p_vaddr = 0xffff888000000000ull, .p_filesz = 4096, .p_memsz = 4096 },
	};

	memset(image, 0, DUMP_SIZE);
	memcpy(image, &e, sizeof(e));
	memcpy(image + sizeof(e), p, sizeof(p));
	dump_note(dump_note(image + DUMP_HEAD, 0x1062000), 0x2000);
	memset(image + data, 0xaa, DUMP_PIECE);
	memset(image + data + DUMP_PIECE, 0xbb, DUMP_PIECE);
}

#endif
