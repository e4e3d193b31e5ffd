// SPDX-License-Identifier: GPL-2.0-or-later
/* A file of the quarantine that somebody wrote. */
#include <sys/mman.h>
#include <unistd.h>

#include "agent/item.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t name[WIRE_ITEM] = { 8 }, key[WIRE_KEY] = { 9 };
	static uint8_t bytes[ITEM_CHUNK];
	static struct meta meta;
	static struct item item;
	int fd = memfd_create("item", MFD_CLOEXEC);

	must(fd >= 0 && write(fd, data, size) == (ssize_t)size && !lseek(fd, 0, SEEK_SET));
	if (!item_read_begin(&item, fd, name, key, &meta))
		while (item_read(&item, bytes) > 0)
			;
	close(fd);
	return 0;
}
