// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A module's file, packed or not, and a list of symbols: first byte 0 for a list,
 * 1 for a line of /proc/PID/maps, else for a file, whose own bytes are the memory.
 */
#include "fuzz.h"
#include "integrity/module.h"
#include "text/text.h"
#include "text/unpack.h"
#include "integrity/vmm.h"

#define SIZE_MAX_ (1u << 20)

static bool read_none(void *arg, uint64_t address, void *out, size_t n)
{
	memset(out, address, n);
	return address & 1;
}

static void read_symbols(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct symbols symbols;

	memcpy(text, data, size);
	text[size] = '\0';
	if (symbols_read(&symbols, text, size)) {
		must(symbols.n && symbols_named(&symbols, symbols.by_address[0].name,
						symbols.by_address[0].module, NULL));
		must(symbols_at(&symbols, symbols.by_address[0].address));
		symbols_free(&symbols);
	}
	free(text);
}

static void read_mapping(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct vmm_mapping m;
	bool file;

	memcpy(text, data, size);
	text[size] = '\0';
	if (vmm_parse_mapping(text, &m, &file))
		must(m.start < m.end && strlen(m.name) < sizeof(m.name));
	free(text);
}

static void compare(struct image *image, const struct symbols *symbols)
{
	struct text text = { .image = image, .symbols = symbols, .module = "kvm", .read = read_none };

	for (size_t i = 1; i < image->nsections; i++) {
		image->sections[i].placed = true;
		image->sections[i].address = 0xffffffffc0000000ull + (i << 20);
	}
	relocate_place(image, symbols, "kvm");
	if (sites_find(&text)) {
		for (size_t i = 1; i < image->nsections; i++) {
			const struct image_section *s = &image->sections[i];

			if (image_is_text(s) && s->size <= SIZE_MAX_)
				text_compare(&text, s, s->bytes);
		}
	}
	free(text.sites);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char names[] = "ffffffff81000000 T __fentry__\nffffffff81000100 T exported_function\n"
		       "ffffffff81000300 T __x86_return_thunk\nffffffff82000000 D pv_ops\n";
	struct symbols symbols;
	struct image image;
	const char *why;
	uint8_t *bytes;
	size_t n;

	if (size < 2)
		return 0;
	if (data[0] == 0)
		read_symbols(data + 1, size - 1);
	if (data[0] == 1)
		read_mapping(data + 1, size - 1);
	if (data[0] < 2)
		return 0;
	bytes = unpack(data + 1, size - 1, SIZE_MAX_, &n, &why);
	if (!bytes)
		return 0;
	must(n <= SIZE_MAX_ && symbols_read(&symbols, names, strlen(names)));
	if (image_open(&image, bytes, n))
		compare(&image, &symbols);
	else
		must(image.why != NULL);
	image_close(&image);
	symbols_free(&symbols);
	free(bytes);
	return 0;
}
