// SPDX-License-Identifier: GPL-2.0-or-later
#include "channel/pins.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "lib/crypto.h"
#include "lib/log.h"
#include "lib/util.h"

#define PINS_MAX 4096

const struct pin *pins_find(const struct pins *pins, const uint8_t key[WIRE_KEY])
{
	for (size_t i = 0; i < pins->n; i++)
		if (!memcmp(pins->pin[i].key, key, WIRE_KEY))
			return &pins->pin[i];
	return NULL;
}

/* NAME of NAME.pub; false: not such a file, or no name to show. */
static bool pin_name(const char *file, char name[TEXT_NAME])
{
	size_t len = strlen(file);

	if (len < 5 || strcmp(file + len - 4, ".pub") || file[0] == '.' ||
	    len - 4 >= TEXT_NAME || !text_is_printable(file))
		return false;
	memcpy(name, file, len - 4);
	name[len - 4] = '\0';
	return true;
}

/* One identity is one agent: a key under two names would let the two fight. */
static void add_pin(struct pins *pins, const char *folder, const char *file)
{
	const struct pin *twin;
	struct pin pin = { 0 };
	char path[PATH_MAX];
	int r;

	if (!pin_name(file, pin.name))
		return;
	snprintf(path, sizeof(path), "%s/%s", folder, file);
	r = key_file_read(path, pin.key, sizeof(pin.key), false);
	twin = r ? NULL : pins_find(pins, pin.key);
	if (r)
		log_warn("%s: no key: %s", path, strerror(-r));
	else if (twin)
		log_warn("%s: the same key as %s: skipped", path, twin->name);
	else if (pins->n == PINS_MAX)
		log_warn("%s: more than %d agents: skipped", path, PINS_MAX);
	else
		pins->pin[pins->n++] = pin;
}

void pins_load(const char *folder, struct pins *ret_pins)
{
	DIR *dir = opendir(folder);
	struct pins pins = { calloc(PINS_MAX, sizeof(*pins.pin)), 0 };
	struct dirent *entry;

	if (!pins.pin)
		fatal("out of memory");
	if (!dir)
		log_warn("%s: %s: no agent can log in", folder, strerror(errno));
	while (dir && (entry = readdir(dir)))
		add_pin(&pins, folder, entry->d_name);
	if (dir)
		closedir(dir);
	log_info("%zu agents are pinned", pins.n);
	*ret_pins = pins;
}
