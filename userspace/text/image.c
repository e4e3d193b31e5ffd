// SPDX-License-Identifier: GPL-2.0-or-later
#include "text/image.h"

#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "text/search.h"

/* ---- sections ---- */

static bool read_section(struct image *image, size_t i, size_t names, GElf_Shdr *ret_header)
{
	struct image_section *s = &image->sections[i];
	Elf_Scn *scn = elf_getscn(image->elf, i);
	Elf_Data *data;

	if (!scn || !gelf_getshdr(scn, ret_header))
		return false;
	s->name = elf_strptr(image->elf, names, ret_header->sh_name);
	if (!s->name)
		return false;
	s->type = ret_header->sh_type;
	s->flags = ret_header->sh_flags;
	s->size = ret_header->sh_size;
	s->placed = image->linked && s->flags & SHF_ALLOC;
	s->address = s->placed ? ret_header->sh_addr : 0;
	if (s->type == SHT_NULL || s->type == SHT_NOBITS)
		return true;
	if (s->size > IMAGE_MAX_BYTES)
		return false;
	data = elf_rawdata(scn, NULL);
	if (!data || data->d_size != s->size || (s->size && !data->d_buf))
		return false;
	s->bytes = data->d_buf;
	return true;
}

/* ---- symbols ---- */

static bool read_symbols(struct image *image, const struct image_section *table, size_t names)
{
	size_t n = table->size / sizeof(Elf64_Sym);

	if (image->symbols || n > IMAGE_MAX_SYMBOLS)
		return false;
	image->symbols = calloc(n + 1, sizeof(*image->symbols));
	if (!image->symbols)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct image_symbol *symbol = &image->symbols[i];
		Elf64_Sym raw;

		memcpy(&raw, table->bytes + i * sizeof(raw), sizeof(raw));
		symbol->name = elf_strptr(image->elf, names, raw.st_name);
		if (!symbol->name || (raw.st_shndx >= image->nsections && raw.st_shndx < SHN_LORESERVE))
			return false;
		symbol->value = raw.st_value;
		symbol->size = raw.st_size;
		symbol->section = raw.st_shndx;
		symbol->type = ELF64_ST_TYPE(raw.st_info);
		symbol->weak = ELF64_ST_BIND(raw.st_info) == STB_WEAK;
	}
	image->nsymbols = n;
	return true;
}

/* ---- relocations ---- */

static int by_offset(const void *a, const void *b)
{
	const struct image_reloc *x = a, *y = b;

	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool read_relocs(struct image *image, const struct image_section *table, size_t of,
			size_t *total)
{
	struct image_section *target;
	size_t n = table->size / sizeof(Elf64_Rela);

	if (!of || of >= image->nsections || *total + n > IMAGE_MAX_RELOCS)
		return false;
	*total += n;
	target = &image->sections[of];
	if (target->relocs)
		return false;
	target->relocs = calloc(n + 1, sizeof(*target->relocs));
	if (!target->relocs)
		return false;
	for (size_t i = 0; i < n; i++) {
		Elf64_Rela raw;

		memcpy(&raw, table->bytes + i * sizeof(raw), sizeof(raw));
		target->relocs[i] = (struct image_reloc){
			.offset = raw.r_offset, .addend = raw.r_addend,
			.symbol = ELF64_R_SYM(raw.r_info), .type = ELF64_R_TYPE(raw.r_info),
		};
		if (target->relocs[i].symbol >= image->nsymbols)
			return false;
	}
	target->nrelocs = n;
	qsort(target->relocs, n, sizeof(*target->relocs), by_offset);
	return true;
}

static void read_build_id(struct image *image, const struct image_section *note)
{
	Elf64_Nhdr header;

	if (note->size < sizeof(header) + 4)
		return;
	memcpy(&header, note->bytes, sizeof(header));
	if (header.n_namesz != 4 || header.n_type != NT_GNU_BUILD_ID ||
	    header.n_descsz > BUILD_ID_MAX || note->size < sizeof(header) + 4 + header.n_descsz)
		return;
	memcpy(image->build_id, note->bytes + sizeof(header) + 4, header.n_descsz);
	image->build_id_len = header.n_descsz;
}

/* ---- all ---- */

static const char *read_tables(struct image *image, GElf_Shdr *headers)
{
	size_t total = 0;

	for (size_t i = 1; i < image->nsections; i++)
		if (headers[i].sh_type == SHT_SYMTAB &&
		    !read_symbols(image, &image->sections[i], headers[i].sh_link))
			return "its symbols are malformed";
	for (size_t i = 1; i < image->nsections; i++)
		if (headers[i].sh_type == SHT_RELA &&
		    !read_relocs(image, &image->sections[i], headers[i].sh_info, &total))
			return "its relocations are malformed";
	for (size_t i = 1; i < image->nsections; i++)
		if (headers[i].sh_type == SHT_NOTE &&
		    !strcmp(image->sections[i].name, ".note.gnu.build-id"))
			read_build_id(image, &image->sections[i]);
	return NULL;
}

static const char *read_all(struct image *image)
{
	GElf_Shdr *headers;
	GElf_Ehdr header;
	const char *why = NULL;
	size_t names;

	if (elf_kind(image->elf) != ELF_K_ELF || !gelf_getehdr(image->elf, &header))
		return "it is no ELF file";
	if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    header.e_machine != EM_X86_64 || header.e_type != (image->linked ? ET_EXEC : ET_REL))
		return image->linked ? "it is no kernel for x86_64" : "it is no module for x86_64";
	if (elf_getshdrnum(image->elf, &image->nsections) ||
	    image->nsections > (image->linked ? IMAGE_MAX_LINKED_SECTIONS : IMAGE_MAX_SECTIONS) || elf_getshdrstrndx(image->elf, &names))
		return "its section table is malformed";
	image->sections = calloc(image->nsections + 1, sizeof(*image->sections));
	headers = calloc(image->nsections + 1, sizeof(*headers));
	if (!image->sections || !headers)
		why = "out of memory";
	for (size_t i = 1; !why && i < image->nsections; i++)
		if (!read_section(image, i, names, &headers[i]))
			why = "a section is malformed";
	if (!why && !image->linked)
		why = read_tables(image, headers);
	free(headers);
	return why;
}

static bool open_as(struct image *ret_image, bool linked, uint8_t *bytes, size_t size)
{
	const size_t most = linked ? IMAGE_MAX_LINKED : IMAGE_MAX_BYTES;

	memset(ret_image, 0, sizeof(*ret_image));
	ret_image->linked = linked;
	elf_version(EV_CURRENT);
	ret_image->elf = size && size <= most ? elf_memory((char *)bytes, size) : NULL;
	ret_image->why = ret_image->elf ? read_all(ret_image) : "it is no ELF file";
	return !ret_image->why;
}

bool image_open(struct image *ret_image, uint8_t *bytes, size_t size)
{
	return open_as(ret_image, false, bytes, size);
}

bool image_open_linked(struct image *ret_image, uint8_t *bytes, size_t size)
{
	return open_as(ret_image, true, bytes, size);
}

void image_close(struct image *image)
{
	for (size_t i = 0; image->sections && i < image->nsections; i++)
		free(image->sections[i].relocs);
	free(image->sections);
	free(image->symbols);
	if (image->elf)
		elf_end(image->elf);
	memset(image, 0, sizeof(*image));
}

struct image_section *image_find(const struct image *image, const char *name)
{
	for (size_t i = 1; i < image->nsections; i++)
		if (!strcmp(image->sections[i].name, name))
			return &image->sections[i];
	return NULL;
}

/* In the names of modules '-' and '_' are the same. */
static bool is_name(const char *listed, size_t n, const char *module)
{
	for (size_t i = 0; i < n; i++)
		if ((listed[i] == '-' ? '_' : listed[i]) != (module[i] == '-' ? '_' : module[i]))
			return false;
	return n && !module[n];
}

static bool is_in_list(const char *list, const char *module)
{
	size_t n = strcspn(list, ",");

	while (list[n] && !is_name(list, n, module)) {
		list += n + 1;
		n = strcspn(list, ",");
	}
	return is_name(list, n, module);
}

bool image_depends_on(const struct image *image, const char *module)
{
	static const char tag[] = "depends=";
	const struct image_section *s = image_find(image, ".modinfo");
	const char *at = s ? (const char *)s->bytes : NULL, *end = at ? at + s->size : NULL;

	if (at == end || end[-1])
		return false;
	for (; at < end; at += strlen(at) + 1)
		if (!strncmp(at, tag, sizeof(tag) - 1) && is_in_list(at + sizeof(tag) - 1, module))
			return true;
	return false;
}

bool image_is_text(const struct image_section *s)
{
	return s->type == SHT_PROGBITS && s->flags & SHF_ALLOC && s->flags & SHF_EXECINSTR &&
	       s->bytes && s->size && strncmp(s->name, ".init", 5) != 0;
}

struct image_section *image_section_at(const struct image *image, uint64_t address)
{
	for (size_t i = 1; i < image->nsections; i++) {
		struct image_section *s = &image->sections[i];

		if (s->placed && s->bytes && address >= s->address && address - s->address < s->size)
			return s;
	}
	return NULL;
}

size_t image_reloc_from(const struct image_section *s, uint64_t offset)
{
	const struct image_reloc key = { .offset = offset };

	return search_from(&key, s->relocs, s->nrelocs, sizeof(key), by_offset);
}

const struct image_reloc *image_reloc_at(const struct image_section *s, uint64_t offset)
{
	size_t i = image_reloc_from(s, offset);

	return i < s->nrelocs && s->relocs[i].offset == offset ? &s->relocs[i] : NULL;
}
